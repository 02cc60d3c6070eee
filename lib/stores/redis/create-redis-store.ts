import { isRecord, isWholeFrom, type OptionRow, parsed } from '../../common/options.js';
import { type Duration, parseDuration } from '../../common/time.js';
import { type CompressionOptions, normaliseCompression } from '../compression.js';
import { ValueEncoding } from '../encoded-value.js';
import { GuardedStore } from '../guarded-store.js';
import type { CacheStore } from '../store.interface.js';
import { type NodeRedis, NodeRedisClient, isNodeRedis } from './node-redis.client.js';
import type { RedisClient } from './redis-client.interface.js';
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.js';
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
  /** A `Redis` or `Cluster` of ioredis 5 or 6, or a client of node-redis 5 or 6, that you opened and close. */
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

type Settings = Pick<RedisStoreOptions, 'timeout' | 'failoverGrace' | 'compression'>;

/** The options of a store in Redis, however it is reached. */
export const SETTINGS_ROWS: { readonly [Name in keyof Settings]-?: OptionRow } = {
  timeout: [isWholeFrom(1), 'a positive whole number of milliseconds'],
  failoverGrace: parsed,
  compression: [isRecord, `an object: { algorithm: 'brotli' }`],
};

/** Makes the store of options that were checked. */
export function createRedisStore(
  { timeout = 250, compression, failoverGrace = '60s' }: Settings,
  connection: Omit<RedisConnectionOptions, 'grace'>,
): CacheStore {
  const encoding = new ValueEncoding(compression && normaliseCompression(compression, 'redisStore()'));
  const grace = failoverGrace !== false && parseDuration(failoverGrace, 'failoverGrace of redisStore()');
  const store = new RedisStore(new RedisConnection({ ...connection, grace }), grace === false ? 0 : grace);
  return new GuardedStore(store, { timeout, encoding });
}

/** A client of the application, which it closes. */
export function givenClient(client: object): Omit<RedisConnectionOptions, 'grace'> {
  const open = (): RedisClient =>
    isNodeRedis(client) ? new NodeRedisClient(client as NodeRedis) : (client as RedisClient);
  return { open, owned: false };
}
