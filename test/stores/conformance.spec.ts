import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import * as ioredisYet from 'cache-manager-ioredis-yet';
import { Cluster, Redis } from 'ioredis';
import { Keyv } from 'keyv';
import { KeyvFile } from 'keyv-file';
import { cacheManagerStore, memoryStore, tieredStore, type CacheStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { chaosStore, storeConformance, type ConformanceOptions } from '../../lib/testing.js';
import { serverUrl } from '../servers/url.js';
import { storeHost } from '../support/store-host.js';

const url = serverUrl('redis');
/** Patient: what becomes of a store that does not answer is not tested here. */
const timeout = 5_000;
const nodes = serverUrl('redis-cluster').split(',');
const addresses = nodes.map((node) => ({ host: new URL(node).hostname, port: Number(new URL(node).port) }));

const ready = async (store: CacheStore): Promise<CacheStore> => {
  store.attach?.(storeHost);
  await store.ready?.();
  return store;
};

const shared = (make: () => CacheStore): ConformanceOptions => ({
  create: () => ready(make()),
  createPeer: () => ready(make()),
});

/** Connections of the test's own: a store leaves them open. */
const clients: { disconnect(): unknown }[] = [];
const keep = <T extends { disconnect(): unknown }>(client: T): T => {
  clients.push(client);
  return client;
};
const folder = mkdtempSync(join(tmpdir(), 'restflow-keyv-'));

const keyv = new Keyv();
const onDisk = new Keyv({ store: new KeyvFile({ filename: join(folder, 'cache.json'), writeDelay: 0 }) });
const overRedis = (): Keyv =>
  new Keyv({ store: keep(new KeyvRedis(url)) as never, namespace: 'keyv', useKeyPrefix: false });
const cluster = (): CacheStore => redisStore({ url: nodes, timeout });
const backend = (make: () => CacheStore): ConformanceOptions => ({
  ...shared(make),
  expires: false,
  sweeps: false,
});

const STORES: Record<string, () => ConformanceOptions> = {
  memory: () => ({ create: () => memoryStore() }),
  redis: () => shared(() => redisStore({ url, timeout })),
  'redis with a client that has a key prefix': () =>
    shared(() => redisStore({ client: keep(new Redis(url, { keyPrefix: 'pre*fix:' })), timeout })),
  'redis through the connection of cache-manager-ioredis-yet': () =>
    shared(() => redisStore({ store: ioredisYet.redisInsStore(keep(new Redis(url))), timeout })),
  'memory over redis, validated': () =>
    shared(() =>
      tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout }), consistency: 'validate' }),
    ),
  'memory over redis, with a bus, in one process': () => ({
    create: () => ready(tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout }) })),
  }),
  cluster: () => shared(cluster),
  'cluster with a client that has a key prefix': () =>
    shared(() => redisStore({ client: keep(new Cluster(addresses, { keyPrefix: '{pre*fix:' })), timeout })),
  'memory over cluster, validated': () =>
    shared(() => tieredStore({ l1: memoryStore(), l2: cluster(), consistency: 'validate' })),
  'memory over cluster, with a bus, in one process': () => ({
    create: () => ready(tieredStore({ l1: memoryStore(), l2: cluster() })),
  }),
  'redis behind chaos that does nothing': () =>
    shared(() => chaosStore(redisStore({ url, timeout }), { seed: 1 })),
  keyv: () => backend(() => cacheManagerStore(keyv)),
  '@keyv/redis': () => backend(() => cacheManagerStore(overRedis())),
  'keyv in a file': () => backend(() => cacheManagerStore(onDisk)),
  'cache-manager with two tiers': () => ({
    create: () => ready(cacheManagerStore(createCache({ stores: [new Keyv(), new Keyv()] }))),
    expires: false,
    sweeps: false,
  }),
  'cache-manager over @keyv/redis': () =>
    backend(() => cacheManagerStore(createCache({ stores: [new Keyv(), overRedis()] }))),
};

afterAll(() => {
  for (const client of clients) client.disconnect();
  rmSync(folder, { recursive: true, force: true });
});

describe.each(Object.keys(STORES))('%s', (name) => {
  it.each(storeConformance(STORES[name]!()).map((one) => [one.name, one.run] as const))('%s', (_, run) =>
    run(),
  );
});

it.each<[string, () => Redis | Cluster]>([
  ['a client', () => new Redis(url)],
  ['a client of a Cluster', () => new Cluster(addresses)],
])('%s that was passed in stays open when its store is closed', async (_what, create) => {
  const client = keep(create());
  const store = await ready(redisStore({ client }));
  await store.stamp(['tag']);
  await store.close?.();
  expect(await client.ping()).toBe('PONG');
});

/** What the nodes of the Cluster count: errors by their first word, and calls of one command. */
async function counts(): Promise<{ crossSlot: number; moved: number; calls: number }> {
  const sums = { crossSlot: 0, moved: 0, calls: 0 };
  for (const node of addresses) {
    const client = new Redis(node);
    const errors = await client.info('errorstats');
    const commands = await client.info('commandstats');
    client.disconnect();
    const count = (name: string): number =>
      Number(new RegExp(`errorstat_${name}:count=(\\d+)`).exec(errors)?.[1] ?? 0);
    sums.crossSlot += count('CROSSSLOT');
    sums.moved += count('MOVED');
    for (const [, calls] of commands.matchAll(/cmdstat_(?:get|mget|set|eval|pexpire):calls=(\d+)/g))
      sums.calls += Number(calls);
  }
  return sums;
}

describe('a Cluster', () => {
  let before: Awaited<ReturnType<typeof counts>>;
  beforeAll(async () => void (before = await counts()));

  it('gets each command at the node of its keys, with keys of one slot only', async () => {
    for (const { run } of storeConformance(shared(cluster))) await run();
    const after = await counts();
    expect(after.calls - before.calls).toBeGreaterThan(500);
    expect(after.crossSlot - before.crossSlot).toBe(0);
    expect(after.moved - before.moved).toBe(0);
  });
});
