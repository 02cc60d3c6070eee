import { describe, expect, it } from '@jest/globals';
import { memoryStore } from '../../lib/stores/memory-store.js';
import { redisStore } from '../../lib/stores/redis/redis-store.factory.js';
import { tieredStore } from '../../lib/stores/tiered-store.js';

describe('a store refuses what it cannot be made of, and says what to write', () => {
  const l1 = memoryStore();

  it.each<[string, (options: never) => unknown, unknown, RegExp]>([
    [
      'memory',
      memoryStore,
      { max: 5 },
      /memoryStore\(\) has the unknown option max\. Known are: maxBytes, maxEntries/,
    ],
    ['memory', memoryStore, 5, /memoryStore\(\) was given 5\. Write memoryStore\(\{ maxEntries/],
    ['memory', memoryStore, { maxBytes: '64MB' }, /maxBytes.*not 64MB/],
    ['redis', redisStore, undefined, /redisStore\(\) was given undefined\. Write redisStore\(\{ url:/],
    ['redis', redisStore, 'redis://localhost', /redisStore\(\) was given "redis:\/\/localhost"/],
    ['redis', redisStore, { host: 'localhost' }, /unknown option host\. Known are: url, client, store/],
    ['redis', redisStore, {}, /one of url, client and store, not 0/],
    ['redis', redisStore, { url: 'localhost:6379' }, /\{ url \}\) is "localhost:6379"\. Write a URL/],
    ['redis', redisStore, { url: '' }, /Write a URL/],
    ['redis', redisStore, { url: [] }, /Write a URL/],
    ['redis', redisStore, { url: 6379 }, /is 6379/],
    ['redis', redisStore, { client: {} }, /\{ client \}\) must be an ioredis Redis or Cluster/],
    ['redis', redisStore, { client: null }, /\{ client \}\) must be/],
    ['redis', redisStore, { store: {} }, /\{ store \}\) must be a store of cache-manager-ioredis-yet/],
    ['redis', redisStore, { url: 'redis://localhost', timeout: '250' }, /timeout.*not 250/],
    ['tiers', tieredStore, undefined, /tieredStore\(\) was given undefined/],
    ['tiers', tieredStore, { l1, mode: 'bus' }, /unknown option mode\. Known are: l1, l2, consistency/],
    ['tiers', tieredStore, { l1 }, /\{ l2 \}\) must be a store that processes share/],
    ['tiers', tieredStore, { l1: {}, l2: l1 }, /\{ l1 \}\) must be a memoryStore/],
  ])('%s %#', (_, make, options, message) => {
    expect(() => make(options as never)).toThrow(message);
    expect(() => make(options as never)).toThrow(TypeError);
  });
});
