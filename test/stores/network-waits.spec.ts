import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import {
  type CacheService,
  memoryStore,
  tieredStore,
  type CacheStore,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { slotOf } from '../../lib/stores/redis/redis-commands.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { watchTraffic, type Traffic } from '../support/network-waits.js';
import { uniqueName } from '../support/unique.js';

const addresses = serverUrl('redis-cluster')
  .split(',')
  .map((node) => ({ host: new URL(node).hostname, port: Number(new URL(node).port) }));

const CLIENTS: Record<string, () => Redis | Cluster> = {
  'one Redis': () => new Redis(serverUrl('redis')),
  'a Cluster': () => new Cluster(addresses),
};

const STORES: Record<string, (client: Redis | Cluster) => CacheStore> = {
  'redis alone': (client) => redisStore({ client, timeout: 5_000 }),
  'validated memory over redis': (client) =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ client, timeout: 5_000 }), consistency: 'validate' }),
};

const COUNT = 50;
const keys = Array.from({ length: COUNT }, (_, i) => `item ${i}`);
const echo = (missing: readonly string[]): Promise<string[]> => Promise.resolve(missing.map(String));

/** On a Cluster the keys of one command share a slot. */
function commandsOf({ commands }: Traffic): string[] {
  for (const { keys } of commands) expect(new Set(keys.map(slotOf)).size).toBeLessThanOrEqual(1);
  return commands.map(({ name }) => name);
}

describe.each(Object.keys(CLIENTS))('getOrSetMany on %s', (where) => {
  let client: Redis | Cluster;
  let namespace: string;
  const applications: TestApplication[] = [];
  const start = async (options: RestflowCacheOptions): Promise<CacheService> => {
    const application = await TestApplication.start([], { namespace, ...options });
    applications.push(application);
    return application.cache;
  };
  const watching = async (run: () => Promise<unknown>): Promise<Traffic> => {
    const traffic = watchTraffic(client);
    await run();
    traffic.stop();
    return traffic;
  };

  beforeEach(() => {
    namespace = uniqueName('waits');
    client = CLIENTS[where]!();
  });
  afterEach(async () => {
    for (const application of applications.splice(0)) await application.close();
    client.disconnect();
  });

  it.each(Object.keys(STORES))('serves cached values in one network wait, with %s', async (kind) => {
    const cache = await start({ store: STORES[kind]!(client) });
    const read = (): Promise<unknown> => cache.getOrSetMany(keys, echo, { tags: ['items'] });
    expect(await read()).toEqual(keys);
    expect(await read()).toEqual(keys);
    const traffic = await watching(async () => expect(await read()).toEqual(keys));
    expect(traffic.waits).toBe(1);
    if (where === 'one Redis') expect(traffic.commands.map(({ name }) => name)).toEqual(['mget']);
    else expect(new Set(commandsOf(traffic))).toEqual(new Set(['mget']));
  });

  it('serves half of the values from memory and half from Redis in one network wait', async () => {
    const cache = await start({ store: STORES['validated memory over redis']!(client) });
    await cache.getOrSetMany(keys, echo);
    await cache.getOrSetMany(keys.slice(0, COUNT / 2), echo);
    const traffic = await watching(async () => expect(await cache.getOrSetMany(keys, echo)).toEqual(keys));
    expect(traffic.waits).toBe(1);
  });

  it('loads missing values after two waits, runs the loader once, and stores them in a third', async () => {
    const cache = await start({ store: redisStore({ client, timeout: 5_000 }) });
    const asked: number[] = [];
    const load = (missing: readonly string[]): Promise<string[]> => {
      asked.push(missing.length);
      return echo(missing);
    };
    await cache.getOrSetMany(keys.slice(0, 10), echo);
    const traffic = await watching(async () => expect(await cache.getOrSetMany(keys, load)).toEqual(keys));
    expect(asked).toEqual([COUNT - 10]);
    expect(traffic.waits).toBe(3);
  });
});

it('a read includes the tags that its entry inherited, and not those of earlier entries', async () => {
  const client = new Redis(serverUrl('redis'));
  const application = await TestApplication.start([], {
    namespace: uniqueName('inherited'),
    store: redisStore({ client, timeout: 5_000 }),
  });
  const { cache } = application;
  const list = (ids: readonly number[]): Promise<number[]> =>
    cache.getOrSet('list', () => Promise.all(ids.map((id) => cache.getOrSet(`item ${id}`, () => id))));
  for (let round = 0; round < 10; round++) {
    await cache.delete('list');
    const ids = [1, 2, 3, 4, 5].map((id) => round * 10 + id);
    for (let reads = 0; reads < 3; reads++) expect(await list(ids)).toEqual(ids);
  }
  const traffic = watchTraffic(client);
  expect(await list([])).toHaveLength(5);
  // The entry, the whole cache, the list and its five items.
  expect(traffic.commands.map(({ keys }) => keys.length)).toEqual([8]);
  await application.close();
  client.disconnect();
});

it('a Cluster gets concurrent reads in one write for each node', async () => {
  const client = new Cluster(addresses);
  const application = await TestApplication.start([], {
    namespace: uniqueName('writes'),
    store: redisStore({ client, timeout: 5_000 }),
  });
  await application.cache.getOrSetMany(keys, echo);
  const writes = client.nodes('master').map((node) => countWrites(node));
  const traffic = watchTraffic(client);
  expect(await application.cache.getOrSetMany(keys, echo)).toEqual(keys);
  expect(traffic.commands.length).toBeGreaterThan(COUNT);
  expect(writes.map((count) => count())).toEqual(addresses.map(() => 1));
  await application.close();
  client.disconnect();
});

/** How often something goes out to a node from now on. */
function countWrites(node: Redis): () => number {
  type Write = (...args: never[]) => void;
  const socket = (node as unknown as { stream: Record<'_write' | '_writev', Write> }).stream;
  let count = 0;
  for (const name of ['_write', '_writev'] as const) {
    const write = socket[name].bind(socket);
    socket[name] = (...args) => {
      count++;
      write(...args);
    };
  }
  return () => count;
}
