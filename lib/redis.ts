export type { CompressionAlgorithm, CompressionOptions } from './stores/compression.js';
export { redisStore } from './stores/redis/redis-store.factory.js';
export type { IoredisYetStore, RedisStoreOptions } from './stores/redis/create-redis-store.js';
