import { afterAll, describe, expect, it } from '@jest/globals';
import { createCache } from 'cache-manager';
import { Redis } from 'ioredis';
import { Keyv } from 'keyv';
import { cacheManagerStore, memoryStore, tieredStore, type CacheStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { storeConformance, type ConformanceOptions } from '../../lib/testing.js';
import { storeHost } from '../support/store-host.js';

const url = process.env['TEST_REDIS_URL'];

const ready = async (store: CacheStore): Promise<CacheStore> => {
  store.attach?.(storeHost);
  await store.ready?.();
  return store;
};

const shared = (make: () => CacheStore): ConformanceOptions => ({
  create: () => ready(make()),
  createPeer: () => ready(make()),
});
const keyv = new Keyv();

const STORES: Record<string, () => ConformanceOptions> = {
  memory: () => ({ create: () => memoryStore() }),
  redis: () => shared(() => redisStore({ url: url! })),
  'redis with a client that has a key prefix': () =>
    shared(() =>
      redisStore({ client: clients[clients.push(new Redis(url!, { keyPrefix: 'pre*fix:' })) - 1]! }),
    ),
  'memory over redis, validated': () =>
    shared(() => tieredStore({ l1: memoryStore(), l2: redisStore({ url: url! }), consistency: 'validate' })),
  'memory over redis, with a bus, in one process': () => ({
    create: () => ready(tieredStore({ l1: memoryStore(), l2: redisStore({ url: url! }) })),
  }),
  keyv: () => ({ ...shared(() => cacheManagerStore(keyv)), expires: false, sweeps: false }),
  'cache-manager with two tiers': () => ({
    create: () => ready(cacheManagerStore(createCache({ stores: [new Keyv(), new Keyv()] }))),
    expires: false,
    sweeps: false,
  }),
};
const clients: Redis[] = [];

afterAll(() => clients.forEach((client) => client.disconnect()));

describe.each(Object.keys(STORES))('%s', (name) => {
  it.each(storeConformance(STORES[name]!()).map((one) => [one.name, one.run] as const))(
    '%s',
    async (_, run) => {
      if (name.includes('redis')) expect(url).toBeDefined();
      await run();
    },
  );
});
