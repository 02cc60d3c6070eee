import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Entry, type CacheStore, type StoreQuery } from '../../lib/stores/index.js';
import {
  createExecutor,
  type RedisCommand,
  type RedisExecutor,
  sweepKeys,
} from '../../lib/stores/redis/redis-commands.js';
import type { RedisConnection } from '../../lib/stores/redis/redis-connection.js';
import { ServerClock } from '../../lib/stores/redis/server-clock.js';
import type { RedisNode } from '../../lib/stores/redis/redis-client.interface.js';
import { acquireLease, RedisStore } from '../../lib/stores/redis/redis-store.js';
import { Stamp } from '../../lib/stores/stamp.js';
import { UNATTACHED } from '../../lib/stores/store.interface.js';
import { serverUrl } from '../servers/url.js';
import { Deferred } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';
import { watchTraffic, type Traffic } from '../support/network-waits.js';
import { uniqueQuery } from '../support/store-query.js';

const DAY = 86_400_000;

function entry(stamp: Stamp, lifetime = 60_000): Entry {
  const now = Date.now();
  return new Entry('value', now, now + lifetime, now + lifetime, stamp, 10);
}

it('the store connects a client that would connect at its first command', async () => {
  const client = new Redis(serverUrl('redis'), { lazyConnect: true });
  const store = redisStore({ client, timeout: 5_000 });
  store.attach!(UNATTACHED);
  await store.ready!();
  const { key, tags } = uniqueQuery();
  const stamp = await store.stamp(tags());
  expect([client.status, await store.judge(stamp), key]).toEqual(['ready', 'current', key]);
  await store.close!();
  client.disconnect();
});

it('a sweep gives up a Redis that does not answer', async () => {
  const clock = new ManualClock();
  const node = { scan: () => new Promise(() => undefined), options: {} } as unknown as RedisNode;
  const swept = expect(
    sweepKeys([node], '', 'shop:e:', () => true, {
      ...UNATTACHED,
      now: clock.now,
      after: (ms, due) => clock.after(ms, due),
    }),
  ).rejects.toThrow('did not answer within 5000 ms');
  clock.advance(5_000);
  await swept;
});

describe('in Redis', () => {
  let client: Redis;
  let at: StoreQuery;
  let tag: string;

  beforeEach(() => {
    client = new Redis(serverUrl('redis'));
    at = uniqueQuery();
    [tag] = at.tags() as [string];
  });
  afterEach(() => client.disconnect());

  describe('generations', () => {
    let store: CacheStore;
    beforeEach(async () => {
      store = redisStore({ client, timeout: 5_000 });
      store.attach!(UNATTACHED);
      await store.ready!();
    });
    afterEach(() => store.close!());

    it('live on when an entry is written under them, and longer than it', async () => {
      const stamp = await store.stamp(at.tags());
      await client.pexpire(tag, 5_000);
      await store.set(at, entry(stamp, 60 * DAY));
      expect(await client.pttl(at.key)).toBeGreaterThan(59 * DAY);
      for (const each of at.tags()) expect(await client.pttl(each)).toBeGreaterThan(60 * DAY);
    });

    it('are not cut short by an entry that lives for less', async () => {
      const stamp = await store.stamp(at.tags());
      await store.set(at, entry(stamp, 60 * DAY));
      await store.set({ ...at, key: `${at.key} of a minute` }, entry(stamp));
      for (const each of at.tags()) expect(await client.pttl(each)).toBeGreaterThan(60 * DAY);
      await client.unlink(`${at.key} of a minute`);
    });

    it('live on also where PEXPIRE has no options (before Redis 7)', async () => {
      const before7 = new Redis(serverUrl('redis'));
      const { sendCommand } = before7;
      before7.sendCommand = function (command, ...rest) {
        // Redis 7.0 answers so to an option it does not know; before that it was one argument too many.
        const args = command.args as unknown[];
        if (command.name === 'pexpire' && args.length > 2) args[2] = 'GREATER';
        return sendCommand.call(this, command, ...rest);
      };
      const old = redisStore({ client: before7, timeout: 5_000 });
      await old.ready!();
      const stamp = await old.stamp(at.tags());
      await client.pexpire(tag, 5_000);
      for (let times = 0; times < 2; times++) {
        expect(await old.set(at, entry(stamp, 60 * DAY))).toBe(true);
        for (const each of at.tags()) expect(await client.pttl(each)).toBeGreaterThan(60 * DAY);
      }
      await old.close!();
      before7.disconnect();
    });

    it.each(['purge', 'expire'] as const)(
      'end a quarter of an hour after a %s too, unless an entry is stored',
      async (mode) => {
        await store.stamp(at.tags());
        await store.bump([tag], mode);
        const life = await client.pttl(tag);
        expect([life > 14 * 60_000, life <= 15 * 60_000]).toEqual([true, true]);
      },
    );

    it('an expire renews one half, a purge both', async () => {
      const halves = async (): Promise<string[]> => (await client.get(tag))!.split('.');
      await store.stamp(at.tags());
      const [hard, soft] = await halves();
      await store.bump([tag], 'expire');
      const expired = await halves();
      expect([expired[0], expired[1] === soft, expired.length]).toEqual([hard, false, 2]);
      await store.bump([tag], 'purge');
      const purged = await halves();
      expect([purged[0] === hard, purged[1] === expired[1]]).toEqual([false, false]);
    });

    it('count as missing where they are unreadable: a bump deletes them, and the next load creates one', async () => {
      await store.set(at, entry(await store.stamp(at.tags())));
      await client.set(tag, 'garbage');
      expect(await store.get(at)).toBeInstanceOf(Stamp);
      await client.set(tag, 'garbage');
      await store.bump([tag], 'expire');
      expect(await client.get(tag)).toBeNull();
    });

    it('are those of the first of concurrent creations', async () => {
      const [one, other] = await Promise.all([store.stamp(at.tags()), store.stamp(at.tags())]);
      expect(one.equals(other)).toBe(true);
      expect(await store.judge(one)).toBe('current');
    });
  });

  describe('an entry without expiry', () => {
    let clock: ManualClock;
    let store: CacheStore;
    const put = async (lifetime = Infinity): Promise<void> => {
      const now = clock.now();
      const stamp = await store.stamp(at.tags());
      await store.set(at, new Entry('value', now, now + lifetime, now + lifetime, stamp, 10));
      // What is left of it when so much time has passed for Redis as for the clock.
      for (const key of [at.key, ...at.tags()]) await client.pexpire(key, 12 * DAY);
    };
    const lives = (): Promise<number[]> => Promise.all([at.key, ...at.tags()].map((key) => client.pttl(key)));
    const read = async (many = false): Promise<Traffic> => {
      const traffic = watchTraffic(client);
      const reading = many ? (await store.getMany!([at]))[0] : await store.get(at);
      expect(reading).toBeInstanceOf(Entry);
      // Sent after it, and answered before this.
      await client.ping();
      traffic.stop();
      return traffic;
    };
    const names = ({ commands }: Traffic): string[] => commands.map(({ name }) => name);

    beforeEach(async () => {
      clock = new ManualClock(Date.now());
      store = redisStore({ client, timeout: 5_000 });
      store.attach!({ ...UNATTACHED, now: clock.now, isManual: true });
      await store.ready!();
    });
    afterEach(() => store.close!());

    it.each([
      ['a read', false],
      ['a read of many', true],
    ])('is kept by %s for thirty days more', async (_, many) => {
      await put();
      clock.advance(18 * DAY);
      expect(names(await read(many))).toEqual(['mget', 'pexpire', 'pexpire', 'pexpire', 'ping']);
      for (const life of await lives()) expect(life).toBeGreaterThan(29 * DAY);
      // Nothing more is sent before half of that is over.
      clock.advance(14 * DAY);
      expect(names(await read(many))).toEqual(['mget', 'ping']);
      clock.advance(1 * DAY);
      expect(names(await read(many))).toContain('pexpire');
    });

    it('lives on while L1 serves it', async () => {
      const tiers = tieredStore({ l1: memoryStore(), l2: store, consistency: 'validate' });
      tiers.attach!({ ...UNATTACHED, now: clock.now, isManual: true });
      await put();
      expect(await tiers.get(at)).toBeInstanceOf(Entry);
      clock.advance(18 * DAY);
      expect(await tiers.get(at)).toBeInstanceOf(Entry);
      await client.ping();
      for (const life of await lives()) expect(life).toBeGreaterThan(29 * DAY);
    });

    it('ends when it is not read', async () => {
      await put();
      clock.advance(14 * DAY);
      expect(names(await read())).toEqual(['mget', 'ping']);
      await put(60 * DAY);
      clock.advance(18 * DAY);
      expect(names(await read())).toEqual(['mget', 'ping']);
      for (const life of await lives()) expect(life).toBeLessThanOrEqual(12 * DAY);
    });

    it('is extended by the next read where an extension failed; no read waits for it', async () => {
      await put();
      clock.advance(18 * DAY);
      const { pipeline } = client;
      const answer = new Deferred<never>();
      client.pipeline = () => Object.assign(pipeline.call(client), { exec: () => answer.promise });
      expect(await store.get(at)).toBeInstanceOf(Entry);
      client.pipeline = pipeline;
      expect(names(await read())).toEqual(['mget', 'ping']);
      answer.reject(new Error('away'));
      expect(names(await read())).toContain('pexpire');
    });
  });

  describe('a lease', () => {
    let clock: ManualClock;
    let executor: RedisExecutor;
    const acquire = () =>
      acquireLease(executor, { ...UNATTACHED, after: (ms, run) => clock.after(ms, run) }, at.key);

    beforeEach(() => {
      clock = new ManualClock();
      executor = createExecutor(client as never);
    });

    it('has one holder at a time', async () => {
      const lease = await acquire();
      expect(await acquire()).toBeUndefined();
      await lease!.release();
      expect(await acquire()).toBeDefined();
    });

    it('ends by itself when its holder is gone', async () => {
      await acquire();
      const life = await client.pttl(at.key);
      expect([life > 0, life <= 3_000]).toEqual([true, true]);
    });

    it('is renewed while its holder lives, and no longer', async () => {
      const lease = await acquire();
      await client.persist(at.key);
      clock.advance(1_000);
      expect(await client.pttl(at.key)).toBeGreaterThan(0);
      await lease!.release();
      clock.advance(10_000);
      expect(await client.get(at.key)).toBeNull();
    });

    it('that was lost is not renewed, nor released for its new holder', async () => {
      const lease = await acquire();
      await client.set(at.key, 'somebody else');
      clock.advance(1_000);
      expect([await client.get(at.key), await client.pttl(at.key)]).toEqual(['somebody else', -1]);
      await lease!.release();
      expect(await client.get(at.key)).toBe('somebody else');
    });

    it('that ended before it was renewed does not come back', async () => {
      await acquire();
      await client.del(at.key);
      clock.advance(1_000);
      expect(await client.get(at.key)).toBeNull();
    });
  });
});

/** A Redis that keeps its data while its history changes, as a promoted replica or a restored dump does. */
class Histories {
  epoch = 'one.1';
  isReady = true;
  beforeServing: unknown;
  readonly clock = new ServerClock();
  readonly #data = new Map<string, Buffer>();
  /** Happens while a read is on its way. */
  meanwhile: (() => void) | undefined;
  readonly executor = {
    readMany: async (keys: readonly string[]) => {
      const values = keys.map((key) => this.#data.get(key) ?? null);
      this.meanwhile?.();
      this.meanwhile = undefined;
      return values;
    },
    runAll: async (commands: readonly RedisCommand[]) => commands.map((command) => this.#run(command)),
  };
  get history(): string {
    return this.epoch;
  }

  assertHistory(history: string): void {
    if (this.epoch !== history) throw new Error('Redis changed its history during a read');
  }
  readonly store = new RedisStore(this as unknown as RedisConnection);

  #run([name, key, value, ...options]: RedisCommand): unknown {
    if (name === 'get') return this.#data.get(String(key))?.toString('latin1') ?? null;
    const isTaken = options.includes('NX') && this.#data.has(String(key));
    if (name === 'set' && !isTaken) this.#data.set(String(key), Buffer.from(value as string));
    return 'OK';
  }
}

describe('when Redis begins another history', () => {
  let redis: Histories;
  let at: StoreQuery;
  let more: StoreQuery;
  beforeEach(async () => {
    redis = new Histories();
    at = uniqueQuery();
    more = { ...at, tags: () => at.tags().slice(0, 1) };
    await redis.store.set(at, entry(await redis.store.stamp(at.tags())));
    expect(await redis.store.get(at)).toBeInstanceOf(Entry);
  });

  it('no entry of the previous one is served, though all generations are equal', async () => {
    const stamp = await redis.store.stamp(at.tags());
    redis.epoch = 'two.0';
    expect(await redis.store.get(at)).toBeInstanceOf(Stamp);
    expect(await redis.store.getMany([at])).toEqual([expect.any(Stamp)]);
    expect(await redis.store.get(more)).toBeInstanceOf(Stamp);
    expect(await redis.store.judge(stamp)).toBe('purged');
  });

  it.each<[string, (store: RedisStore) => Promise<unknown>]>([
    ['a read', (store) => store.get(at)],
    ['a read of many', (store) => store.getMany([at])],
    ['a stamp', (store) => store.stamp(at.tags())],
    ['a judgement', async (store) => store.judge(new Stamp('one.1', at.tags(), []))],
  ])('a running %s fails', async (_, ask) => {
    redis.meanwhile = () => (redis.epoch = 'two.0');
    await expect(ask(redis.store)).rejects.toThrow('changed its history');
  });

  it('a read is a failure where the history changes before its second read, for tags that only the entry names', async () => {
    redis.meanwhile = () => queueMicrotask(() => (redis.epoch = 'two.0'));
    await expect(redis.store.get(more)).rejects.toThrow('changed its history');
  });

  it('a load that began in the previous one stores nothing', async () => {
    const stamp = await redis.store.stamp(at.tags());
    redis.epoch = 'two.0';
    expect(await redis.store.set(at, entry(stamp))).toBe(false);
    expect(await redis.store.get(at)).toBeInstanceOf(Stamp);
  });
});

it('generations live as long as the longest entry under them, with a floor that covers a load', async () => {
  const client = new Redis(serverUrl('redis'));
  const store = redisStore({ client, timeout: 5_000 });
  store.attach!(UNATTACHED);
  await store.ready!();
  const MINUTE = 60_000;
  const life = async (tag: string): Promise<number> => (await client.pttl(tag)) / MINUTE;
  const query = uniqueQuery();
  const [tag] = query.tags() as [string];
  await store.set(query, entry(await store.stamp(query.tags()), 1_000));
  expect(await life(tag)).toBeGreaterThan(10);
  expect(await life(tag)).toBeLessThanOrEqual(15);
  await store.set(query, entry(await store.stamp(query.tags()), 2 * DAY));
  await store.set(query, entry(await store.stamp(query.tags()), 1_000));
  expect(await life(tag)).toBeGreaterThanOrEqual((2 * DAY) / MINUTE);
  await store.bump([tag], 'purge');
  // Nothing is under the new generation.
  expect(await life(tag)).toBeLessThanOrEqual(15);
  await store.close!();
  client.disconnect();
});
