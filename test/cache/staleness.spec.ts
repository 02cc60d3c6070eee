import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CACHE_MISSING,
  CacheTimeoutError,
  memoryStore,
  type CacheResultOptions,
  type CacheStore,
} from '../../lib/index.js';
import { Gate, settled } from '../support/gate.js';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

async function things(options: CacheResultOptions) {
  const Things = method('things', { tags: ['tag'], ...options });
  const application = await start([Things]);
  return {
    application,
    clock: application.clock,
    cache: application.cache,
    provider: application.get(Things),
    cached: application.cache.for(Things, 'call'),
  };
}

describe('staleWhileRevalidate', () => {
  it('serves a value past its lifetime while one load runs in the background', async () => {
    const { clock, provider, cached } = await things({ ttl: 10, staleWhileRevalidate: 20 });
    await provider.call(1);
    clock.advance(10_000);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'new');
    for (let reads = 0; reads < 5; reads++) {
      expect(await cached.getWithMetadata(1)).toMatchObject([1, { cacheStatus: 'STALE' }]);
    }
    expect(provider.runs).toBe(2);
    gate.open();
    await settled();
    expect(await cached.getWithMetadata(1)).toMatchObject(['new', { cacheStatus: 'HIT' }]);
  });

  it('ends with its window', async () => {
    const { clock, provider, cached } = await things({ ttl: 10, staleWhileRevalidate: 20 });
    await provider.call(1);
    clock.advance(29_999);
    expect(await cached.getCacheOnly(1)).toBe(1);
    clock.advance(1);
    expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
    provider.body = () => 'new';
    expect(await provider.call(1)).toBe('new');
  });

  it('a background load that fails is logged, fails no caller, and is repeated', async () => {
    const { application, clock, provider } = await things({ ttl: 10, staleWhileRevalidate: 20 });
    await provider.call(1);
    clock.advance(10_000);
    provider.body = () => Promise.reject(new Error('down'));
    expect(await provider.call(1)).toBe(1);
    await settled();
    expect(application.log.errors.join()).toMatch(/background refresh of things failed.*down/);
    provider.body = () => 'new';
    clock.advance(1_000);
    expect(await provider.call(1)).toBe(1);
    await settled();
    expect(await provider.call(1)).toBe('new');
  });

  it('a background load that a purge overtakes is not stored', async () => {
    const { cache, clock, provider } = await things({ ttl: 10, staleWhileRevalidate: 20 });
    await provider.call(1);
    clock.advance(10_000);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'old');
    await provider.call(1);
    await gate.reached();
    await cache.invalidateTags(['tag']);
    gate.open();
    await settled();
    provider.body = () => 'new';
    expect(await provider.call(1)).toBe('new');
  });
});

describe('no background load is begun', () => {
  const AHEAD = { ttl: 10, refreshAhead: 0.5 } as const;

  it('while one runs for the key', async () => {
    const { clock, provider, cached } = await things(AHEAD);
    await provider.call(1);
    clock.advance(6_000);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'new');
    const refreshing = cached.refresh(1);
    await gate.reached();
    expect(await provider.call(1)).toBe(1);
    await settled();
    gate.open();
    expect([await refreshing, await provider.call(1), provider.runs]).toEqual(['new', 'new', 2]);
  });

  it('while the limit of shared loads is reached', async () => {
    const { cache, clock, provider } = await things(AHEAD);
    await provider.call(1);
    clock.advance(6_000);
    const gate = new Gate();
    const others = Array.from({ length: 10_000 }, (_, i) => cache.getOrSet(`other ${i}`, () => gate.pass()));
    await gate.reached(10_000);
    expect(await provider.call(1)).toBe(1);
    await settled();
    expect(provider.runs).toBe(1);
    gate.open();
    await Promise.all(others);
    await provider.call(1);
    await settled();
    expect(provider.runs).toBe(2);
  });

  it('while the store has entries and no stamps: nothing could be stored', async () => {
    const store = memoryStore();
    const Things = method('things', AHEAD);
    const application = await start([Things], { store });
    const provider = application.get(Things);
    await provider.call(1);
    application.clock.advance(6_000);
    store.stamp = () => Promise.reject(new Error('away'));
    expect(await provider.call(1)).toBe(1);
    await settled();
    expect(provider.runs).toBe(1);
  });
});

describe('between background loads that are in vain', () => {
  const WINDOWS: Record<'staleWhileRevalidate' | 'refreshAhead', CacheResultOptions> = {
    staleWhileRevalidate: { ttl: 10, staleWhileRevalidate: '1h' },
    refreshAhead: { ttl: '1h', refreshAhead: 0.01 },
  };
  const failing = async (options: CacheResultOptions) => {
    const world = await things(options);
    const { clock, provider } = world;
    await provider.call(1);
    clock.advance(60_000);
    provider.body = () => Promise.reject(new Error('down'));
    const hit = async (ms = 0): Promise<number> => {
      clock.advance(ms);
      expect(await provider.call(1)).toBe(1);
      await settled();
      return provider.runs;
    };
    expect(await hit()).toBe(2);
    return { ...world, hit };
  };

  it.each(Object.entries(WINDOWS))('of %s there is a pause, from 1 s to 30 s', async (_, options) => {
    const { application, cached, hit } = await failing(options);
    let runs = 2;
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      expect([await hit(), await hit(seconds * 1_000 - 1), await hit(1)]).toEqual([runs, runs, runs + 1]);
      runs++;
    }
    expect(await cached.getCacheOnly(1)).toBe(1);
    expect(application.log.errors).toHaveLength(1);
  });

  it('there is a pause also if their values are not stored', async () => {
    let isGood = true;
    const { clock, provider } = await things({ ...WINDOWS.staleWhileRevalidate, cacheIf: () => isGood });
    await provider.call(1);
    clock.advance(10_000);
    isGood = false;
    for (let reads = 0; reads < 5; reads++) {
      await provider.call(1);
      await settled();
    }
    expect(provider.runs).toBe(2);
  });

  it.each<[string, (world: Awaited<ReturnType<typeof failing>>) => Promise<unknown>]>([
    ['an invalidation', ({ cache }) => cache.invalidateTags(['tag'], { mode: 'expire' })],
    [
      'refresh()',
      async ({ provider, cached, clock }) => {
        const { body } = provider;
        provider.body = () => 1;
        await cached.refresh(1);
        provider.body = body;
        clock.advance(60_000);
      },
    ],
  ])('%s ends the pause', async (_, end) => {
    const world = await failing({ ttl: '1h', refreshAhead: 0.01, staleWhileRevalidate: '1h' });
    // The last pause was of half a minute, and begins with a second again.
    for (const seconds of [1, 2, 4, 8, 16]) await world.hit(seconds * 1_000);
    for (let times = 0; times < 2; times++) {
      await end(world);
      const before = world.provider.runs;
      expect([await world.hit(), await world.hit(999), await world.hit(1)]).toEqual([
        before + 1,
        before + 1,
        before + 2,
      ]);
    }
  });

  it('another key is loaded without a pause', async () => {
    const { provider, hit } = await failing(WINDOWS.refreshAhead);
    await expect(provider.call(2)).rejects.toThrow('down');
    expect(await hit()).toBe(3);
  });

  it('nothing is loaded where a background load succeeded', async () => {
    const { provider, clock, hit } = await failing(WINDOWS.refreshAhead);
    provider.body = () => 1;
    expect([await hit(1_000), await hit()]).toEqual([3, 3]);
    provider.body = () => Promise.reject(new Error('down'));
    clock.advance(60_000);
    expect([await hit(), await hit(999), await hit(1)]).toEqual([4, 4, 5]);
  });
});

describe('expire and purge', () => {
  it('an expired entry is served stale while it is loaded again', async () => {
    const { cache, provider, cached } = await things({ ttl: 60 });
    await provider.call(1);
    provider.body = () => 'new';
    await cache.invalidateTags(['tag'], { mode: 'expire' });
    expect(await cached.getWithMetadata(1)).toMatchObject([1, { cacheStatus: 'STALE' }]);
    await settled();
    expect(await cached.getWithMetadata(1)).toMatchObject(['new', { cacheStatus: 'HIT' }]);
  });

  it('an entry that is expired and past its lifetime is not served', async () => {
    const { cache, clock, provider } = await things({ ttl: 60 });
    await provider.call(1);
    provider.body = () => 'new';
    await cache.invalidateTags(['tag'], { mode: 'expire' });
    clock.advance(60_000);
    expect(await provider.call(1)).toBe('new');
  });

  it('a purged entry is never served again, even if it was expired before', async () => {
    const { cache, clock, provider } = await things({
      ttl: 10,
      staleWhileRevalidate: '1h',
      staleIfError: '1h',
    });
    await provider.call(1);
    await cache.invalidateTags(['tag'], { mode: 'expire' });
    await cache.invalidateTags(['tag'], { mode: 'purge' });
    clock.advance(10_000);
    provider.body = () => Promise.reject(new Error('down'));
    await expect(provider.call(1)).rejects.toThrow('down');
  });

  it('a load that an expire overtook does not overwrite a fresh value', async () => {
    const { cache, provider, cached } = await things({ ttl: 60 });
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'old');
    const early = provider.call(1);
    await gate.reached();
    await cache.invalidateTags(['tag'], { mode: 'expire' });
    provider.body = () => 'new';
    expect(await provider.call(1)).toBe('new');
    gate.open();
    expect(await early).toBe('old');
    expect(await cached.getWithMetadata(1)).toMatchObject(['new', { cacheStatus: 'HIT' }]);
  });
});

describe('staleIfError', () => {
  it('serves a value past its lifetime when the load fails, also to waiting callers', async () => {
    const { application, clock, provider, cached } = await things({ ttl: 10, staleIfError: 60 });
    await provider.call(1);
    clock.advance(10_000);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => Promise.reject(new Error('down')));
    const readers = Array.from({ length: 5 }, () => cached.getWithMetadata(1));
    await gate.reached();
    gate.open();
    for (const answer of await Promise.all(readers))
      expect(answer).toMatchObject([1, { cacheStatus: 'STALE' }]);
    expect(provider.runs).toBe(2);
    expect(application.log.errors.filter((line) => line.includes('a stale value was served'))).toHaveLength(
      1,
    );
  });

  it('ends with its window', async () => {
    const { clock, provider } = await things({ ttl: 10, staleIfError: 60 });
    await provider.call(1);
    clock.advance(70_000);
    provider.body = () => Promise.reject(new Error('down'));
    await expect(provider.call(1)).rejects.toThrow('down');
  });

  it('serves nothing that was purged while the load ran', async () => {
    const { cache, clock, provider } = await things({ ttl: 10, staleIfError: 60 });
    await provider.call(1);
    clock.advance(10_000);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => Promise.reject(new Error('down')));
    const reader = provider.call(1);
    await gate.reached();
    await cache.invalidateTags(['tag']);
    gate.open();
    await expect(reader).rejects.toThrow('down');
  });
});

describe('lifetimes', () => {
  it('end to the millisecond, as metadata tells', async () => {
    const { clock, provider, cached } = await things({ ttl: '1500ms' });
    const now = clock.now();
    const times = { cachedAt: new Date(now).toISOString(), resetAt: new Date(now + 1_500).toISOString() };
    expect(await cached.getWithMetadata(1)).toEqual([1, { cacheStatus: 'MISS', ...times }]);
    clock.advance(1_499);
    expect(await cached.getWithMetadata(1)).toEqual([1, { cacheStatus: 'HIT', ...times }]);
    expect(await cached.getCachedMetadata(1)).toEqual({ cacheStatus: 'HIT', ...times });
    clock.advance(1);
    expect(await cached.getCachedMetadata(1)).toBeNull();
    expect(await cached.getWithMetadata(1)).toMatchObject([1, { cacheStatus: 'MISS' }]);
    expect(provider.runs).toBe(2);
  });

  it('null never ends', async () => {
    const { clock, provider, cached } = await things({ ttl: null });
    await provider.call(1);
    clock.advance(1e15);
    expect(await cached.getWithMetadata(1)).toMatchObject([1, { cacheStatus: 'HIT', resetAt: null }]);
  });

  it('of centuries are told as a date', async () => {
    const { clock, cached } = await things({ ttl: '300000d' });
    const [, { resetAt }] = await cached.getWithMetadata(1);
    expect(Date.parse(resetAt!) - clock.now()).toBe(300_000 * 86_400_000);
  });

  it('are shortened by up to jitter, each by another part, so that they do not end together', async () => {
    const { clock, cached } = await things({ ttl: 100, jitter: 0.2 });
    const lives: number[] = [];
    for (let id = 0; id < 50; id++) {
      const [, { resetAt }] = await cached.getWithMetadata(id);
      lives.push(Date.parse(resetAt!) - clock.now());
    }
    expect(Math.min(...lives)).toBeGreaterThanOrEqual(80_000);
    expect(Math.max(...lives)).toBeLessThanOrEqual(100_000);
    expect(new Set(lives).size).toBeGreaterThan(25);
  });

  it('0 stores nothing', async () => {
    const { provider, cached } = await things({ ttl: 0 });
    expect(await cached.getWithMetadata(1)).toEqual([
      1,
      { cacheStatus: 'MISS', cachedAt: null, resetAt: null },
    ]);
    await provider.call(1);
    expect(provider.runs).toBe(2);
  });

  it('a function decides after the load, from the value and the call', async () => {
    const asked: unknown[] = [];
    const { clock, provider } = await things({
      ttl: (value: number, { method: name, args }) => {
        asked.push([value, name, args]);
        return value === 1 ? 10 : '1m';
      },
    });
    await provider.call(1);
    await provider.call(2);
    expect(asked).toEqual([
      [1, 'things', [1]],
      [2, 'things', [2]],
    ]);
    clock.advance(10_000);
    await provider.call(1);
    await provider.call(2);
    expect(provider.runs).toBe(3);
  });

  it.each<[string, CacheResultOptions['ttl']]>([
    [
      'throws',
      () => {
        throw new Error('no ttl');
      },
    ],
    ['answers no duration', (() => '60') as never],
    ['answers a promise', (async () => 60) as never],
  ])('a function that %s stores nothing, fails nobody, and is logged once', async (_name, ttl) => {
    const { application, provider } = await things({ ttl });
    expect([await provider.call(1), await provider.call(1), provider.runs]).toEqual([1, 1, 2]);
    expect(application.log.errors.filter((line) => line.includes('things'))).toHaveLength(1);
  });
});

describe('conditions', () => {
  it.each<[string, CacheResultOptions]>([
    ['cacheIf', { cacheIf: (value: number) => value > 1 }],
    ['async cacheIf', { cacheIf: async (value: number) => value > 1 }],
    ['cacheUnless', { cacheUnless: (value: number) => value <= 1 }],
    ['async cacheUnless', { cacheUnless: async (value: number) => value <= 1 }],
    ['cacheIf with the arguments', { cacheIf: (_value: number, { args }) => args[0] !== 1 }],
  ])('%s decides what is stored', async (_name, options) => {
    const { provider } = await things(options);
    await provider.call(1);
    await provider.call(1);
    expect(provider.runs).toBe(2);
    await provider.call(2);
    await provider.call(2);
    expect(provider.runs).toBe(3);
  });

  it.each<[string, CacheResultOptions]>([
    [
      'cacheIf',
      {
        cacheIf: () => {
          throw new Error('no answer');
        },
      },
    ],
    ['async cacheUnless', { cacheUnless: () => Promise.reject(new Error('no answer')) }],
  ])('%s that throws stores nothing, fails nobody, and is logged once', async (_name, options) => {
    const { application, provider } = await things(options);
    expect([await provider.call(1), await provider.call(1), provider.runs]).toEqual([1, 1, 2]);
    expect(application.log.errors.filter((line) => line.includes('no answer'))).toHaveLength(1);
  });
});

describe('a key whose value proved not storable', () => {
  it('is loaded for 5 s without waiting for others; a storable value clears that at once', async () => {
    const { clock, provider } = await things({ cacheIf: (value: unknown) => value !== 'no' });
    provider.body = () => 'no';
    await provider.call(1);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'no');
    const readers = [provider.call(1), provider.call(1), provider.call(1)];
    await gate.reached(3);
    gate.open();
    await Promise.all(readers);
    expect(provider.runs).toBe(4);
    clock.advance(5_000);
    const shut = new Gate();
    provider.body = () => shut.pass().then(() => 'yes');
    const sharing = [provider.call(1), provider.call(1)];
    await shut.reached();
    shut.open();
    expect(await Promise.all(sharing)).toEqual(['yes', 'yes']);
    expect(provider.runs).toBe(5);
  });

  it('is shared again once a value was stored', async () => {
    const { cache, provider } = await things({ cacheIf: (value: unknown) => value !== 'no' });
    provider.body = () => 'no';
    await provider.call(1);
    provider.body = () => 'yes';
    await provider.call(1);
    await cache.clear();
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'yes');
    const readers = [provider.call(1), provider.call(1), provider.call(1)];
    await gate.reached();
    gate.open();
    await Promise.all(readers);
    expect(provider.runs).toBe(3);
  });

  it('waiters of such a load each load on their own, at once', async () => {
    const { provider } = await things({ cacheIf: () => false });
    const gate = new Gate();
    provider.body = (id) => gate.pass().then(() => id);
    const readers = Array.from({ length: 20 }, () => provider.call(1));
    await gate.reached();
    gate.next();
    await gate.reached(20);
    gate.open();
    await Promise.all(readers);
    expect(provider.runs).toBe(20);
  });

  it('is returned, and logged once with the place and what to write', async () => {
    class Money {}
    const { application, provider } = await things({});
    provider.body = (id) => ({ prices: Array.from({ length: id }, () => 1).concat(new Money() as never) });
    for (let id = 1; id <= 5; id++) expect(await provider.call(id)).toHaveProperty('prices');
    expect(application.log.warnings).toEqual([
      'A value of things is not cached: the value at prices[1] is an instance of Money, which would not come back as one. ' +
        'Declare it with type: () => Money, or return plain data.',
    ]);
    await provider.call(1);
    expect(provider.runs).toBe(6);
  });
});

describe('softTimeout and hardTimeout', () => {
  it('the soft timeout serves a stale value that was not purged meanwhile', async () => {
    const { cache, clock, provider, cached } = await things({
      ttl: 10,
      staleIfError: '1h',
      softTimeout: '1s',
      hardTimeout: '3s',
    });
    for (const id of [1, 2]) await provider.call(id);
    clock.advance(10_000);
    const gate = new Gate();
    provider.body = () => gate.pass().then(() => 'new');
    const kept = cached.getWithMetadata(1);
    await gate.reached();
    clock.advance(1_000);
    expect(await kept).toMatchObject([1, { cacheStatus: 'STALE' }]);
    const purged = [cached.get(2), cached.get(2)];
    await gate.reached(2);
    await cache.invalidateTags(['tag']);
    clock.advance(1_000);
    await settled();
    gate.open();
    expect(await Promise.all(purged)).toEqual(['new', 'new']);
  });

  it('without a stale value the call waits until the hard timeout', async () => {
    const { cache, clock, provider } = await things({
      ttl: 10,
      staleIfError: '1h',
      softTimeout: '1s',
      hardTimeout: '3s',
    });
    await provider.call(1);
    clock.advance(10_000);
    provider.body = () => new Promise(() => undefined);
    const outcome = expect(provider.call(1)).rejects.toThrow(CacheTimeoutError);
    await settled();
    await cache.invalidateTags(['tag']);
    clock.advance(1_000);
    await settled();
    clock.advance(2_000);
    await outcome;
  });

  it('no caller waits for a load that others gave up: it may hang forever', async () => {
    const { clock, provider, cached } = await things({ ttl: 10, hardTimeout: '1s' });
    provider.body = () => new Promise(() => undefined);
    const early = expect(provider.call(1)).rejects.toThrow(CacheTimeoutError);
    await settled();
    clock.advance(999);
    const joined = expect(provider.call(1)).rejects.toThrow(CacheTimeoutError);
    await settled();
    clock.advance(1);
    await early;
    expect(provider.runs).toBe(1);
    provider.body = () => 'works';
    expect(await provider.call(1)).toBe('works');
    expect(await cached.getWithMetadata(1)).toMatchObject(['works', { cacheStatus: 'HIT' }]);
    clock.advance(999);
    await joined;
  });

  it('refresh() does not wait for a load that others gave up, and a background load does not block others', async () => {
    const { clock, provider, cached } = await things({ ttl: 10, refreshAhead: 0.5, hardTimeout: '1s' });
    await provider.call(1);
    provider.body = () => new Promise(() => undefined);
    const outcome = expect(cached.refresh(1)).rejects.toThrow(CacheTimeoutError);
    await settled();
    clock.advance(1_000);
    await outcome;
    clock.advance(5_000);
    expect(await provider.call(1)).toBe(1);
    await settled();
    clock.advance(1_000);
    await settled();
    provider.body = () => 'new';
    clock.advance(1_000);
    expect(await provider.call(1)).toBe(1);
    await settled();
    expect(await cached.getWithMetadata(1)).toMatchObject(['new', { cacheStatus: 'HIT' }]);
  });

  it('a load that hangs while the store is down gives its slot to another', async () => {
    const away = (): Promise<never> => Promise.reject(new Error('away'));
    const store: CacheStore = {
      kind: 'away',
      keepsReferences: false,
      get: away,
      stamp: away,
      judge: away,
      set: away,
      bump: away,
      sweep: () => undefined,
    };
    const Things = method('things', { hardTimeout: '1s' });
    const application = await start([Things], { store, maxLoadsWhenDown: 1 });
    const { clock } = application;
    const things = application.get(Things);
    things.body = () => new Promise(() => undefined);
    const outcomes = [1, 2].map((id) => expect(things.call(id)).rejects.toThrow(CacheTimeoutError));
    await settled();
    expect(things.runs).toBe(1);
    clock.advance(1_000);
    await Promise.all(outcomes);
    await settled();
    expect(things.runs).toBe(2);
    clock.advance(1_000);
    things.body = (id) => id;
    expect(await things.call(3)).toBe(3);
  });

  it('the value of a load that was given up is stored, even if another load has begun', async () => {
    const { clock, provider, cached } = await things({ ttl: 60, hardTimeout: '1s' });
    const slow = new Gate();
    provider.body = () => slow.pass().then(() => 'slow');
    for (let round = 0; round < 2; round++) {
      const outcome = expect(provider.call(1)).rejects.toThrow(CacheTimeoutError);
      await slow.reached(round + 1);
      clock.advance(1_000);
      await outcome;
    }
    slow.next();
    await settled();
    expect(await cached.getWithMetadata(1)).toMatchObject(['slow', { cacheStatus: 'HIT' }]);
    slow.open();
    await settled();
  });
});

it('failing background loads of a thousand keys are logged once', async () => {
  const { cache, clock, log } = await start();
  const keys = Array.from({ length: 1_000 }, (_, i) => `k${i}`);
  const fail = (): never => {
    throw new Error('down');
  };
  const read = (key: string, load: () => number): Promise<number> =>
    cache.getOrSet(key, load, { ttl: 1, staleWhileRevalidate: '1h' });
  await Promise.all(keys.map((key) => read(key, () => 1)));
  clock.advance(1_000);
  await Promise.all(keys.map((key) => read(key, fail)));
  await settled();
  expect(log.errors).toEqual([expect.stringContaining('failed: Error: down')]);
});
