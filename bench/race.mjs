// `npm run bench -- race`: a load reads the database; the value changes and is invalidated, and that is acknowledged; then the
// load ends. Who serves the old value afterwards? Ours on every store and level, and peers.
import { redisStore } from '../dist/esm/redis.js';
import { cacheManagerStore, memoryStore, tieredStore } from '../dist/esm/index.js';
import { startServers } from '../test/servers/start.mjs';
import { cachedService, PartitionedKey } from './application.mjs';
import { BentoCache, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { redisDriver } from 'bentocache/drivers/redis';
import { createCache as createCacheManager } from 'cache-manager';
import { createCache as createDedupe } from 'async-cache-dedupe';
import { Keyv } from 'keyv';

/**
 * @param {{ read: (load: () => Promise<string>) => Promise<unknown>, invalidate: () => Promise<unknown> }} cache
 * @returns what a read that begins after the invalidation gets
 */
async function race({ read, invalidate }) {
  let database = 'old';
  let reached;
  let goOn;
  const isReading = new Promise((resolve) => (reached = resolve));
  const mayGoOn = new Promise((resolve) => (goOn = resolve));
  const first = read(async () => {
    const value = database;
    reached();
    await mayGoOn;
    return value;
  });
  await isReading;
  database = 'new';
  await invalidate();
  // Loads take a while: some caches compare times, to the millisecond.
  await new Promise((resolve) => setTimeout(resolve, 10));
  goOn();
  await first;
  return read(async () => database);
}

const servers = await startServers(['redis']);
const url = servers.environment.TEST_REDIS_URL;
const { hostname: host, port } = new URL(url);
const verdicts = [];

async function judge(name, cache) {
  const value = await race(cache);
  verdicts.push({ name, isStale: value !== 'new' });
}

const stores = {
  memory: () => memoryStore(),
  redis: () => redisStore({ url }),
  'memory over redis, bus': () => tieredStore({ l1: memoryStore(), l2: redisStore({ url }) }),
  'memory over redis, validate': () =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ url }), consistency: 'validate' }),
  'Keyv (cache-manager)': () => cacheManagerStore(new Keyv()),
};
const levels = {
  key: ({ of }) => of('read').deleteCache(1, 42),
  partition: ({ of }) => of('read').deletePartition({ tenant: 1 }),
  namespace: ({ cache }) => cache.wipe(PartitionedKey),
  method: ({ of }) => of('read').invalidateAll(),
  tag: ({ cache }) => cache.invalidateTags(['payload']),
  everything: ({ cache }) => cache.clear(),
};
for (const [store, make] of Object.entries(stores)) {
  for (const [level, invalidate] of Object.entries(levels)) {
    let load;
    const application = await cachedService({ read: { tags: ['payload'] } }, () => load(), {
      store: make(),
      namespace: `race-${process.pid}-${verdicts.length}`,
    });
    await judge(`restflow, ${store}, by ${level}`, {
      read: (body) => {
        load = body;
        return application.service.read(1, 42);
      },
      invalidate: () => invalidate(application),
    });
    await application.close();
  }
}

const bento = new BentoCache({
  default: 'memory',
  stores: {
    memory: bentostore().useL1Layer(memoryDriver({ maxItems: 1000 })),
    redis: bentostore().useL2Layer(redisDriver({ connection: { host, port: Number(port) } })),
  },
});
for (const store of ['memory', 'redis']) {
  for (const [how, invalidate] of Object.entries({
    delete: (key) => bento.use(store).delete({ key }),
    deleteByTag: () => bento.use(store).deleteByTag({ tags: ['tag'] }),
  })) {
    const key = `race-${how}`;
    await judge(`bentocache, ${store}, ${how}`, {
      read: (factory) => bento.use(store).getOrSet({ key, tags: ['tag'], ttl: '1h', factory }),
      invalidate: () => invalidate(key),
    });
  }
}
await bento.disconnectAll();

const manager = createCacheManager();
await judge('cache-manager, wrap and del', {
  read: (load) => manager.wrap('race', load, 60_000),
  invalidate: () => manager.del('race'),
});

let body;
const dedupe = createDedupe({ ttl: 60, storage: { type: 'memory', options: { invalidation: true } } });
dedupe.define('value', { references: () => ['race'] }, () => body());
await judge('async-cache-dedupe, invalidateAll', {
  read: (load) => {
    body = load;
    return dedupe.value('key');
  },
  invalidate: () => dedupe.invalidateAll(['race']),
});
await servers.stop();

for (const { name, isStale } of verdicts)
  console.log(`${name.padEnd(52)} ${isStale ? 'STALE: the old value, after the invalidation' : 'fresh'}`);
const ours = verdicts.filter(({ name, isStale }) => name.startsWith('restflow') && isStale);
process.exit(ours.length === 0 ? 0 : 1);
