import { describe, expect, it } from '@jest/globals';
import { memoryStore } from '../../lib/stores/memory-store.js';
import { redisStore } from '../../lib/stores/redis/redis-store.factory.js';
import { tieredStore } from '../../lib/stores/tiered-store.js';

describe('a store refuses options that cannot work, and says what to write', () => {
  const l1 = memoryStore();

  it.each<[string, (options: never) => unknown, unknown, RegExp]>([
    [
      'memory',
      memoryStore,
      { max: 5 },
      /memoryStore\(\): unknown option max\. Known options: maxBytes, maxEntries/,
    ],
    ['memory', memoryStore, 5, /memoryStore\(\): the options are 5\. Write memoryStore\(\{ maxEntries/],
    ['memory', memoryStore, { maxBytes: '64MB' }, /maxBytes is '64MB'\. Write a positive whole number/],
    ['redis', redisStore, undefined, /redisStore\(\): the options are undefined\. Write redisStore\(\{ url:/],
    ['redis', redisStore, 'redis://localhost', /redisStore\(\): the options are 'redis:\/\/localhost'/],
    ['redis', redisStore, { host: 'localhost' }, /unknown option host\. Known options: url, client, store/],
    ['redis', redisStore, {}, /one of url, client, store is missing/],
    ['redis', redisStore, { url: 'localhost:6379' }, /url is 'localhost:6379'\. Write a URL/],
    ['redis', redisStore, { url: '' }, /Write a URL/],
    ['redis', redisStore, { url: [] }, /Write a URL/],
    ['redis', redisStore, { url: 6379 }, /is 6379/],
    ['redis', redisStore, { client: {} }, /client is an object\. Write an ioredis Redis or Cluster/],
    ['redis', redisStore, { client: null }, /client is null/],
    ['redis', redisStore, { store: {} }, /store is an object\. Write a store of cache-manager-ioredis-yet/],
    ['redis', redisStore, { url: 'redis://localhost', timeout: '250' }, /timeout is '250'\. Write/],
    ['tiers', tieredStore, undefined, /tieredStore\(\): the options are undefined/],
    ['tiers', tieredStore, { l1, mode: 'bus' }, /unknown option mode\. Known options: l1, l2, consistency/],
    ['tiers', tieredStore, { l1 }, /l2 is missing\. Write a store that processes share/],
    ['tiers', tieredStore, { l1: {}, l2: l1 }, /l1 is an object\. Write a memoryStore/],
  ])('%s %#', (_, make, options, message) => {
    expect(() => make(options as never)).toThrow(message);
    expect(() => make(options as never)).toThrow(TypeError);
  });
});
