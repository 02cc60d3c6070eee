// The caches that ours is compared with: installed into bench/node_modules when a benchmark first asks for them.
import { ensureInstalled } from '../scripts/install.mjs';
import { inRoot } from '../scripts/root.mjs';

export async function loadPeers() {
  await ensureInstalled(inRoot('bench'));
  const [bentocache, memory, redis, cacheManager, dedupe, keyv] = await Promise.all([
    import('bentocache'),
    import('bentocache/drivers/memory'),
    import('bentocache/drivers/redis'),
    import('cache-manager'),
    import('async-cache-dedupe'),
    import('keyv'),
  ]);
  return {
    BentoCache: bentocache.BentoCache,
    bentostore: bentocache.bentostore,
    memoryDriver: memory.memoryDriver,
    redisDriver: redis.redisDriver,
    createCacheManager: cacheManager.createCache,
    createDedupe: dedupe.createCache,
    Keyv: keyv.Keyv,
  };
}
