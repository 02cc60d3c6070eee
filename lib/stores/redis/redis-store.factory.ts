import { Cluster, Redis } from 'ioredis';
import { checkOptions, type OptionTable, typeError } from '../../common/options.js';
import type { CacheStore } from '../store.interface.js';
import {
  createRedisStore,
  givenClient,
  type IoredisYetStore,
  type RedisStoreOptions,
  SETTINGS_ROWS,
} from './create-redis-store.js';
import { isNodeRedis } from './node-redis.client.js';
import type { RedisClient } from './redis-client.interface.js';

const isClient = (value: unknown): boolean =>
  typeof (value as Partial<RedisClient> | null)?.mgetBuffer === 'function';

/** Other texts ioredis would take for a host or a socket. */
const isUrl = (value: unknown): boolean => typeof value === 'string' && /^rediss?:\/\//i.test(value);

const OPTIONS: OptionTable<RedisStoreOptions> = {
  rows: {
    url: [
      (value) => isUrl(value) || (Array.isArray(value) && value.length > 0 && value.every(isUrl)),
      `a URL, 'redis://localhost:6379' or 'rediss://…', or a list of them for the nodes of a Cluster`,
    ],
    client: [
      (value) => isClient(value) || isNodeRedis(value),
      'an ioredis Redis or Cluster, or a client of node-redis from createClient(), or url: … in place of another client',
    ],
    store: [
      (value) => isClient((value as Partial<IoredisYetStore> | null)?.client),
      'a store of cache-manager-ioredis-yet, whose client is an ioredis connection',
    ],
    ...SETTINGS_ROWS,
  },
  example: `redisStore({ url: 'redis://localhost:6379' })`,
  exclusive: [{ names: ['url', 'client', 'store'], isRequired: true }],
  error: typeError,
};

/** Longest pause between attempts to connect. Milliseconds. */
const MAX_RECONNECT_MS = 1_000;

/**
 * A store in Redis or a Redis Cluster, shared by every process that uses the same one and the same namespace.
 *
 * @param options where Redis is
 * @throws TypeError unless exactly one of `url`, `client` and `store` is given, for unknown options, and where this Node lacks the
 *   compression
 * @example
 * RestflowCacheModule.forRoot({ store: redisStore({ url: 'redis://localhost:6379' }) })
 *
 * @publicApi
 */
export function redisStore(options: RedisStoreOptions): CacheStore {
  checkOptions(OPTIONS, options, 'redisStore()');
  const { url, client, store } = options;
  const connection =
    url === undefined ? givenClient((client ?? store?.client)!) : { open: () => open(url), owned: true };
  return createRedisStore(options, connection);
}

/** A connection that never queues while it is down and never sends a command twice. */
function open(url: string | readonly string[]): RedisClient {
  const retryStrategy = (times: number): number => Math.min(50 * 2 ** times, MAX_RECONNECT_MS);
  const options = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // It would need INFO, and print where that is not allowed. The history is read before anything is served.
    enableReadyCheck: false,
    // While ioredis waits for these replies, it takes a connection that was closed meanwhile for ready.
    disableClientInfo: true,
    connectTimeout: 2_000,
    retryStrategy,
  };
  if (typeof url === 'string') return new Redis(url, options) as unknown as RedisClient;
  return new Cluster([...url], {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    slotsRefreshTimeout: 2_000,
    redisOptions: options,
  }) as unknown as RedisClient;
}
