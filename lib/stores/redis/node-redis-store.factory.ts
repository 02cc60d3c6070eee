import { checkOptions, type OptionTable, typeError } from '../../common/options.js';
import type { CacheStore } from '../store.interface.js';
import {
  createRedisStore,
  givenClient,
  type RedisStoreOptions,
  SETTINGS_ROWS,
} from './create-redis-store.js';
import { isNodeRedis } from './node-redis.client.js';

/**
 * Options of {@link redisStore}.
 *
 * @publicApi
 */
export interface NodeRedisStoreOptions extends Pick<
  RedisStoreOptions,
  'timeout' | 'failoverGrace' | 'compression'
> {
  /** A client of node-redis 5 or 6, from `createClient()`, that you close. The store connects it if you did not. */
  client: object;
}

const OPTIONS: OptionTable<NodeRedisStoreOptions> = {
  rows: {
    client: [
      isNodeRedis,
      `a client of node-redis, createClient({ url: 'redis://localhost:6379' }). For a Cluster or Sentinels use ioredis and ` +
        `redisStore() of 'nestjs-restflow-cache/redis'`,
    ],
    ...SETTINGS_ROWS,
  },
  required: ['client'],
  example: `redisStore({ client: createClient({ url: 'redis://localhost:6379' }) })`,
  error: typeError,
};

/**
 * A store in Redis over a client of node-redis, for applications that do not install ioredis. `redisStore()` of
 * `nestjs-restflow-cache/redis` takes these clients too.
 *
 * @param options the client
 * @throws TypeError for another client, and for unknown options
 * @example
 * import { createClient } from 'redis';
 * import { redisStore } from 'nestjs-restflow-cache/node-redis';
 *
 * const client = createClient({ url: 'redis://localhost:6379' });
 * RestflowCacheModule.forRoot({ store: redisStore({ client }) })
 *
 * @publicApi
 */
export function redisStore(options: NodeRedisStoreOptions): CacheStore {
  checkOptions(OPTIONS, options, 'redisStore()');
  return createRedisStore(options, givenClient(options.client));
}
