import { afterEach, describe, expect, it } from '@jest/globals';
import { currentLoad } from '../../lib/cache/engine/load-context.js';
import type { CacheResultOptions, CacheService } from '../../lib/index.js';
import { CACHE_MISSING, memoryStore } from '../../lib/index.js';
import { Deferred, Gate, settled } from '../support/gate.js';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

/** An outer method that calls an inner one. */
async function nested(inner: CacheResultOptions = {}, outer: CacheResultOptions = { ttl: '1h' }) {
  const [Inner, Outer] = [method('inner', { ttl: '1h', ...inner }), method('outer', outer)];
  const application = await start([Inner, Outer], { stores: { other: memoryStore() } });
  const [within, around] = [application.get(Inner), application.get(Outer)];
  let version = 1;
  within.body = () => version;
  around.body = async (id) => `outer ${await within.call(id)}`;
  return {
    application,
    cache: application.cache,
    clock: application.clock,
    inner: within,
    outer: around,
    innerMethod: application.cache.for(Inner, 'call'),
    outerMethod: application.cache.for(Outer, 'call'),
    change: () => void version++,
  };
}

describe('an outer value is invalidated with the inner ones it was made from', () => {
  it('after an inner MISS', async () => {
    const { outer, innerMethod, change } = await nested();
    expect([await outer.call(1), await outer.call(1)]).toEqual(['outer 1', 'outer 1']);
    change();
    await innerMethod.invalidateAll();
    expect(await outer.call(1)).toBe('outer 2');
  });

  it('after an inner HIT', async () => {
    const { inner, outer, innerMethod, change } = await nested();
    await inner.call(1);
    expect(await outer.call(1)).toBe('outer 1');
    change();
    await innerMethod.deleteByPrefix({ id: 1 });
    expect([await outer.call(1), outer.runs]).toEqual(['outer 2', 2]);
  });

  it.each(['bypassCache', 'refresh'] as const)('after an inner call by %s()', async (call) => {
    const { outer, innerMethod, change } = await nested();
    outer.body = async (id) => `outer ${await innerMethod[call](id)}`;
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['outer 1', 'outer 1', 1]);
    change();
    await innerMethod.deleteCache(1);
    expect(await outer.call(1)).toBe('outer 2');
  });

  it('after an inner call that failed and was caught', async () => {
    const { inner, outer, innerMethod } = await nested();
    inner.body = () => Promise.reject(new Error('not there yet'));
    outer.body = async (id) => inner.call(id).catch(() => 'fallback');
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['fallback', 'fallback', 1]);
    inner.body = () => 'there';
    await innerMethod.invalidateAll();
    expect(await outer.call(1)).toBe('there');
  });

  it('after an inner value that was not stored', async () => {
    const { outer, innerMethod, change } = await nested({ cacheIf: () => false });
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['outer 1', 'outer 1', 1]);
    change();
    await innerMethod.invalidateAll();
    expect(await outer.call(1)).toBe('outer 2');
  });

  it('after a lookup by getCacheOnly() that found nothing', async () => {
    const { application, inner, outer, innerMethod, change } = await nested();
    outer.body = async () => {
      const cached = await innerMethod.getCacheOnly(1);
      return cached === CACHE_MISSING ? `outer ${String(inner.body(1))}` : cached;
    };
    expect([await outer.call(1), await outer.call(1)]).toEqual(['outer 1', 'outer 1']);
    change();
    await application.cache.clear();
    await outer.call(1);
    change();
    await innerMethod.deleteCache(1);
    expect(await outer.call(1)).toBe('outer 3');
  });

  it('after values that were looked up and stored by hand', async () => {
    const { cache, outer } = await nested();
    let [version, runs] = [1, 0];
    outer.body = async () => {
      runs++;
      const found = await cache.get<number>('by hand');
      if (found !== CACHE_MISSING) return found;
      await cache.set('by hand', version, { tags: ['hand'] });
      return version;
    };
    expect([await outer.call(1), await outer.call(1), runs]).toEqual([1, 1, 1]);
    version = 2;
    await cache.invalidateTags(['hand']);
    expect([await outer.call(1), await outer.call(1), runs]).toEqual([2, 2, 2]);
    await cache.delete('by hand');
    version = 3;
    expect(await outer.call(1)).toBe(3);
  });

  it('but not with values that its load stores by hand under other keys', async () => {
    const { cache, clock, outer } = await nested();
    outer.body = async (id) => {
      await cache.set('for others', id, { tags: ['others'], ttl: 1, store: 'other' });
      await cache.set('for others', id, { tags: ['others'], ttl: 1 });
      return id;
    };
    await outer.call(1);
    clock.advance(2_000);
    await cache.invalidateTags(['others']);
    expect([await outer.call(1), outer.runs]).toEqual([1, 1]);
  });

  it('after an inner call that waited for the load of another', async () => {
    const { inner, outer, innerMethod, change } = await nested();
    const gate = new Gate();
    inner.body = () => gate.pass().then(() => 1);
    const leader = inner.call(1);
    await gate.reached();
    const reader = outer.call(1);
    await settled();
    gate.open();
    expect([await leader, await reader, inner.runs]).toEqual([1, 'outer 1', 1]);
    change();
    inner.body = () => 2;
    await innerMethod.invalidateAll();
    expect(await outer.call(1)).toBe('outer 2');
  });

  it('after parallel inner calls, each', async () => {
    for (const dropped of [1, 2, 3]) {
      const { outer, inner, innerMethod } = await nested();
      let version = 1;
      inner.body = (id) => `${id}:${version}`;
      outer.body = async () => Promise.all([1, 2, 3].map((id) => inner.call(id)));
      expect(await outer.call(9)).toEqual(['1:1', '2:1', '3:1']);
      version++;
      await innerMethod.deleteCache(dropped);
      expect(await outer.call(9)).toEqual([1, 2, 3].map((id) => `${id}:${id === dropped ? 2 : 1}`));
    }
  });

  it('through three levels, by a tag of the innermost', async () => {
    const { cache, outer, inner, change } = await nested({ tags: ['deep'] });
    outer.body = async (id) => cache.getOrSet(`middle ${id}`, async () => `middle ${await inner.call(id)}`);
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['middle 1', 'middle 1', 1]);
    change();
    await cache.invalidateTags(['deep']);
    expect(await outer.call(1)).toBe('middle 2');
  });

  it('and a waiting caller checks the inherited tags too: a reader after the bump gets no older value', async () => {
    const { inner, outer, innerMethod, change } = await nested();
    const gate = new Gate();
    outer.body = async (id) => {
      const value = await inner.call(id);
      await gate.pass();
      return `outer ${String(value)}`;
    };
    const leader = outer.call(1);
    await gate.reached();
    change();
    await innerMethod.invalidateAll();
    const waiter = outer.call(1);
    await settled();
    gate.open();
    expect([await leader, await waiter, await outer.call(1)]).toEqual(['outer 1', 'outer 2', 'outer 2']);
  });

  it('and a waiting caller gets no error that was made from an older inner value', async () => {
    const { inner, outer, innerMethod, change } = await nested();
    const gate = new Gate();
    outer.body = async (id) => {
      const value = await inner.call(id);
      await gate.pass();
      if (value === 1) throw new Error('made from 1');
      return `outer ${String(value)}`;
    };
    const leader = outer.call(1);
    await gate.reached();
    change();
    await innerMethod.invalidateAll();
    const waiter = outer.call(1);
    await settled();
    gate.open();
    await expect(leader).rejects.toThrow('made from 1');
    expect(await waiter).toBe('outer 2');
  });
});

describe('an outer value is not stored', () => {
  it('when a bump came between two inner calls', async () => {
    const { inner, outer, innerMethod, change } = await nested();
    outer.body = async (id) => {
      const before = await inner.call(id);
      if (outer.runs === 1) {
        change();
        await innerMethod.invalidateAll();
      }
      return [before, await inner.call(id)];
    };
    expect(await outer.call(1)).toEqual([1, 2]);
    expect([await outer.call(1), outer.runs]).toEqual([[2, 2], 2]);
  });

  it('when an inner call was made just before a bump and the outer goes on after it', async () => {
    const { inner, outer, innerMethod, change } = await nested();
    outer.body = async (id) => {
      const value = await inner.call(id);
      if (outer.runs === 1) {
        change();
        await innerMethod.invalidateAll();
      }
      return value;
    };
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual([1, 2, 2]);
  });

  it('when an inner call exceeded its hardTimeout, since its later reads are unknown', async () => {
    const { clock, inner, outer, innerMethod } = await nested({ hardTimeout: '1s' });
    const late = new Deferred<string>();
    inner.body = () => late.promise;
    outer.body = (id) => inner.call(id).catch(() => 'fallback');
    const early = outer.call(1);
    await settled();
    clock.advance(1_000);
    expect(await early).toBe('fallback');
    late.resolve('late');
    await settled();
    await innerMethod.invalidateAll();
    inner.body = () => 'new';
    expect(await outer.call(1)).toBe('new');
  });

  it.each<[string, (cache: CacheService) => Promise<unknown>]>([
    ['getOrSetMany', (cache) => cache.getOrSetMany(['a'], async () => [1], { tags: ['many'] })],
    ['getOrSet', (cache) => cache.getOrSet('a', () => 1, { tags: ['many'] })],
    ['get', (cache) => cache.get('a')],
  ])('when the cache was off while it called %s', async (_, read) => {
    const { cache, outer } = await nested();
    outer.body = async () => {
      cache.disable();
      await read(cache);
      cache.enable();
    };
    await outer.call(1);
    await outer.call(1);
    expect(outer.runs).toBe(2);
  });

  it('when the inner one was STALE', async () => {
    const { clock, inner, outer, change } = await nested({ ttl: 10, staleWhileRevalidate: 60 });
    await inner.call(1);
    clock.advance(11_000);
    change();
    expect(await outer.call(1)).toBe('outer 1');
    await settled();
    expect([await outer.call(1), outer.runs]).toEqual(['outer 2', 2]);
  });

  it('when the inner one was expired', async () => {
    const { cache, outer, inner, change } = await nested({ tags: ['x'] });
    await inner.call(1);
    change();
    await cache.invalidateTags(['x'], { mode: 'expire' });
    expect(await outer.call(1)).toBe('outer 1');
    await settled();
    expect([await outer.call(1), outer.runs]).toEqual(['outer 2', 2]);
  });

  it('when of two parallel inner calls one began before a bump and ended after the other', async () => {
    const { inner, outer, innerMethod } = await nested();
    const gate = new Gate();
    let version = 1;
    inner.body = async (id) => {
      const read = version;
      if (id === 1 && version === 1) await gate.pass();
      return read;
    };
    const bumped = new Deferred();
    outer.body = () => Promise.all([inner.call(1), bumped.promise.then(() => inner.call(2))]);
    const first = outer.call(9);
    await gate.reached();
    version = 2;
    await innerMethod.invalidateAll();
    bumped.resolve();
    await settled();
    gate.open();
    expect((await first)[0]).toBe(1);
    expect([await outer.call(9), outer.runs]).toEqual([[2, 2], 2]);
  });

  it('when the inner one lives in another store (the limit that the documentation states)', async () => {
    const { application, outer } = await nested({ store: 'other' });
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['outer 1', 'outer 1', 2]);
    expect(application.log.warnings.join()).toMatch(/outer is not stored: .*cached in another store/);
  });

  it('when it was made from more inner values than an entry may carry', async () => {
    const { application, inner, outer } = await nested();
    outer.body = async () => {
      for (let id = 0; id < 1_100; id++) await inner.call(id);
      return 'many';
    };
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['many', 'many', 2]);
    expect(application.log.warnings.join()).toMatch(/more than 2000 tags/);
  });
});

describe('an outer value never outlives an inner one', () => {
  const LIFETIMES: [string, CacheResultOptions][] = [
    ['seconds', { ttl: 10 }],
    ['a function', { ttl: () => 10 }],
    ['seconds of a value that is not stored', { ttl: 10, cacheIf: () => false }],
  ];
  it.each(LIFETIMES)('its ttl in %s, on a MISS', async (_name, options) => {
    const { clock, inner, outer, change } = await nested(options);
    expect(await outer.call(1)).toBe('outer 1');
    change();
    clock.advance(9_999);
    expect([await outer.call(1), inner.runs]).toEqual(['outer 1', 1]);
    clock.advance(1);
    expect(await outer.call(1)).toBe('outer 2');
  });

  it.each(LIFETIMES)('its ttl in %s, on a BYPASS', async (_name, options) => {
    const { clock, outer, innerMethod, change } = await nested(options);
    outer.body = (id) => innerMethod.bypassCache(id);
    expect(await outer.call(1)).toBe(1);
    change();
    clock.advance(9_999);
    expect(await outer.call(1)).toBe(1);
    clock.advance(1);
    expect(await outer.call(1)).toBe(2);
  });

  it('the remaining lifetime of a HIT', async () => {
    const { clock, inner, outer, change } = await nested({ ttl: 10 });
    await inner.call(1);
    clock.advance(6_000);
    await outer.call(1);
    change();
    clock.advance(4_000);
    expect(await outer.call(1)).toBe('outer 2');
  });

  it('a failed inner call counts for as long as its value would have', async () => {
    const { clock, inner, outer } = await nested({ ttl: 10 });
    inner.body = () => Promise.reject(new Error('down'));
    outer.body = async (id) => inner.call(id).catch(() => 'fallback');
    expect(await outer.call(1)).toBe('fallback');
    inner.body = () => 'up';
    clock.advance(10_000);
    expect(await outer.call(1)).toBe('up');
  });

  it('an inner value that must not be cached keeps the outer one from being stored', async () => {
    const { outer } = await nested({ ttl: () => 0 });
    expect([await outer.call(1), await outer.call(1), outer.runs]).toEqual(['outer 1', 'outer 1', 2]);
  });
});

describe('what is no part of a load is not counted to it', () => {
  it('a call beside it', async () => {
    const { inner, outer, innerMethod } = await nested();
    const gate = new Gate();
    outer.body = () => gate.pass().then(() => 'alone');
    const loading = outer.call(1);
    await gate.reached();
    await inner.call(1);
    gate.open();
    await loading;
    await innerMethod.invalidateAll();
    expect([await outer.call(1), outer.runs]).toEqual(['alone', 1]);
  });

  it('a background load that a hit in it began', async () => {
    const { cache, clock, inner, outer } = await nested({ refreshAhead: 0.5 }, { ttl: '1h' });
    await inner.call(1);
    clock.advance(1_800_000);
    inner.body = async (id) => {
      if (id !== 1) return id;
      // It makes what it is a part of unstorable.
      cache.disable();
      await inner.call(2);
      cache.enable();
      return 'new';
    };
    outer.body = async () => {
      const value = await inner.call(1);
      await settled();
      return value;
    };
    expect([await outer.call(1), await outer.call(1), outer.runs, inner.runs]).toEqual([1, 1, 1, 3]);
  });

  it('a call after it', async () => {
    const { inner, outer, innerMethod } = await nested();
    outer.body = () => 'alone';
    await outer.call(1);
    await inner.call(1);
    await innerMethod.invalidateAll();
    expect([await outer.call(1), outer.runs]).toEqual(['alone', 1]);
  });

  it('a call that it left running', async () => {
    const { cache, inner, outer, innerMethod, change } = await nested();
    const gate = new Gate();
    let left: Promise<unknown> | undefined;
    outer.body = () => {
      left = gate.pass().then(async () => {
        expect(currentLoad()).toBeUndefined();
        return [await inner.call(1), await innerMethod.refresh(1)];
      });
      expect(currentLoad()).toBeDefined();
      return 'done';
    };
    expect(await outer.call(1)).toBe('done');
    const held = new Gate();
    const another = cache.getOrSet('another load in flight', () => held.pass());
    await held.reached();
    gate.open();
    await left;
    held.open();
    await another;
    change();
    await innerMethod.invalidateAll();
    expect([await outer.call(1), outer.runs]).toEqual(['done', 1]);
  });
});
