// The caches that ours is compared with, each in its fastest configuration: installed into bench/node_modules when a benchmark first asks
// for them. Each is a function that answers with what is cached under a key, and else with what `load` returns.
import { LRUCache } from 'lru-cache';

const HOUR = 3_600_000;

/** @typedef {(load: () => unknown, key: string) => unknown} Cached */

/** @type {Record<string, (options: { redis?: string }) => Promise<Cached>>} */
export const insides = {
  'lru-cache': async () => {
    const cache = new LRUCache({ max: 1000 });
    return (load, key) => {
      let value = cache.get(key);
      if (value === undefined) cache.set(key, (value = load()));
      return value;
    };
  },
  'cache-manager wrap': async () => {
    const { createCache } = await import('cache-manager');
    const { Keyv } = await import('keyv');
    const cache = createCache({ stores: [new Keyv({ serialize: undefined, deserialize: undefined })] });
    return (load, key) => cache.wrap(key, load, HOUR);
  },
  'cache-manager wrap, on Redis': async ({ redis }) => {
    const { createCache } = await import('cache-manager');
    const { createKeyv } = await import('@keyv/redis');
    const cache = createCache({ stores: [createKeyv(redis)] });
    return (load, key) => cache.wrap(key, load, HOUR);
  },
  cacheable: async () => {
    const { Cacheable } = await import('cacheable');
    const cache = new Cacheable();
    return (load, key) => cache.getOrSet(key, async () => load(), { ttl: HOUR });
  },
  'async-cache-dedupe': async () => {
    const { createCache } = await import('async-cache-dedupe');
    let load;
    const cache = createCache({ ttl: 3600, storage: { type: 'memory' } });
    cache.define('value', () => load());
    return (body, key) => {
      load = body;
      return cache.value(key);
    };
  },
  cachified: async () => {
    const { cachified } = await import('@epic-web/cachified');
    const cache = new LRUCache({ max: 1000 });
    return (load, key) => cachified({ key, cache, ttl: HOUR, getFreshValue: load });
  },
  bentocache: async () => {
    const cache = await bentocache();
    return (load, key) => cache.getOrSet({ key, ttl: '1h', factory: load });
  },
  'bentocache, two tags': async () => {
    const cache = await bentocache();
    return (load, key) => cache.getOrSet({ key, tags: ['tenant:1', 'user:42'], ttl: '1h', factory: load });
  },
  'bentocache, two tags, on Redis': async ({ redis }) => {
    const { redisDriver } = await import('bentocache/drivers/redis');
    const { hostname: host, port } = new URL(redis);
    const cache = await bentocache((store) =>
      store.useL2Layer(redisDriver({ connection: { host, port: Number(port) } })),
    );
    return (load, key) => cache.getOrSet({ key, tags: ['tenant:1', 'user:42'], ttl: '1h', factory: load });
  },
};

async function bentocache(layers = undefined) {
  const { BentoCache, bentostore } = await import('bentocache');
  const { memoryDriver } = await import('bentocache/drivers/memory');
  const inMemory = (store) => store.useL1Layer(memoryDriver({ maxItems: 1000, serialize: false }));
  return new BentoCache({ default: 'cache', stores: { cache: (layers ?? inMemory)(bentostore()) } });
}
