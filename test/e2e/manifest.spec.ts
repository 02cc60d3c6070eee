import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { TypeOrmModule } from '@nestjs/typeorm';
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { Keyv } from 'keyv';
import { DataSource } from 'typeorm';
import {
  CacheService,
  cacheManagerStore,
  memoryStore,
  RestflowCacheModule,
  tieredStore,
  type CacheStore,
} from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { LogBook } from '../support/application.js';
import { ManualClock } from '../support/manual-clock.js';
import { Page, Remark, Remarks } from '../support/remarks.js';
import { createSchema, schemaName } from '../typeorm/database.js';

const redis = serverUrl('redis');
const nodes = serverUrl('redis-cluster').split(',');
const clients: KeyvRedis<unknown>[] = [];
function keyv(): Keyv {
  const client = new KeyvRedis(redis);
  clients.push(client as never);
  return new Keyv({ store: client as never, namespace: 'told', useKeyPrefix: false });
}

/** Each application gets a store of its own on the same data, as processes do. */
const STORES: Readonly<Record<string, () => CacheStore>> = {
  redis: () => redisStore({ url: redis }),
  cluster: () => redisStore({ url: nodes }),
  'memory over redis': () => tieredStore({ l1: memoryStore(), l2: redisStore({ url: redis }) }),
  'memory over cluster, validated': () =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ url: nodes }), consistency: 'validate' }),
  'cache-manager': () => cacheManagerStore(keyv()),
  'cache-manager with memory above': () => cacheManagerStore(createCache({ stores: [new Keyv(), keyv()] })),
};

describe.each(Object.keys(STORES))('rules of another process over %s', (name) => {
  const apps: TestingModule[] = [];
  const namespace = `told-${process.pid}-${Math.random().toString(36).slice(2)}`;
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    for (const client of clients.splice(0)) await client.disconnect().catch(() => undefined);
  });

  async function start(
    providers: (typeof Remarks)[],
    isFirst: boolean,
  ): Promise<TestingModule & { clock: ManualClock }> {
    const clock = new ManualClock(Date.now());
    const module = await Test.createTestingModule({
      imports: [
        RestflowCacheModule.forRoot({ store: STORES[name]!(), namespace, clock }),
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: serverUrl('postgres'),
          schema: schemaName(),
          entities: [Page, Remark],
          synchronize: isFirst,
          dropSchema: isFirst,
          poolSize: 2,
        }),
      ],
      providers,
    })
      .setLogger(new LogBook())
      .compile();
    await module.init();
    apps.push(module);
    return Object.assign(module, { clock });
  }

  it('are carried out by one that knows nothing but the entities, before its write returns', async () => {
    await createSchema();
    const api = await start([Remarks], true);
    const worker = await start([], false);
    const { manager } = worker.get(DataSource);
    const pages = await manager.save(Page, [{ slug: 'a' }, { slug: 'b' }, { slug: 'c' }]);
    const cached = api.get(CacheService).for(Remarks, 'of');
    const statuses = async (): Promise<string[]> => {
      const read: string[] = [];
      for (const slug of ['a', 'b', 'c']) {
        const [value, { cacheStatus }] = await cached.getWithMetadata(slug);
        read.push(`${value.join()} ${cacheStatus}`);
      }
      return read;
    };
    expect(await statuses()).toEqual([' MISS', ' MISS', ' MISS']);
    expect(await statuses()).toEqual([' HIT', ' HIT', ' HIT']);
    const [a, b] = pages as [Page, Page];
    await manager.save(manager.create(Remark, { text: 'x', page: { id: a.id } as Page }));
    expect(await statuses()).toEqual(['x MISS', ' HIT', ' HIT']);
    await manager.save(Remark, { id: 1, page: { id: b.id } });
    expect(await statuses()).toEqual([' MISS', 'x MISS', ' HIT']);
    await manager.update(Remark, { text: 'x' }, { text: 'y' });
    expect(await statuses()).toEqual([' MISS', 'y MISS', ' MISS']);
  });
});
