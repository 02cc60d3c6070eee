import type { Duration } from '../../common/time.js';
import type { CompressionOptions } from '../compression.js';

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
