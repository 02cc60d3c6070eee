export type { CompressionAlgorithm, CompressionOptions } from './stores/compression.js';
export {
  redisStore,
  type IoredisYetStore,
  type RedisStoreOptions,
} from './stores/redis/redis-store.factory.js';
