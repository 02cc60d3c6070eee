import { expect, it } from '@jest/globals';
import { Keyv } from 'keyv';
import { cacheManagerStore } from '../../lib/index.js';
import { Entry } from '../../lib/stores/entry.js';
import type { StoreQuery } from '../../lib/stores/store.interface.js';
import { storeHost } from '../support/store-host.js';

it('an invalidation that the backend did not take is not acknowledged', async () => {
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
  await expect(store.bump(['tag'], 'purge')).rejects.toThrow('did not take');
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

it('values that have no encoding are not stored, and say nothing of the store', async () => {
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
