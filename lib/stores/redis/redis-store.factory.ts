import { Cluster, Redis } from 'ioredis';
import {
  checkOptions,
  isRecord,
  isWholeFrom,
  type OptionTable,
  parsed,
  typeError,
} from '../../common/options.js';
import { type Duration, parseDuration } from '../../common/time.js';
import { normaliseCompression, type CompressionOptions } from '../compression.js';
import { ValueEncoding } from '../encoded-value.js';
import { GuardedStore } from '../guarded-store.js';
import type { CacheStore } from '../store.interface.js';
import { RedisConnection } from './redis-connection.js';
import type { RedisClient } from './redis-client.interface.js';
import { RedisStore } from './redis-store.js';

/**
 * The pre-Keyv store of cache-manager-ioredis-yet: only its connection is used.
 *
 * @publicApi
 */
export interface IoredisYetStore {
  /** Its ioredis connection. */
  readonly client: object;
}

/**
 * Options of {@link redisStore}: one of `url`, `client` and `store`.
 *
 * @publicApi
 */
export interface RedisStoreOptions {
  /** `redis://` or `rediss://`; several for the nodes of a Cluster. The store opens the connection and closes it. */
  url?: string | readonly string[] | undefined;
  /** A `Redis` or `Cluster` of ioredis 5 or 6 that you opened and close. */
  client?: object | undefined;
  /** A store of cache-manager-ioredis-yet, whose ioredis connection is used. */
  store?: IoredisYetStore | undefined;
  /** Timeout of a call, in milliseconds; then the value is loaded instead. Default 250. */
  timeout?: number | undefined;
  /**
   * How long a process may not know that another Redis is the master, e.g. `'90s'`. Must exceed the time for which an old master accepts
   * writes. What is cached in this time after a failover is dropped at its end. Default `'60s'`. `false`: this Redis never fails over, and
   * never comes back with older data; then its user needs no INFO.
   */
  failoverGrace?: Duration | false | undefined;
  /** Compresses large values, e.g. `{ algorithm: 'brotli' }`. Default: none. Compressed values are read with or without it. */
  compression?: CompressionOptions | undefined;
}

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
    client: [isClient, 'an ioredis Redis or Cluster, or url: … in place of another client'],
    store: [
      (value) => isClient((value as Partial<IoredisYetStore> | null)?.client),
      'a store of cache-manager-ioredis-yet, whose client is an ioredis connection',
    ],
    timeout: [isWholeFrom(1), 'a positive whole number of milliseconds'],
    failoverGrace: parsed,
    compression: [isRecord, `an object: { algorithm: 'brotli' }`],
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
  const { timeout = 250, compression, failoverGrace = '60s' } = options;
  const encoding = new ValueEncoding(compression && normaliseCompression(compression, 'redisStore()'));
  const grace = failoverGrace !== false && parseDuration(failoverGrace, 'failoverGrace of redisStore()');
  const store = new RedisStore(connect(options, grace), grace === false ? 0 : grace);
  return new GuardedStore(store, { timeout, encoding });
}

/** The connection that options describe. */
function connect({ url, client, store }: RedisStoreOptions, grace: number | false): RedisConnection {
  if (url !== undefined) return new RedisConnection({ open: () => open(url), owned: true, grace });
  const given = (client ?? store!.client) as RedisClient;
  return new RedisConnection({ open: () => given, owned: false, grace });
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
