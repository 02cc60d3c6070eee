import { afterEach, describe, expect, it } from '@jest/globals';
import { Cluster, Redis } from 'ioredis';
import { tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Entry, memoryStore, type CacheStore, type StoreQuery } from '../../lib/stores/index.js';
import { serverUrl } from '../servers/url.js';
import { storeHost } from '../support/store-host.js';
import { uniqueQuery } from '../support/store-query.js';
import { uniqueName } from '../support/unique.js';
import { until } from '../support/until.js';

const SERVERS = {
  'one Redis': [serverUrl('redis')],
  'a Cluster': serverUrl('redis-cluster').split(','),
};

const open: { close(): Promise<unknown> }[] = [];

/** Of this run of the spec: others beside it have subscriptions too. */
const connectionName = uniqueName('bus');

async function tiers(urls: readonly string[]): Promise<CacheStore> {
  const client =
    urls.length === 1
      ? new Redis(urls[0]!, { connectionName })
      : new Cluster([...urls], { redisOptions: { connectionName } });
  const store = tieredStore({ l1: memoryStore(), l2: redisStore({ client, timeout: 5_000 }) });
  open.push({ close: () => Promise.resolve(store.close?.()).then(() => client.disconnect()) });
  store.attach?.(storeHost);
  await store.ready?.();
  return store;
}

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

async function write(store: CacheStore, at: StoreQuery): Promise<void> {
  const now = Date.now();
  await store.set(at, new Entry('value', now, now + 60_000, now + 60_000, await store.stamp(at.tags()), 10));
}

/** Whether an entry is served from memory: without a promise. A read that is not may put it there. */
async function isInMemory(store: CacheStore, at: StoreQuery): Promise<boolean> {
  const reading = store.get(at);
  if (reading instanceof Entry) return true;
  await reading;
  return false;
}

/** Ends our subscriptions at these servers. */
async function killSubscribers(urls: readonly string[]): Promise<number> {
  let killed = 0;
  for (const url of urls) {
    const client = new Redis(url);
    const subscriptions = String(await client.call('CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n');
    for (const line of subscriptions.filter((one) => one.includes(` name=${connectionName} `)))
      killed += Number(await client.call('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)![1]!));
    client.disconnect();
  }
  return killed;
}

describe.each(Object.entries(SERVERS))('the bus over %s', (_, urls) => {
  it('makes other processes drop bumped entries and read them again', async () => {
    const [one, other] = [await tiers(urls), await tiers(urls)];
    for (let round = 0; round < 5; round++) {
      const at = uniqueQuery();
      await write(one, at);
      await until(() => isInMemory(other, at));
      await one.bump([at.tags()[round % 2]!], round % 3 === 0 ? 'expire' : 'purge');
      const heard = async (): Promise<boolean> => {
        const reading = await other.get(at);
        return !(reading instanceof Entry) || reading.expired;
      };
      await until(heard);
    }
  });

  it('is not trusted while it is disconnected, and clears L1 when it is connected again', async () => {
    const [one, other] = [await tiers(urls), await tiers(urls)];
    const at = uniqueQuery();
    await write(one, at);
    await until(() => isInMemory(other, at));
    expect(await killSubscribers(urls)).toBeGreaterThan(0);
    await until(() => !(other.get(at) instanceof Entry));
    await one.bump(at.tags(), 'purge');
    expect(await other.get(at)).not.toBeInstanceOf(Entry);
    await write(one, at);
    await until(() => isInMemory(other, at));
  });
});
