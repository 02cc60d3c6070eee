import { isRecord, isWholeFrom, type OptionRow, parsed } from '../../common/options.js';
import { parseDuration } from '../../common/time.js';
import { normaliseCompression } from '../compression.js';
import { ValueEncoding } from '../encoded-value.js';
import { GuardedStore } from '../guarded-store.js';
import type { CacheStore } from '../store.interface.js';
import { type NodeRedis, NodeRedisClient, isNodeRedis } from './node-redis.client.js';
import type { RedisClient } from './redis-client.interface.js';
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.js';
import type { RedisStoreOptions } from './redis-store-options.js';
import { RedisStore } from './redis-store.js';

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
