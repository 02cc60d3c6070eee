import { Controller, Get, Injectable } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import {
  CacheResponse,
  CacheResult,
  CacheService,
  type Dispatcher,
  InvalidationDispatcher,
  type InvalidationJob,
  InvalidationWorker,
  invalidates,
} from '../../lib/index.js';
import { activeTracer } from '../../lib/observability/tracing.js';
import { instrumentCache, RestflowOpenTelemetryModule } from '../../lib/opentelemetry.js';
import { GuardedStore } from '../../lib/stores/guarded-store.js';
import { MemoryStore } from '../../lib/stores/memory-store.js';
import { platforms, start, type TestApplication } from '../http/support/application.js';
import { TestApplication as Application } from '../support/application.js';
import { Telemetry } from './support.js';

@Entity()
class Shop {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

@Injectable()
class Things {
  @CacheResult({ ttl: 60, name: 'Things.find' }) async find(id: number): Promise<number> {
    trace.getTracer('test').startSpan('query').end();
    if (id < 0) throw new Error('no such thing');
    return id;
  }
}

@Injectable()
class Shops {
  @CacheResult({
    ttl: 60,
    invalidatesOn: [invalidates(Shop, { scope: 'all', dispatcher: 'kept' })],
  })
  async all(): Promise<number> {
    return 1;
  }
}

@Injectable()
@InvalidationDispatcher('kept')
class Kept implements Dispatcher {
  readonly jobs: InvalidationJob[] = [];
  dispatch(jobs: readonly InvalidationJob[]): void {
    this.jobs.push(...jobs);
  }
}

@Controller('pages')
class Pages {
  @Get() @CacheResponse(60) all(): string {
    return 'all';
  }
}

let telemetry: Telemetry;
let running: { close(): Promise<void> }[] = [];
beforeEach(() => {
  telemetry = new Telemetry();
  telemetry.start();
});
afterEach(async () => {
  for (const one of running) await one.close();
  running = [];
  await telemetry.stop();
});

const application = async (
  options: Parameters<typeof RestflowOpenTelemetryModule.forRoot>[0] = {},
  settings: Parameters<typeof Application.start>[1] = {},
  more: NonNullable<Parameters<typeof Application.start>[2]> = [],
  providers: Parameters<typeof Application.start>[0] = [],
) => {
  const app = await Application.start([Things, ...providers], settings, [
    RestflowOpenTelemetryModule.forRoot(options),
    ...more,
  ]);
  running.push(app);
  return app;
};

/** The store of a process of its own, guarded as those behind a network are. */
const sharedStore = () => new GuardedStore(new MemoryStore(), { timeout: 1_000 });

describe('the spans of the cache', () => {
  it('hold each load, with what it asks inside of it', async () => {
    const app = await application();
    const things = app.get(Things);
    await trace.getTracer('test').startActiveSpan('request', async (span) => {
      await things.find(1);
      await things.find(1);
      span.end();
    });
    const [load, ...others] = telemetry.named('cache.load Things.find');
    expect(others).toEqual([]);
    expect(load!.attributes).toEqual({
      'cache.namespace': 'restflow',
      'cache.method': 'Things.find',
      'cache.hit': false,
    });
    const [request] = telemetry.named('request');
    const [query] = telemetry.named('query');
    expect(load!.parentSpanContext?.spanId).toBe(request!.spanContext().spanId);
    expect(query!.parentSpanContext?.spanId).toBe(load!.spanContext().spanId);
  });

  it('tell of a load that failed', async () => {
    const app = await application();
    await expect(app.get(Things).find(-1)).rejects.toThrow('no such thing');
    const [load] = telemetry.named('cache.load Things.find');
    expect(load!.status).toMatchObject({ message: 'no such thing' });
    expect(load!.events.map(({ name }) => name)).toEqual(['exception']);
  });

  it('hold no key, unless hits and keys are asked for', async () => {
    const quiet = await application();
    for (let i = 0; i < 2; i++) await quiet.get(Things).find(4711);
    expect(telemetry.named('cache.get Things.find')).toEqual([]);
    expect(JSON.stringify(telemetry.spans.map(({ attributes }) => attributes))).not.toContain('4711');
    await running.pop()!.close();
    const loud = await application({ hits: true, keys: true });
    for (let i = 0; i < 2; i++) await loud.get(Things).find(4711);
    const [hit] = telemetry.named('cache.get Things.find');
    expect(hit!.attributes).toMatchObject({
      'cache.hit': true,
      'cache.key': expect.stringContaining('4711'),
    });
  });

  it('hold calls of a shared store and invalidations, one inside the other', async () => {
    const app = await application({}, { store: sharedStore() });
    await app.get(Things).find(1);
    await app.cache.for(Things, 'find').deleteCache(1);
    expect(telemetry.named('cache.store.get')).toHaveLength(1);
    expect(telemetry.named('cache.store.set')).toHaveLength(1);
    const [invalidation] = telemetry.named('cache.invalidate');
    expect(invalidation!.attributes).toEqual({
      'cache.namespace': 'restflow',
      'cache.invalidation.mode': 'purge',
      'cache.invalidation.cause': 'manual',
      'cache.invalidation.tags': 1,
    });
    const [bump] = telemetry.named('cache.store.bump');
    expect(bump!.parentSpanContext?.spanId).toBe(invalidation!.spanContext().spanId);
  });

  it('carry the trace of a change through a queue to the worker', async () => {
    const database = TypeOrmModule.forRoot({
      type: 'sqljs',
      autoSave: false,
      entities: [Shop],
      synchronize: true,
    });
    const app = await application({}, { dispatchers: [Kept] }, [database], [Shops]);
    await app.get(Shops).all();
    await trace.getTracer('test').startActiveSpan('request', async (span) => {
      await app.get(DataSource).getRepository(Shop).save({ name: 'one' });
      span.end();
    });
    const [job] = app.get(Kept).jobs;
    const [request] = telemetry.named('request');
    expect(job!.trace).toMatchObject({
      traceparent: expect.stringContaining(request!.spanContext().traceId),
    });
    telemetry.reset();
    // As the queue delivers it, to a process without the trace.
    await app.get(InvalidationWorker).handle(JSON.parse(JSON.stringify(job)));
    const [run] = telemetry.named('cache.job');
    expect(run!.spanContext().traceId).toBe(request!.spanContext().traceId);
    const [invalidation] = telemetry.named('cache.invalidate');
    expect(invalidation!.parentSpanContext?.spanId).toBe(run!.spanContext().spanId);
    // A queue may deliver anything.
    for (const wrong of [7, 'text', { traceparent: 7 }, { traceparent: 'nonsense' }, null])
      await app.get(InvalidationWorker).handle({ ...JSON.parse(JSON.stringify(job)), trace: wrong });
    expect(telemetry.named('cache.job')).toHaveLength(6);
  });
});

describe.each(platforms)('the span of a request on %s', (platform) => {
  it('says whether its answer came from the cache', async () => {
    const app: TestApplication = await start(platform, {
      imports: [RestflowOpenTelemetryModule.forRoot()],
      controllers: [Pages],
      setup: (one) => {
        one.use((_request: object, response: { on(name: string, end: () => void): void }, next: () => void) =>
          trace.getTracer('test').startActiveSpan('request', (span) => {
            response.on('finish', () => span.end());
            next();
          }),
        );
      },
    });
    running.push(app);
    for (let i = 0; i < 2; i++) await app.get('/pages');
    const hits = telemetry.named('request').map(({ attributes }) => attributes['cache.hit']);
    expect(hits).toEqual([false, true]);
    const [load] = telemetry.named('cache.load Pages.all');
    expect(load!.spanContext().traceId).toBe(telemetry.named('request')[0]!.spanContext().traceId);
  });
});

describe('the metrics of OpenTelemetry', () => {
  it('are the counts of the cache', async () => {
    const app = await application();
    for (const id of [1, 1, 1, 2]) await app.get(Things).find(id);
    const calls = await telemetry.metric('restflow.calls');
    expect(calls).toContainEqual({
      attributes: { namespace: 'restflow', method: 'Things.find', status: 'hit' },
      value: 2,
    });
    expect(await telemetry.metric('restflow.store_up')).toEqual([
      { attributes: { namespace: 'restflow', store: 'default', kind: 'memory' }, value: 1 },
    ]);
    const [loads] = await telemetry.metric('restflow.load_duration');
    expect(loads!.value).toMatchObject({ count: 2 });
  });
});

describe('instrumentCache()', () => {
  it('does nothing without an SDK, and ends with the application', async () => {
    const app = await application();
    expect(activeTracer()).toBeDefined();
    await running.pop()!.close();
    expect(activeTracer()).toBeUndefined();
    await telemetry.stop();
    const undo = instrumentCache(app.module.get(CacheService, { strict: false }));
    expect(activeTracer()).toBeUndefined();
    undo();
  });

  it('refuses options that it does not know', () => {
    expect(() => RestflowOpenTelemetryModule.forRoot({ hit: true } as never)).toThrow('Did you mean hits?');
  });
});
