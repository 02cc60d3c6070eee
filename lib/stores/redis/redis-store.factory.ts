import { Cluster, Redis } from 'ioredis';
import { assertStoreOptions } from '../../common/options.js';
import { normaliseCompression, type CompressionOptions } from '../compression.js';
import { GuardedBusStore } from '../guard-store.js';
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
  /** An ioredis 5 or 6 `Redis` or `Cluster` of yours; you close it. */
  client?: object | undefined;
  /** A cache-manager-ioredis-yet store, whose ioredis connection is used. */
  store?: IoredisYetStore | undefined;
  /** How long a call may take, in milliseconds, before the value is loaded instead. Default 250. */
  timeout?: number | undefined;
  /** Compresses large values, e.g. `{ algorithm: 'brotli' }`. Default: none. What is compressed is read with or without it. */
  compression?: CompressionOptions | undefined;
}

const OPTIONS = ['url', 'client', 'store', 'timeout', 'compression'] satisfies (keyof RedisStoreOptions)[];

const EXAMPLE = `{ url: 'redis://localhost:6379' }`;

/** How long the store waits between attempts to connect, at most. Milliseconds. */
const MAX_RECONNECT_MS = 1_000;

/**
 * A store in Redis or a Redis Cluster, shared by every process that uses the same one and the same namespace.
 *
 * @param options where Redis is
 * @throws TypeError when not exactly one of `url`, `client` and `store` is given, for unknown options, or where this Node lacks the
 *   compression
 * @example
 * RestflowCacheModule.forRoot({ store: redisStore({ url: 'redis://localhost:6379' }) })
 *
 * @publicApi
 */
export function redisStore(options: RedisStoreOptions): CacheStore {
  assertStoreOptions('redisStore', options, OPTIONS, EXAMPLE);
  const { timeout = 250, compression } = options;
  if (!Number.isSafeInteger(timeout) || timeout <= 0) {
    throw new TypeError(
      `redisStore({ timeout }) must be a positive whole number of milliseconds, not ${String(timeout)}.`,
    );
  }
  const compressed = compression && normaliseCompression(compression, 'redisStore');
  return new GuardedBusStore(new RedisStore(connect(options)), timeout, compressed);
}

/** The connection that options describe. */
export function connect({ url, client, store }: RedisStoreOptions): RedisConnection {
  const ways = [url, client, store].filter((one) => one !== undefined);
  if (ways.length !== 1) {
    throw new TypeError(
      `redisStore() needs one of url, client and store, not ${ways.length}. For example redisStore(${EXAMPLE}).`,
    );
  }
  if (url !== undefined) return new RedisConnection(open(checked(url)) as unknown as RedisClient, true);
  const given = (client ?? store?.client) as Partial<RedisClient> | null | undefined;
  if (typeof given?.mgetBuffer === 'function') return new RedisConnection(given as RedisClient, false);
  throw new TypeError(
    client === undefined
      ? 'redisStore({ store }) must be a store of cache-manager-ioredis-yet, whose client is an ioredis connection.'
      : 'redisStore({ client }) must be an ioredis Redis or Cluster; for other clients write redisStore({ url }).',
  );
}

/** @throws TypeError for what ioredis would take for a host, a socket or nothing */
function checked(url: unknown): string | readonly string[] {
  const urls: unknown[] = [url].flat();
  if (urls.length > 0 && urls.every((one) => typeof one === 'string' && /^rediss?:\/\//i.test(one)))
    return url as string | readonly string[];
  throw new TypeError(
    `redisStore({ url }) is ${JSON.stringify(url)}. Write a URL, 'redis://localhost:6379' or 'rediss://…', or a list of them for the ` +
      `nodes of a Cluster.`,
  );
}

/** A connection that never queues while it is down and never sends a command twice. */
function open(url: string | readonly string[]): Redis | Cluster {
  const retryStrategy = (times: number): number => Math.min(50 * 2 ** times, MAX_RECONNECT_MS);
  const options = {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    connectTimeout: 2_000,
    retryStrategy,
  };
  if (typeof url === 'string') return new Redis(url, options);
  return new Cluster([...url], {
    enableOfflineQueue: false,
    clusterRetryStrategy: retryStrategy,
    slotsRefreshTimeout: 2_000,
    redisOptions: options,
  });
}
