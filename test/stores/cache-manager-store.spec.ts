import { expect, it } from '@jest/globals';
import { Keyv } from 'keyv';
import { cacheManagerStore } from '../../lib/index.js';
import { Entry, type StoreQuery } from '../../lib/stores/store.interface.js';
import { storeHost } from '../support/store-host.js';
import { until } from '../support/until.js';

it('an invalidation that the backend did not store is not acknowledged', async () => {
  const kept = new Map<string, unknown>();
  let takesWrites = true;
  const keyv = new Keyv({
    store: {
      get: (key: string) => kept.get(key),
      set: (key: string, value: unknown) => void (takesWrites && kept.set(key, value)),
      delete: (key: string) => kept.delete(key),
      clear: () => kept.clear(),
    } as never,
  });
  const store = cacheManagerStore(keyv);
  store.attach?.(storeHost);
  const stamp = await store.stamp(['tag']);
  takesWrites = false;
  await expect(store.bump(['tag'], 'purge')).rejects.toThrow('did not store');
  expect(await store.judge(stamp)).toBe('purged');
  await store.close?.();
});

it('invalidations of one tag at the same time are all acknowledged', async () => {
  const store = cacheManagerStore(new Keyv());
  store.attach?.(storeHost);
  const stamp = await store.stamp(['tag']);
  await Promise.all(Array.from({ length: 20 }, () => store.bump(['tag'], 'purge')));
  expect(await store.judge(stamp)).toBe('purged');
});

it('values without an encoding are not stored, and do not count as failures of the store', async () => {
  const logged: string[] = [];
  const store = cacheManagerStore(new Keyv({ store: new Map() }));
  store.attach?.({ ...storeHost, log: (message) => void logged.push(message) });
  logged.length = 0;
  const encode = (): never => {
    throw new TypeError('no encoding');
  };
  const query: StoreQuery = { key: 'k', tags: () => ['tag'], values: { encode, decode: () => undefined } };
  const stamp = await store.stamp(['tag']);
  for (let times = 0; times < 5; times++)
    await expect(store.set(query, new Entry({}, 0, 1, 1, stamp, 10))).rejects.toThrow('no encoding');
  expect(await store.judge(stamp)).toBe('current');
  expect(logged).toEqual([]);
});

it('concurrent callers that find a generation absent get equal stamps', async () => {
  const store = cacheManagerStore(new Keyv());
  store.attach?.(storeHost);
  const stamps = await Promise.all(Array.from({ length: 50 }, () => store.stamp(['a', 'b'])));
  expect(new Set(stamps.map((stamp) => JSON.stringify(stamp))).size).toBe(1);
  expect(await store.judge(stamps[0]!)).toBe('current');
});

it('a generation whose creation hangs is created by later callers', async () => {
  let hangs = true;
  let hanging = 0;
  let now = 0;
  const kept = new Map<string, unknown>();
  const keyv = new Keyv({
    store: {
      get: (key: string) => kept.get(key),
      set: (key: string, value: unknown) => {
        if (!hangs) return void kept.set(key, value);
        hanging++;
        return new Promise(() => undefined);
      },
      delete: (key: string) => kept.delete(key),
      clear: () => kept.clear(),
    } as never,
  });
  const store = cacheManagerStore(keyv);
  const timers: (() => void)[] = [];
  const after = (_ms: number, callback: () => void): (() => void) => {
    timers.push(callback);
    return () => undefined;
  };
  store.attach?.({ ...storeHost, now: () => now, after });
  const refused = expect(store.stamp(['tag'])).rejects.toThrow();
  await until(() => hanging > 0);
  now = 1_000;
  timers.shift()!();
  await refused;
  hangs = false;
  expect(await store.judge(await store.stamp(['tag']))).toBe('current');
});
