import { expect, it } from '@jest/globals';
import { Keyv } from 'keyv';
import { cacheManagerStore } from '../../lib/index.js';
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
