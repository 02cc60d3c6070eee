import { Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResult, CacheTimeoutError, type CacheResultOptions, CacheStatus } from '../../lib/index.js';
import { Applications, method } from '../cache/support/methods.js';
import { Deferred, Gate, settled } from '../support/gate.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { countsOf } from './counts.js';

const { start, close } = new Applications();
afterEach(close);

async function things(options: CacheResultOptions = {}) {
  const Things = method('things', { ttl: 10, tags: ['tag'], ...options });
  const application = await start([Things]);
  const { cache, clock } = application;
  return {
    cache,
    clock,
    provider: application.get(Things),
    cached: cache.for(Things, 'call'),
    counts: () => countsOf(cache, 'things'),
  };
}

describe('the metrics of a cached method', () => {
  it('count a miss, its load and a hit', async () => {
    const { provider, counts } = await things();
    await provider.call(1);
    await provider.call(1);
    await provider.call(1);
    expect(counts()).toEqual({ hits: 2, misses: 1, loads: 1 });
  });

  it('count each caller that waits for one load as a miss', async () => {
    const { provider, counts } = await things();
    const gate = new Gate();
    provider.body = () => gate.pass();
    const calls = [1, 1, 1, 1].map((id) => provider.call(id));
    await gate.reached();
    gate.open();
    await Promise.all(calls);
    expect(counts()).toEqual({ misses: 4, loads: 1 });
  });

  it('count stale values, and their background loads as loads without a call', async () => {
    const { clock, provider, counts } = await things({ staleWhileRevalidate: 20 });
    await provider.call(1);
    clock.advance(10_000);
    await provider.call(1);
    await settled();
    expect(counts()).toEqual({ misses: 1, stale: 1, loads: 2 });
  });

  it('count calls that bypass the cache, which are not loads', async () => {
    const { cache, cached, provider, counts } = await things();
    await cached.bypassCache(1);
    cache.disable();
    await provider.call(1);
    await cached.refresh(1);
    await cached.getCacheOnly(1);
    expect(counts()).toEqual({ bypasses: 4 });
  });

  it('count a call whose arguments make no key as a bypass', async () => {
    const { provider, counts } = await things();
    await provider.call((() => 1) as never);
    expect(counts()).toEqual({ bypasses: 1 });
  });

  it('count refreshes, also where they fail', async () => {
    const { cached, provider, counts } = await things();
    await cached.refresh(1);
    provider.body = () => Promise.reject(new Error('down'));
    await expect(cached.refresh(1)).rejects.toThrow('down');
    expect(counts()).toEqual({ refreshes: 2, loads: 2, loadErrors: 1 });
  });

  it('count a load that fails as a miss, or as stale where a stale value takes its place', async () => {
    const { clock, provider, counts } = await things({ staleIfError: 20 });
    provider.body = () => Promise.reject(new Error('down'));
    await expect(provider.call(1)).rejects.toThrow('down');
    expect(counts()).toEqual({ misses: 1, loads: 1, loadErrors: 1 });
    provider.body = () => 1;
    await provider.call(1);
    clock.advance(10_000);
    provider.body = () => Promise.reject(new Error('down'));
    await provider.call(1);
    expect(counts()).toEqual({ misses: 2, stale: 1, loads: 3, loadErrors: 2 });
  });

  it('count get(), which does not load', async () => {
    const { cached, provider, counts } = await things();
    await cached.getCacheOnly(1);
    await provider.call(1);
    await cached.getCacheOnly(1);
    await cached.getCachedMetadata(1);
    expect(counts()).toEqual({ hits: 1, misses: 2, loads: 1 });
  });

  it('count a call once whose answer came before its load ended', async () => {
    const { clock, provider, counts } = await things({
      staleIfError: 60,
      softTimeout: '1s',
      hardTimeout: '5s',
    });
    await provider.call(1);
    clock.advance(10_000);
    const gate = new Gate();
    provider.body = () => gate.pass();
    const [soft, hard] = [provider.call(1), provider.call(2)];
    const late = expect(hard).rejects.toThrow(CacheTimeoutError);
    await gate.reached(2);
    clock.advance(1_000);
    await soft;
    clock.advance(4_000);
    await late;
    expect(counts()).toMatchObject({ misses: 2, stale: 1, loads: 3 });
    gate.open();
    await settled();
    expect(counts()).toMatchObject({ misses: 2, stale: 1, loads: 3 });
  });

  it('count a call once that joined a load without a usable value and was answered by another load', async () => {
    const { cache, provider, counts } = await things();
    const first = new Deferred();
    provider.body = () => first.promise;
    const [leader, waiter] = [provider.call(1), provider.call(1)];
    await settled();
    await cache.invalidateTags(['tag']);
    provider.body = () => 'new';
    expect(await provider.call(1)).toBe('new');
    first.resolve();
    await leader;
    expect(await waiter).toBe('new');
    expect(counts()).toEqual({ hits: 1, misses: 2, loads: 2, notStored: 1 });
  });

  it('count values that are not stored: overtaken by a change, refused by cacheIf, or not storable', async () => {
    const { cache, provider, counts } = await things({ cacheIf: (value: unknown) => value !== 'unwanted' });
    provider.body = async () => void (await cache.invalidateTags(['tag']));
    await provider.call(1);
    provider.body = () => 'unwanted';
    await provider.call(2);
    provider.body = () => () => 'a function';
    await provider.call(3);
    provider.body = () => 'wanted';
    await provider.call(4);
    expect(counts()).toEqual({ misses: 4, loads: 4, notStored: 3 });
  });

  it('sum the seconds that loads took, failed ones too', async () => {
    const { cached, clock, provider, counts } = await things();
    provider.body = () => clock.advance(250);
    await provider.call(1);
    provider.body = () => {
      clock.advance(500);
      throw new Error('down');
    };
    await expect(provider.call(2)).rejects.toThrow('down');
    await cached.refresh(1).catch(() => undefined);
    expect(counts()).toMatchObject({ loads: 3, loadSeconds: 1.25 });
  });

  it('are those of each method, also where one calls the other', async () => {
    @Injectable()
    class Nested {
      @CacheResult({ ttl: 60 }) async inner(): Promise<number> {
        return 1;
      }
      @CacheResult({ ttl: 60 }) async outer(): Promise<number> {
        return (await this.inner()) + (await this.inner());
      }
    }
    const { cache, get } = await start([Nested]).then((application) => ({
      cache: application.cache,
      get: application.get(Nested),
    }));
    await get.outer();
    await get.outer();
    expect(countsOf(cache, 'Nested.outer')).toEqual({ hits: 1, misses: 1, loads: 1 });
    expect(countsOf(cache, 'Nested.inner')).toEqual({ hits: 1, misses: 1, loads: 1 });
  });

  it('are plain JSON, of every method that status() lists, before any call', async () => {
    const { cache } = await things();
    const metrics = cache.metrics();
    expect(JSON.parse(JSON.stringify(metrics))).toEqual(metrics);
    expect(metrics.methods.map(({ name }) => name)).toEqual([
      ...cache.status().methods.map(({ name }) => name),
      'CacheService',
    ]);
    expect(
      new Set(
        metrics.methods.flatMap((one) => Object.values(one).filter((value) => typeof value === 'number')),
      ),
    ).toEqual(new Set([0]));
  });

  it('count the status of each call exactly once, in every interleaving', async () => {
    const steps = soaked(20_000);
    announce('what callers are told is what is counted', steps);
    const random = randomNumbers(seed);
    const { cache, clock, cached, provider, counts } = await things({
      staleWhileRevalidate: 5,
      staleIfError: 10,
      softTimeout: '20ms',
      hardTimeout: '200ms',
    });
    const told: Record<string, number> = {};
    const tell = (status: string): void => void (told[status] = (told[status] ?? 0) + 1);
    const under = new Set<Promise<void>>();
    const pending: Deferred[] = [];
    provider.body = async (id) => {
      if (random() < 0.3) {
        const load = new Deferred();
        pending.push(load);
        await load.promise;
      }
      if (random() < 0.2) throw new Error('down');
      return id;
    };
    const ask = (): void => {
      const call = cached.getWithMetadata(Math.floor(random() * 4)).then(
        ([, { cacheStatus }]) => tell(cacheStatus),
        () => tell(CacheStatus.MISS),
      );
      under.add(call);
      void call.then(() => under.delete(call));
    };
    for (let step = 0; step < steps; step++) {
      const dice = random();
      if (dice < 0.7) ask();
      else if (dice < 0.8) clock.advance(random() * 3_000);
      else if (dice < 0.85) void cache.invalidateTags(['tag'], { mode: random() < 0.5 ? 'purge' : 'expire' });
      else pending.splice(Math.floor(random() * pending.length), 1)[0]?.resolve();
      if (random() < 0.2) await settled();
    }
    while (under.size > 0 || pending.length > 0) {
      for (const load of pending.splice(0)) load.resolve();
      clock.advance(200);
      await settled();
    }
    const { hits = 0, misses = 0, stale = 0 } = counts();
    expect({ HIT: hits, MISS: misses, STALE: stale }).toEqual({ HIT: 0, MISS: 0, STALE: 0, ...told });
    expect(Object.keys(told).sort()).toEqual(['HIT', 'MISS', 'STALE']);
  });
});

describe('the metrics of values cached by hand', () => {
  const hand = async () => {
    const { cache } = await start();
    return { cache, counts: () => countsOf(cache, 'CacheService') };
  };

  it('count getOrSet() under one name, whatever the key', async () => {
    const { cache, counts } = await hand();
    await cache.getOrSet('a', () => 1);
    await cache.getOrSet('a', () => 1);
    await cache.getOrSet('b', () => 1);
    expect(counts()).toEqual({ hits: 1, misses: 2, loads: 2 });
  });

  it('count each key of getOrSetMany(), and its loader once', async () => {
    const { cache, counts } = await hand();
    const load = async (keys: readonly string[]): Promise<readonly string[]> => keys;
    await cache.getOrSetMany(['a'], load);
    await cache.getOrSetMany(['a', 'b', 'c'], load);
    cache.disable();
    await cache.getOrSetMany(['a', 'b'], load);
    expect(counts()).toEqual({ hits: 1, misses: 3, bypasses: 2, loads: 2 });
  });

  it('count a loader of getOrSetMany() that fails once', async () => {
    const { cache, counts } = await hand();
    await expect(cache.getOrSetMany(['a', 'b'], () => Promise.reject(new Error('down')))).rejects.toThrow();
    await settled();
    expect(counts()).toEqual({ misses: 2, loads: 1, loadErrors: 1 });
  });

  it('count hits and misses of get()', async () => {
    const { cache, counts } = await hand();
    await cache.get('a');
    await cache.set('a', 1);
    await cache.get('a');
    cache.disable();
    await cache.get('a');
    expect(counts()).toEqual({ hits: 1, misses: 1, bypasses: 1 });
  });
});
