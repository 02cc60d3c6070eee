import { createClient } from 'redis';
import type { RedisStoreOptions } from '../../lib/redis.js';
import { redisStore as overClient } from '../../lib/node-redis.js';
import { redisStore as overIoredis } from '../../lib/stores/redis/redis-store.factory.js';
import type { CacheStore } from '../../lib/index.js';

/**
 * Stands for `nestjs-restflow-cache/redis` in runs of the stores' specs over node-redis: a store with the URL of one Redis gets a client of
 * node-redis, which it closes. Every other store is as it is.
 */
export function redisStore({ url, ...options }: RedisStoreOptions): CacheStore {
  const isOne = typeof url === 'string' || url?.length === 1;
  if (!isOne) return overIoredis({ url, ...options });
  const client = createClient({
    url: String(url),
    disableOfflineQueue: true,
    socket: { connectTimeout: 2_000, reconnectStrategy: (times: number) => Math.min(50 * 2 ** times, 1_000) },
  });
  // As the connection that a store opens itself: specs that leave one open must not keep their process.
  client.unref();
  const store = overClient({ ...options, client });
  const close = store.close?.bind(store);
  store.close = async () => {
    await close?.();
    if (client.isOpen) client.destroy();
  };
  return store;
}
