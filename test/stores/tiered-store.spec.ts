import { afterEach, expect, it } from '@jest/globals';
import { Entry, memoryStore, type CacheStore, type StoreQuery } from '../../lib/stores/index.js';
import { Keyv } from 'keyv';
import { CACHE_MISSING, cacheManagerStore, tieredStore } from '../../lib/index.js';
import { systemClock } from '../../lib/common/time.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { storeHost } from '../support/store-host.js';
import { ManualClock } from '../support/manual-clock.js';
import { uniqueQuery } from '../support/store-query.js';
import { until } from '../support/until.js';

const open: CacheStore[] = [];
const clock = new ManualClock(Date.now());

async function ready(store: CacheStore): Promise<CacheStore> {
  open.push(store);
  store.attach?.({ ...storeHost, now: clock.now, isManual: true });
  await store.ready?.();
  return store;
}

const redis = (): CacheStore => redisStore({ url: serverUrl('redis'), timeout: 5_000 });
const tiers = (): Promise<CacheStore> =>
  ready(tieredStore({ l1: memoryStore(), l2: redis(), consistency: 'validate' }));

afterEach(async () => {
  for (const store of open.splice(0)) await store.close?.();
});

const keyv = new Keyv();
async function write(store: CacheStore, at: StoreQuery, value: unknown, lifetime: number): Promise<void> {
  const now = clock.now();
  const stamp = await store.stamp(at.tags());
  await store.set(at, new Entry(value, now, now + lifetime, now + 60_000, stamp, 10));
}

async function read(store: CacheStore, at: StoreQuery): Promise<unknown> {
  const reading = await store.get(at);
  return reading instanceof Entry ? reading.value : undefined;
}

it('an entry that another process loaded again is read when the copy in memory is stale', async () => {
  const [one, other, at] = [await tiers(), await tiers(), uniqueQuery()];
  await write(one, at, 'first', 1_000);
  expect(await read(one, at)).toBe('first');
  clock.advance(1_000);
  await write(other, at, 'second', 60_000);
  expect(await read(one, at)).toBe('second');
});

it.each(['bus', 'validate'] as const)(
  'what one process sets others read, over what they have in memory (%s)',
  async (consistency) => {
    const namespace = `set-${process.pid}-${consistency}`;
    const store = (): CacheStore => tieredStore({ l1: memoryStore(), l2: redis(), consistency });
    const [one, other] = [
      await TestApplication.start([], { store: store(), namespace, clock: systemClock }),
      await TestApplication.start([], { store: store(), namespace, clock: systemClock }),
    ];
    try {
      await one.cache.set('k', 'first');
      // Until its bus is trusted a process keeps nothing.
      await until(async () => {
        await other.cache.get('k');
        return (other.cache.metrics().stores['default']?.entries ?? 0) > 0;
      });
      await one.cache.set('k', 'second');
      await until(
        async () => (await other.cache.get('k')) === 'second',
        'the other process reads what was set',
        { seconds: 20 },
      );
      await one.cache.set('k', () => 'what cannot be stored');
      await until(async () => (await other.cache.get('k')) === CACHE_MISSING, 'the other drops it', {
        seconds: 20,
      });
    } finally {
      await Promise.all([one.close(), other.close()]);
    }
  },
);

it('a read that was running when a value was stored does not put the previous value into memory', async () => {
  const [store, at] = [await tiers(), uniqueQuery()];
  await write(store, at, 'first', 60_000);
  const stamp = await store.stamp(at.tags());
  const reading = read(store, at);
  const now = clock.now();
  await store.set(at, new Entry('second', now, now + 60_000, now + 60_000, stamp, 10));
  await reading;
  expect(await read(store, at)).toBe('second');
});

it.each([
  ['redis', redis],
  ['keyv', () => cacheManagerStore(keyv)],
])(
  'an entry in %s that lacks a tag of today is a miss: a bump of it would not end the entry',
  async (_, make) => {
    const [store, at] = [await ready(make()), uniqueQuery()];
    await write(store, at, 'value', 60_000);
    expect(await read(store, at)).toBe('value');
    expect(await read(store, { ...at, tags: () => [...at.tags(), `${at.key}:new`] })).toBeUndefined();
  },
);
