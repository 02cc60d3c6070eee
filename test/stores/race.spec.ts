import { Injectable } from '@nestjs/common';
import { afterAll, describe, expect, it } from '@jest/globals';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import {
  ArgsKeyField,
  CacheResult,
  type CacheService,
  type CacheStore,
  cacheManagerStore,
  KeyConstructor,
  memoryStore,
  tieredStore,
} from '../../lib/index.js';
import { systemClock } from '../../lib/common/time.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { Deferred } from '../support/gate.js';
import { uniqueName } from '../support/unique.js';

const url = serverUrl('redis');
/** Patient: what becomes of a store that does not answer is not tested here. */
const timeout = 5_000;
const nodes = serverUrl('redis-cluster').split(',');

class ByTenant extends KeyConstructor {
  static readonly meta = { namespace: 'things' };
  tenant = new ArgsKeyField(0, { partition: true });
  user = new ArgsKeyField(1, { partition: true });
}

@Injectable()
class Things {
  database = 'old';
  isReading = new Deferred();
  mayGoOn: Deferred | undefined;

  @CacheResult({ ttl: 60, keyConstructor: ByTenant, tags: ['things'] })
  async read(_tenant: number, _user: number): Promise<string> {
    const value = this.database;
    this.isReading.resolve();
    await this.mayGoOn?.promise;
    return value;
  }

  /** Made from the other. */
  @CacheResult({ ttl: 60 })
  async outer(): Promise<string> {
    return `from ${await this.read(1, 42)}`;
  }
}

const backends: KeyvRedis<unknown>[] = [];

const STORES: Readonly<Record<string, () => CacheStore>> = {
  memory: () => memoryStore(),
  redis: () => redisStore({ url, timeout }),
  cluster: () => redisStore({ url: nodes, timeout }),
  'memory over redis, bus': () => tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout }) }),
  'memory over redis, validate': () =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout }), consistency: 'validate' }),
  'memory over cluster, bus': () =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ url: nodes, timeout }) }),
  keyv: () => cacheManagerStore(new Keyv()),
  '@keyv/redis': () => {
    const backend = new KeyvRedis(url);
    backends.push(backend);
    return cacheManagerStore(new Keyv({ store: backend as never, useKeyPrefix: false }));
  },
};

const LEVELS: Readonly<Record<string, (cache: CacheService) => Promise<unknown>>> = {
  key: (cache) => cache.for(Things, 'read').deleteCache(1, 42),
  partition: (cache) => cache.for(Things, 'read').deletePartition({ tenant: 1, user: 42 }),
  'part of the partition': (cache) => cache.for(Things, 'read').deletePartition({ tenant: 1 }),
  'key constructor': (cache) => cache.wipe(ByTenant),
  method: (cache) => cache.for(Things, 'read').invalidateAll(),
  tag: (cache) => cache.invalidateTags(['things']),
  everything: (cache) => cache.clear(),
};

afterAll(async () => {
  for (const backend of backends) await backend.disconnect();
});

describe.each(Object.keys(STORES))('on %s, the value of a load that was overtaken', (name) => {
  it.each(Object.keys(LEVELS))('by an invalidation of its %s is never served', async (level) => {
    const application = await TestApplication.start([Things], {
      store: STORES[name]!(),
      clock: systemClock,
      namespace: uniqueName('race'),
    });
    try {
      const things = application.get(Things);
      const mayGoOn = (things.mayGoOn = new Deferred());
      const overtaken = things.outer();
      await things.isReading.promise;
      things.database = 'new';
      await LEVELS[level]!(application.cache);
      const waiting = [things.read(1, 42), things.outer()];
      things.mayGoOn = undefined;
      mayGoOn.resolve();
      expect(await overtaken).toBe('from old');
      expect(await Promise.all(waiting)).toEqual(['new', 'from new']);
      expect(await Promise.all([things.read(1, 42), things.outer()])).toEqual(['new', 'from new']);
    } finally {
      await application.close();
    }
  });
});
