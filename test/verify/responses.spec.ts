import { Controller, Get, Header, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, type RestflowCacheOptions, type VerifyMetrics } from '../../lib/index.js';
import { platforms, start, until, type TestApplication } from '../http/support/application.js';

let text: string;
let asked: number;
let writes: number;

@Controller()
class Pages {
  @Get('pages/:id') @CacheResponse(60) page(@Param('id') id: string, @Query('q') q?: string): object {
    asked++;
    return { id, q, text };
  }

  @Get('tenants') @CacheResponse(60) tenant(@Headers('x-tenant') tenant: string): object {
    return { tenant, text };
  }

  @Get('moody') @CacheResponse({ ttl: 60, verify: { equals: () => true } }) moody(): string {
    return text;
  }

  @Get('effects') @CacheResponse({ ttl: 60, verify: false }) effects(): string {
    asked++;
    return text;
  }

  @Get('by-headers')
  @Header('Cache-Control', 'public, max-age=60')
  @CacheResponse({ freshness: 'headers' })
  byHeaders(): string {
    return text;
  }

  @Post('search')
  @HttpCode(200)
  @CacheResponse({ ttl: 60, methods: ['POST'] })
  search(): string {
    writes++;
    return text;
  }
}

const verify = { sample: 1, budget: 1_000, maxInFlight: 100, settle: '30ms' } as const;

describe.each(platforms)('a verified response on %s', (platform) => {
  let app: TestApplication;
  afterEach(() => app.close());

  async function boot(cache: RestflowCacheOptions = {}): Promise<void> {
    text = 'old';
    asked = 0;
    writes = 0;
    app = await start(platform, { controllers: [Pages], cache: { verify, ...cache } });
  }

  async function outcomes(hits: number): Promise<VerifyMetrics> {
    const sum = (): number =>
      Object.values(app.cache.metrics().verify!.outcomes).reduce((all, one) => all + one, 0);
    await until(() => sum() >= hits, `${hits} verifications`);
    return app.cache.metrics().verify!;
  }

  it('matches while its handler answers the same', async () => {
    await boot();
    for (let i = 0; i < 4; i++) expect((await app.get('/pages/1?q=a')).body).toContain('old');
    expect((await outcomes(3)).outcomes).toMatchObject({ match: 3, stale: 0 });
    expect(asked).toBe(4);
    const [method] = app.cache.metrics().methods.filter(({ name }) => name === 'Pages.page');
    expect(method).toMatchObject({ hits: 3, misses: 1, loads: 1, bypasses: 0 });
  });

  it('is stale where its handler answers something else, and is dropped', async () => {
    await boot();
    await app.get('/pages/1');
    text = 'new';
    const hit = await app.get('/pages/1');
    expect([hit.cache, hit.body]).toEqual(['HIT', '{"id":"1","text":"old"}']);
    expect((await outcomes(1)).causes).toEqual({ unknown: 1 });
    expect((await app.get('/pages/1')).body).toContain('new');
  });

  it('of a HEAD is verified with a GET, and of a POST not at all', async () => {
    await boot();
    await app.get('/pages/1');
    expect((await app.get('/pages/1', { method: 'HEAD' })).cache).toBe('HIT');
    await app.get('/search', { method: 'POST' });
    expect((await app.get('/search', { method: 'POST' })).cache).toBe('HIT');
    expect((await outcomes(2)).outcomes).toMatchObject({ match: 1, unrepeatable: 1 });
    expect(writes).toBe(1);
  });

  it('names the input that its key lacks once the wrong value has come back', async () => {
    await boot({ ignoreHeaders: ['x-tenant'] });
    const get = (tenant: string): Promise<{ body: string }> =>
      app.get('/tenants', { headers: { 'x-tenant': tenant } });
    await get('a');
    expect((await get('b')).body).toContain('"a"');
    expect((await outcomes(1)).outcomes.stale).toBe(1);
    await get('a');
    expect((await get('b')).body).toContain('"a"');
    expect((await outcomes(2)).causes).toEqual({ unknown: 1, input: 1 });
    expect(app.complaints.join('\n')).toContain('Two readers of its key are due different values');
  });

  it('is left alone with verify: false, and compared by equals', async () => {
    await boot();
    for (let i = 0; i < 3; i++) await app.get('/effects');
    await app.get('/by-headers');
    await app.get('/moody');
    text = 'new';
    expect((await app.get('/by-headers')).cache).toBe('HIT');
    await app.get('/moody');
    expect((await outcomes(1)).outcomes).toMatchObject({ match: 1, stale: 0 });
    expect(asked).toBe(1);
  });
});
