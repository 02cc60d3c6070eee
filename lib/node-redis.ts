export { redisStore, type NodeRedisStoreOptions } from './stores/redis/node-redis-store.factory.js';
