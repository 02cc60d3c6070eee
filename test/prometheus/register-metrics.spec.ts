import { Controller, Get, Injectable, Module, type CanActivate, UnauthorizedException } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type OpenMetricsContentType, Registry } from 'prom-client';
import { CacheResponse, CacheResult } from '../../lib/index.js';
import { METRIC_FAMILIES } from '../../lib/observability/metric-families.js';
import { registerMetrics, RestflowPrometheusModule } from '../../lib/prometheus.js';
import { platforms, start, type TestApplication } from '../http/support/application.js';
import { TestApplication as Application } from '../support/application.js';
import { checkMetrics } from './support/promtool.js';
import { samplesOf } from './support/samples.js';

let running: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running) await one.close();
  running = [];
});

@Injectable()
class Things {
  @CacheResult({ ttl: 60, cacheIf: (value) => value !== 13 }) async find(id: number): Promise<number> {
    if (id < 0) throw new Error('no such thing');
    return id;
  }
}

@Controller('pages')
class Pages {
  @Get() @CacheResponse(60) all(): string {
    return 'all';
  }
}

@Injectable()
class Token implements CanActivate {
  canActivate(context: { switchToHttp(): { getRequest(): { headers: Record<string, string> } } }): boolean {
    if (context.switchToHttp().getRequest().headers['x-token'] === 'secret') return true;
    throw new UnauthorizedException();
  }
}

const application = async (namespace = 'shop') => {
  const app = await Application.start([Things], { namespace });
  running.push(app);
  return app;
};

describe('registerMetrics()', () => {
  it('writes what the cache counts into the exposition of prom-client', async () => {
    const app = await application();
    const register = new Registry();
    registerMetrics(register, app.cache, { sampleHits: 1 });
    const things = app.get(Things);
    for (const id of [1, 1, 1, 13]) await things.find(id);
    await expect(things.find(-1)).rejects.toThrow('no such thing');
    const samples = samplesOf(await register.metrics());
    const labels = 'method="Things.find",namespace="shop"';
    expect(samples).toMatchObject({
      [`restflow_calls_total{${labels},status="hit"}`]: 2,
      [`restflow_calls_total{${labels},status="miss"}`]: 3,
      [`restflow_loads_total{${labels}}`]: 3,
      [`restflow_load_errors_total{${labels}}`]: 1,
      [`restflow_load_duration_seconds_count{${labels}}`]: 3,
      [`restflow_load_duration_seconds_bucket{le="+Inf",${labels}}`]: 3,
      [`restflow_refusals_total{kind="condition",${labels}}`]: 1,
      'restflow_store_up{kind="memory",namespace="shop",store="default"}': 1,
      'restflow_store_entries{kind="memory",namespace="shop",store="default"}': 1,
      'restflow_invalidations_total{namespace="shop"}': 0,
    });
    expect(samples[`restflow_hit_duration_seconds_count{${labels}}`]).toBeGreaterThan(0);
  });

  it('writes buckets that grow with their bound', async () => {
    const app = await application();
    const register = new Registry();
    registerMetrics(register, app.cache);
    for (let id = 0; id < 20; id++) await app.get(Things).find(id);
    const text = await register.getSingleMetricAsString('restflow_load_duration_seconds');
    const buckets = text.split('\n').filter((line) => line.includes('_bucket') && line.includes('Things'));
    const counts = buckets.map((line) => Number(line.split(' ').at(-1)));
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(counts.at(-1)).toBe(20);
  });

  it('tells the applications of one registry apart, and leaves it when the last one ends', async () => {
    const register = new Registry();
    const [shop, blog] = [await application('shop'), await application('blog')];
    const undo = [shop, blog].map(({ cache }) => registerMetrics(register, cache));
    const namespaces = async () =>
      new Set([...(await register.metrics()).matchAll(/namespace="(\w+)"/g)].map(([, name]) => name));
    expect(await namespaces()).toEqual(new Set(['shop', 'blog']));
    undo[0]!();
    expect(await namespaces()).toEqual(new Set(['blog']));
    undo[1]!();
    expect((await register.metrics()).trim()).toBe('');
  });

  it('writes names and help texts as promtool wants them, also in OpenMetrics', async () => {
    const app = await application();
    const register = new Registry();
    registerMetrics(register, app.cache, { sampleHits: 1 });
    for (const id of [1, 1, 13]) await app.get(Things).find(id);
    expect(await checkMetrics(await register.metrics())).toBe('');
    const open = new Registry<OpenMetricsContentType>();
    open.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    registerMetrics(open, app.cache);
    const text = await open.metrics();
    expect(text).toContain('# TYPE restflow_calls counter\n');
    expect(text).toContain('restflow_calls_total{');
    expect(text).not.toContain('_total_total');
  });

  it('has no label but names that stand in the code', async () => {
    const app = await application();
    const register = new Registry();
    registerMetrics(register, app.cache, { sampleHits: 1 });
    const before = (await register.metrics()).split('\n').length;
    for (let id = 100; id < 400; id++) await app.get(Things).find(id);
    await app.get(Things).find(100);
    const after = (await register.metrics()).split('\n').length;
    // The two histograms appear with their first duration.
    expect(after - before).toBeLessThan(40);
    const labels = new Set([...(await register.metrics()).matchAll(/[{,](\w+)=/g)].map(([, name]) => name));
    expect([...labels].sort()).toEqual([
      'dispatcher',
      'kind',
      'le',
      'method',
      'namespace',
      'status',
      'store',
    ]);
  });

  it('refuses a sampling that cannot be', async () => {
    const app = await application();
    expect(() => registerMetrics(new Registry(), app.cache, { sampleHits: 0 })).toThrow(
      'Write how many hits',
    );
  });
});

describe.each(platforms)('RestflowPrometheusModule on %s', (platform) => {
  const begin = async (options: object, more: object = {}): Promise<TestApplication> => {
    const register = new Registry();
    const app = await start(platform, {
      imports: [RestflowPrometheusModule.forRoot({ register, ...options })],
      controllers: [Pages],
      ...more,
    });
    running.push(app);
    return app;
  };

  it('answers a scrape with the type that Prometheus reads, never from the cache', async () => {
    const app = await begin({}, { cache: { cacheEverything: { ttl: 60 } } });
    for (let i = 0; i < 3; i++) await app.get('/pages');
    const first = await app.get('/metrics');
    expect(first.status).toBe(200);
    expect(first.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(first.headers['cache-control']).toBe('no-store');
    expect(samplesOf(first.body)).toMatchObject({
      'restflow_calls_total{method="Pages.all",namespace="restflow",status="hit"}': 2,
    });
    await app.get('/pages');
    expect(samplesOf((await app.get('/metrics')).body)).toMatchObject({
      'restflow_calls_total{method="Pages.all",namespace="restflow",status="hit"}': 3,
    });
    expect(await checkMetrics(first.body)).toBe('');
  });

  it('counts by kind what requests were refused for', async () => {
    const app = await begin({});
    await app.get('/pages', { cookie: 'session=1' });
    await app.get('/pages', { authorization: 'Bearer 1' });
    await app.get('/pages', { authorization: 'Bearer 2' });
    expect(samplesOf((await app.get('/metrics')).body)).toMatchObject({
      'restflow_refusals_total{kind="cookie",method="Pages.all",namespace="restflow"}': 1,
      'restflow_refusals_total{kind="authenticated",method="Pages.all",namespace="restflow"}': 2,
    });
  });

  it('asks its guard', async () => {
    @Module({ providers: [Token], exports: [Token] })
    class Tokens {}
    const app = await begin({ guard: Token, path: 'internal/metrics', imports: [Tokens] });
    expect((await app.get('/internal/metrics')).status).toBe(401);
    expect((await app.get('/internal/metrics', { 'x-token': 'secret' })).status).toBe(200);
    expect((await app.get('/metrics')).status).toBe(404);
  });
});

describe('RestflowPrometheusModule.forRoot()', () => {
  it('refuses options that cannot work, with the line to write', () => {
    expect(() => RestflowPrometheusModule.forRoot({} as never)).toThrow(
      "import { register } from 'prom-client'",
    );
    expect(() => RestflowPrometheusModule.forRoot({ register: new Registry(), sampleHits: 1.5 })).toThrow(
      'sampleHits is 1.5',
    );
  });
});

describe('the metrics', () => {
  it('are all in docs/prometheus.md', async () => {
    const { readPage } = await import('../docs/code-blocks.js');
    const page = readPage('docs/prometheus.md');
    expect(METRIC_FAMILIES.map(({ name }) => name).filter((name) => !page.includes(`\`${name}\``))).toEqual(
      [],
    );
  });
});
