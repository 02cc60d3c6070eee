import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import { Controller, Get } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CACHE_CHANNELS,
  CacheResponse,
  type CacheStore,
  type InvalidateEvent,
  type LoadEvent,
  memoryStore,
  type StoreEvent,
} from '../../lib/index.js';
import { Applications, method } from '../cache/support/methods.js';
import { GuardedStore } from '../../lib/stores/guarded-store.js';
import { platforms, start as startHttp, type TestApplication } from '../http/support/application.js';

const { start, close } = new Applications();
let undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo) one();
  undo = [];
  await close();
});

/** What a channel told, but of other applications. */
function heard<T>(name: string): T[] {
  const events: T[] = [];
  const listen = (event: unknown): void => void events.push(event as T);
  subscribe(name, listen);
  undo.push(() => unsubscribe(name, listen));
  return events;
}

/** What the load channel told, in its order: a copy of each event as it was then. */
function heardLoads(): [string, LoadEvent][] {
  const told: [string, LoadEvent][] = [];
  const tell =
    (name: string) =>
    (event: LoadEvent): void =>
      void told.push([name, { ...event }]);
  const subscribers = {
    start: tell('start'),
    end: tell('end'),
    asyncStart: tell('asyncStart'),
    asyncEnd: tell('asyncEnd'),
    error: tell('error'),
  };
  const channel = tracingChannel<LoadEvent, LoadEvent>(CACHE_CHANNELS.load);
  channel.subscribe(subscribers);
  undo.push(() => channel.unsubscribe(subscribers));
  return told;
}

const SECRET = 'alice@example.com';

describe('the load channel', () => {
  const things = async () => {
    const Things = method('things', { ttl: 60 });
    const { cache, clock, get } = await start([Things], { namespace: 'shop' }).then((application) => ({
      cache: application.cache,
      clock: application.clock,
      get: application.get(Things),
    }));
    return { cache, clock, provider: get };
  };

  it('reports each load from its start to its end, and no hits', async () => {
    const { clock, provider } = await things();
    const told = heardLoads();
    provider.body = () => clock.advance(2_000);
    await provider.call(1);
    await provider.call(1);
    const event = { namespace: 'shop', method: 'things' };
    expect(told).toEqual([
      ['start', event],
      ['end', event],
      ['asyncStart', { ...event, seconds: 2 }],
      ['asyncEnd', { ...event, seconds: 2 }],
    ]);
  });

  it('reports the error of a load', async () => {
    const { provider } = await things();
    const told = heardLoads();
    const error = new Error('down');
    provider.body = () => Promise.reject(error);
    await expect(provider.call(1)).rejects.toBe(error);
    expect(told.map(([name]) => name)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(told[2]![1]).toMatchObject({ method: 'things', error });
  });

  it('runs the loader in the context that a subscriber binds to its start, as tracers do', async () => {
    const { provider } = await things();
    const spans = new AsyncLocalStorage<string>();
    const { start: begin } = tracingChannel<string, LoadEvent>(CACHE_CHANNELS.load);
    begin.bindStore(spans, (event) => `load of ${(event as unknown as LoadEvent).method}`);
    undo.push(() => begin.unbindStore(spans));
    let seen: string | undefined;
    provider.body = async () => {
      await Promise.resolve();
      seen = spans.getStore();
    };
    await spans.run('request', () => provider.call(1));
    expect(seen).toBe('load of things');
    expect(spans.getStore()).toBeUndefined();
  });

  it('contains neither keys nor arguments nor values, also of values cached by hand', async () => {
    const { cache, provider } = await things();
    const told = heardLoads();
    provider.body = () => SECRET;
    await provider.call(SECRET as never);
    await cache.getOrSet(SECRET, () => SECRET);
    await cache.getOrSetMany([SECRET, 'other'], async (keys) => keys);
    expect(told.filter(([name]) => name === 'start').map(([, event]) => event.method)).toEqual([
      'things',
      'CacheService',
      'CacheService',
    ]);
    expect(inspect(told, { depth: 9, showHidden: true })).not.toContain(SECRET);
  });
});

@Controller()
class Pages {
  static answer = async (): Promise<unknown> => 'answer';
  @Get() @CacheResponse({ ttl: 60, name: 'page' }) page(): Promise<unknown> {
    return Pages.answer();
  }
}

describe.each(platforms)('the load channel of a handler on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    // The handler reads the context of the tracer, which chooses no answer.
    app = await startHttp(platform, { controllers: [Pages], cache: { keyContext: () => ({}) } });
  });
  afterEach(() => app.close());

  it('reports its run, in the context that a subscriber binds to its start', async () => {
    const told = heardLoads();
    const spans = new AsyncLocalStorage<string>();
    const { start: begin } = tracingChannel<string, LoadEvent>(CACHE_CHANNELS.load);
    begin.bindStore(spans, () => 'span');
    undo.push(() => begin.unbindStore(spans));
    let seen: string | undefined;
    Pages.answer = async () => {
      seen = spans.getStore();
      return 'answer';
    };
    await app.get('/');
    await app.get('/');
    expect(seen).toBe('span');
    expect(told.map(([name]) => name)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(told[0]![1]).toEqual({ namespace: 'restflow', method: 'page' });
  });

  it('reports its error', async () => {
    const told = heardLoads();
    const error = new Error('down');
    Pages.answer = () => Promise.reject(error);
    await app.get('/');
    expect(told.map(([name]) => name)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(told[2]![1].error).toBe(error);
  });
});

describe('the invalidate channel', () => {
  it('reports invalidations with their cause and methods, and with tags on request', async () => {
    const Things = method('the things', { ttl: 60, tags: [SECRET] });
    const { cache } = await start([Things], { namespace: 'shop' });
    const told = heard<InvalidateEvent>(CACHE_CHANNELS.invalidate);
    const cached = cache.for(Things, 'call');
    await cached.deleteByPrefix({ id: SECRET });
    await cached.deleteCache(SECRET as never);
    await cached.invalidateAll();
    await cache.invalidateTags([SECRET], { mode: 'expire' });
    await cache.delete(SECRET);
    await cache.clear();
    const event = { namespace: 'shop', mode: 'purge', cause: 'manual', everything: false, count: 1 };
    const ofThings = { ...event, methods: ['the things'] };
    expect(told.map((one) => ({ ...one }))).toEqual([
      ofThings,
      ofThings,
      ofThings,
      { ...event, mode: 'expire', methods: [] },
      { ...event, methods: [] },
      { ...event, methods: [], everything: true },
    ]);
    expect(JSON.stringify(told) + inspect(told, { depth: 9 })).not.toContain('alice');
    expect(told[0]!.tags).toEqual([expect.stringMatching(/^shop:g:p:.*alice/)]);
  });
});

describe('the store channel', () => {
  it('reports a store that goes down and is back, with its names', async () => {
    const it = { fails: true };
    const inner = memoryStore();
    const get: CacheStore['get'] = async (query) => {
      if (it.fails) throw new Error('gone');
      return inner.get(query);
    };
    const shared = new GuardedStore(
      { kind: 'shared', keepsReferences: true, get, set: () => undefined } as unknown as CacheStore,
      { timeout: 1_000 },
    );
    const { cache, clock } = await start([], { namespace: 'shop', stores: { bulk: shared, other: shared } });
    const told = heard<StoreEvent>(CACHE_CHANNELS.store);
    for (let i = 0; i < 4; i++) await cache.getOrSet('key', () => 1, { store: 'bulk' });
    it.fails = false;
    clock.advance(1_000);
    await cache.getOrSet('key', () => 1, { store: 'bulk' });
    const event = { namespace: 'shop', stores: ['bulk', 'other'], kind: 'shared' };
    expect(told).toEqual([
      { ...event, status: 'down', reason: new Error('gone') },
      { ...event, status: 'up', reason: undefined },
    ]);
  });
});
