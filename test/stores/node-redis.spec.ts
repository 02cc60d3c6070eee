import { afterEach, describe, expect, it } from '@jest/globals';
import { createClient, createCluster, createSentinel } from 'redis';
import { memoryStore, tieredStore, type CacheStore } from '../../lib/index.js';
import { redisStore as overNodeRedis } from '../../lib/node-redis.js';
import { redisStore } from '../../lib/stores/redis/redis-store.factory.js';
import { Entry } from '../../lib/stores/index.js';
import { serverUrl } from '../servers/url.js';
import { storeHost } from '../support/store-host.js';
import { uniqueQuery } from '../support/store-query.js';
import { uniqueName } from '../support/unique.js';
import { until } from '../support/until.js';

const url = serverUrl('redis');
const timeout = 5_000;
/** Of this run of the spec: others beside it have subscriptions too. */
const connectionName = uniqueName('node-redis');
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

function client(): ReturnType<typeof createClient> {
  const made = createClient({ url, name: connectionName });
  made.on('error', () => undefined);
  open.push(() => made.isOpen && made.destroy());
  return made as ReturnType<typeof createClient>;
}

async function ready(store: CacheStore): Promise<CacheStore> {
  open.push(() => store.close?.());
  store.attach?.(storeHost);
  await store.ready?.();
  return store;
}

describe('a client of node-redis', () => {
  it('is connected by the store, and shares entries with ioredis byte for byte', async () => {
    const [one, other] = [
      await ready(redisStore({ client: client(), timeout })),
      await ready(redisStore({ url, timeout })),
    ];
    const at = uniqueQuery();
    const now = Date.now();
    const value = { text: 'ä'.repeat(100), bytes: Buffer.from([0, 255, 254]) };
    await one.set(at, new Entry(value, now, now + 60_000, now + 60_000, await one.stamp(at.tags()), 10));
    expect(await other.get(at)).toMatchObject({ value });
    await other.bump(at.tags().slice(0, 1), 'purge');
    expect(await one.get(at)).not.toBeInstanceOf(Entry);
  });

  it('that the application connected stays open when the store is closed, with no listener left', async () => {
    const given = client();
    await given.connect();
    const before = given.listenerCount('error');
    const store = await ready(overNodeRedis({ client: given, timeout }));
    await store.stamp(['tag']);
    await store.close?.();
    expect([await given.ping(), given.listenerCount('error')]).toEqual(['PONG', before]);
    expect(given.listenerCount('ready')).toBe(0);
  });

  it('tells other processes of bumps, also after its subscription was killed', async () => {
    const tiers = async (): Promise<CacheStore> =>
      ready(tieredStore({ l1: memoryStore(), l2: redisStore({ client: client(), timeout }) }));
    const [one, other] = [await tiers(), await tiers()];
    const isInMemory = (at: ReturnType<typeof uniqueQuery>): boolean => one.get(at) instanceof Entry;
    for (const kill of [false, true]) {
      const at = uniqueQuery();
      const now = Date.now();
      if (kill) {
        const killer = client();
        await killer.connect();
        const list = String(await killer.sendCommand(['CLIENT', 'LIST', 'TYPE', 'pubsub'])).split('\n');
        for (const line of list.filter((each) => each.includes(` name=${connectionName} `)))
          await killer.sendCommand(['CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)![1]!]);
      }
      await until(
        async () => {
          await one.set(at, new Entry('v', now, now + 60_000, now + 60_000, await one.stamp(at.tags()), 10));
          await one.get(at);
          return isInMemory(at);
        },
        'the entry to be served from memory',
        { seconds: 20 },
      );
      await other.bump(at.tags().slice(0, 1), 'purge');
      await until(async () => !((await one.get(at)) instanceof Entry), 'the entry to be dropped', {
        seconds: 20,
      });
    }
  });

  it.each<[string, object, RegExp]>([
    ['a cluster', createCluster({ rootNodes: [{ url }] }), /For a Cluster or Sentinels use ioredis/],
    [
      'a Sentinel client',
      createSentinel({ name: 'm', sentinelRootNodes: [] }),
      /For a Cluster or Sentinels use ioredis/,
    ],
    ['an object', {}, /Write a client of node-redis, createClient/],
  ])('is asked for in place of %s', (_, given, message) => {
    expect(() => overNodeRedis({ client: given })).toThrow(message);
  });
});
