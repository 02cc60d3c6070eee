import { describe, expect, it } from '@jest/globals';
import { CacheTimeoutError, CacheUsageError, memoryStore, type CacheStore } from '../../lib/index.js';
import { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CacheService } from '../../lib/cache/cache.service.js';
import type { MethodDirectory } from '../../lib/cache/method-directory.js';
import { normaliseOptions, type RestflowCacheOptions } from '../../lib/module/options.js';
import { Deferred, Gate, settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

const service = (options: RestflowCacheOptions = {}): CacheService =>
  new CacheService(
    new CacheRuntime(normaliseOptions(options).runtime),
    undefined as unknown as MethodDirectory,
  );

/** A loader that counts, and answers which of its runs a value is from. */
function counting(): { readonly asked: string[][]; load(missing: readonly string[]): Promise<string[]> } {
  const asked: string[][] = [];
  return {
    asked,
    load: (missing) => {
      const run = asked.push([...missing]);
      return Promise.resolve(missing.map((key) => `${key}${run}`));
    },
  };
}

describe('getOrSetMany', () => {
  it('runs the loader once, for the missing keys, and returns values in the order of the keys', async () => {
    const cache = service();
    const asked: (readonly string[])[] = [];
    const load = (missing: readonly string[]): Promise<string[]> => {
      asked.push(missing);
      return Promise.resolve(missing.map((key) => key.toUpperCase()));
    };
    await cache.getOrSet('b', () => 'cached');
    expect(await cache.getOrSetMany(['a', 'b', 'c', 'a'], load)).toEqual(['A', 'cached', 'C', 'A']);
    expect(await cache.getOrSetMany(['c', 'a'], load)).toEqual(['C', 'A']);
    expect(asked).toEqual([['a', 'c']]);
  });

  it('shares the load of each item with other callers of its key', async () => {
    const cache = service();
    let loads = 0;
    const one = cache.getOrSetMany(['a', 'b'], async (missing) => {
      loads++;
      await Promise.resolve();
      return missing;
    });
    expect(await cache.getOrSet('b', () => (loads++, 'again'))).toBe('b');
    expect(await one).toEqual(['a', 'b']);
    expect(loads).toBe(1);
  });

  it('does not store an item that was invalidated during the load, and returns the loaded value', async () => {
    const cache = service();
    const read = (): Promise<string> => cache.getOrSet('inner', () => 'inner', { tags: ['row'] });
    expect(await cache.getOrSetMany(['a', 'b'], async (missing) => (await read(), missing))).toEqual([
      'a',
      'b',
    ]);
    await cache.invalidateTags(['row']);
    let loads = 0;
    await cache.getOrSetMany(['a', 'b'], (missing) => (loads++, cache.delete('b').then(() => missing)));
    await cache.getOrSetMany(
      ['a', 'b'],
      (missing) => (loads++, expect(missing).toEqual(['b']), Promise.resolve(missing)),
    );
    expect(loads).toBe(2);
  });

  it('rejects for all callers when the loader fails, and stores nothing', async () => {
    const cache = service();
    await expect(cache.getOrSetMany(['a'], () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    await expect(cache.getOrSetMany(['a', 'b'], () => Promise.resolve(['x']))).rejects.toThrow(
      CacheUsageError,
    );
    expect(await cache.getOrSetMany(['a'], (missing) => Promise.resolve(missing))).toEqual(['a']);
  });
});

describe('each item of getOrSetMany', () => {
  const clock = new ManualClock();

  it('is served stale while one run of the loader refreshes all stale items', async () => {
    const cache = service({ clock });
    const { asked, load } = counting();
    const options = { ttl: '1m', staleWhileRevalidate: '1h' } as const;
    await cache.getOrSetMany(['a', 'b'], load, options);
    clock.advance(60_001);
    expect(await cache.getOrSetMany(['a', 'b', 'c'], load, options)).toEqual(['a1', 'b1', 'c2']);
    await settled();
    expect(asked.slice(1).flat().sort()).toEqual(['a', 'b', 'c']);
    const runs = asked.length;
    expect(runs).toBeLessThan(4);
    for (const value of await cache.getOrSetMany(['a', 'b'], load, options)) expect(value).not.toMatch(/1$/);
    expect(asked).toHaveLength(runs);
  });

  it('is refreshed ahead, in one run of the loader', async () => {
    const cache = service({ clock });
    const { asked, load } = counting();
    const read = (): Promise<string[]> =>
      cache.getOrSetMany(['a', 'b', 'c'], load, { ttl: '1m', refreshAhead: 0.5 });
    await read();
    clock.advance(30_000);
    expect(await read()).toEqual(['a1', 'b1', 'c1']);
    await settled();
    expect(await read()).toEqual(['a2', 'b2', 'c2']);
    expect(asked).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  it('is stored again after its lifetime, and served stale if the loader fails', async () => {
    const cache = service({ clock });
    const { asked, load } = counting();
    const options = { ttl: '1m', staleIfError: '1h' } as const;
    const read = (loader = load): Promise<string[]> => cache.getOrSetMany(['a', 'b'], loader, options);
    await read();
    clock.advance(60_001);
    expect(await read()).toEqual(['a2', 'b2']);
    expect(await read()).toEqual(['a2', 'b2']);
    expect(asked).toHaveLength(2);
    clock.advance(60_001);
    expect(await read(() => Promise.reject(new Error('down')))).toEqual(['a2', 'b2']);
  });

  it('is waited for no longer than hardTimeout', async () => {
    const cache = service({ clock });
    const late = new Deferred<readonly string[]>();
    const read = cache.getOrSetMany(['a'], () => late.promise, { hardTimeout: '1s' });
    const outcome = expect(read).rejects.toThrow(CacheTimeoutError);
    await settled();
    clock.advance(1_001);
    await outcome;
    late.resolve(['late']);
    await settled();
    expect(await cache.get('a')).toBe('late');
  });

  it('can be read by the loader itself without a deadlock', async () => {
    const cache = service();
    const load = async (missing: readonly string[]): Promise<string[]> => [
      await cache.getOrSet('a', () => 'inner'),
      ...missing.slice(1),
    ];
    expect(await cache.getOrSetMany(['a', 'b'], load)).toEqual(['inner', 'b']);
  });

  it('does not wait for one that another process loads', async () => {
    const leases = new Set<string>();
    const leased: CacheStore = Object.assign(memoryStore(), {
      acquire: (key: string) =>
        Promise.resolve(
          leases.has(key) ? undefined : (leases.add(key), { release: async () => void leases.delete(key) }),
        ),
    });
    const [one, other] = [service({ store: leased, clock }), service({ store: leased, clock })];
    const gate = new Gate();
    const first = one.getOrSet('b', () => gate.pass().then(() => 'other'), { lock: 'distributed' });
    await gate.reached();
    const { asked, load } = counting();
    const many = other.getOrSetMany(['a', 'b', 'c'], load, { lock: 'distributed' });
    await settled();
    expect(asked).toEqual([['a', 'c']]);
    gate.open();
    await first;
    clock.advance(100);
    expect(await many).toEqual(['a1', 'other', 'c1']);
    expect(leases.size).toBe(0);
  });

  it('is loaded in one run while the store does not answer, which counts as one load', async () => {
    const down: CacheStore = {
      kind: 'down',
      keepsReferences: false,
      get: () => Promise.reject(new Error('down')),
      stamp: () => Promise.reject(new Error('down')),
      judge: () => Promise.reject(new Error('down')),
      set: () => Promise.reject(new Error('down')),
      bump: () => Promise.reject(new Error('down')),
      sweep: () => undefined,
    };
    const cache = service({ store: down, maxLoadsWhenDown: 1 });
    const gate = new Gate();
    const { asked, load } = counting();
    const one = cache.getOrSet('x', () => gate.pass().then(() => 'x'));
    await gate.reached();
    const many = cache.getOrSetMany(['a', 'b'], load);
    await settled();
    expect(asked).toEqual([]);
    gate.open();
    expect([await one, await many]).toEqual(['x', ['a1', 'b1']]);
    expect(asked).toEqual([['a', 'b']]);
  });
});
