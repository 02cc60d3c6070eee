import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { CACHE_CHANNELS, CacheService, RestflowCacheModule, type StoreEvent } from '../../lib/index.js';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { redisStore, type RedisStoreOptions } from '../../lib/redis.js';
import { freePort, reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { until } from '../support/until.js';

afterAll(reapProcesses);

const FILL_SCRIPT = `for i = 1, 3000 do redis.call('SET', 'filler:' .. i, 'x') end`;

interface Scenario {
  readonly server?: readonly string[];
  /** Before the application starts. */
  prepare?(redis: RedisProcess): Promise<unknown> | void;
  options?(redis: RedisProcess): RedisStoreOptions;
  /** While the application runs. */
  disturb?(redis: RedisProcess): Promise<unknown> | void;
  /** Absent where it cannot be repaired without another configuration. */
  restore?(redis: RedisProcess): Promise<unknown> | void;
  readonly cause: RegExp;
  readonly isBack?: RegExp;
}

const userWithout = async (redis: RedisProcess): Promise<void> => {
  await redis.command('ACL', 'SETUSER', 'cache', 'on', '>secret', '~*', '&*', '+@all', '-@dangerous');
};
const asUser = (redis: RedisProcess): string => `redis://cache:secret@127.0.0.1:${redis.port}`;

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'a wrong password': {
    prepare: userWithout,
    options: (redis) => ({ url: `redis://cache:wrong@127.0.0.1:${redis.port}` }),
    restore: (redis) => redis.command('ACL', 'SETUSER', 'cache', '>wrong', '+info'),
    cause: /is down: Redis refuses the user name or the password\..*WRONGPASS/,
  },
  'a password that is missing': {
    prepare: (redis) => redis.command('CONFIG', 'SET', 'requirepass', 'secret'),
    cause: /is down: Redis refuses the user name or the password\..*NOAUTH/,
  },
  'a password that was changed': {
    prepare: (redis) => redis.command('ACL', 'SETUSER', 'cache', 'on', '>secret', '~*', '&*', '+@all'),
    options: (redis) => ({ url: asUser(redis) }),
    async disturb(redis) {
      await redis.command('ACL', 'SETUSER', 'cache', '<secret', '>other');
      await redis.command('CLIENT', 'KILL', 'USER', 'cache');
    },
    restore: (redis) => redis.command('ACL', 'SETUSER', 'cache', '>secret'),
    cause: /is down: Redis refuses the user name or the password/,
  },
  'an unknown host': {
    options: () => ({ url: 'redis://no-such-host.invalid:6379' }),
    cause: /is down: the host of Redis is unknown\..*no-such-host/,
  },
  'a port where nobody listens': {
    prepare: (redis) => redis.kill(),
    restore: (redis) => redis.start(),
    cause: /is down: no server listens there/,
  },
  'TLS for a port without it': {
    options: (redis) => ({ url: `rediss://127.0.0.1:${redis.port}` }),
    cause: /is down: the server does not take the connection\..*write redis:\/\/ in place of rediss:\/\//,
  },
  'a replica in place of the master': {
    async prepare(redis) {
      await redis.command('REPLICAOF', '127.0.0.1', String(await freePort()));
    },
    restore: (redis) => redis.command('REPLICAOF', 'NO', 'ONE'),
    cause: /is down: the server is a replica, not the master/,
  },
  'a user without INFO': {
    prepare: userWithout,
    options: (redis) => ({ url: asUser(redis) }),
    restore: (redis) => redis.command('ACL', 'SETUSER', 'cache', '+info'),
    cause: /is down: the Redis user may not run a command.*docs\/stores\.md lists.*NOPERM/,
  },
  'a Redis that is full': {
    disturb: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
    restore: (redis) => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
    cause: /refuses writes: Redis is full\. Raise maxmemory/,
    isBack: /accepts writes again/,
  },
  'too few replicas': {
    disturb: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    restore: (redis) => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
    cause: /refuses writes: Redis has fewer replicas than min-replicas-to-write/,
    isBack: /accepts writes again/,
  },
  'a Redis that loads its data': {
    server: ['--key-load-delay', '2000', '--loading-process-events-interval-bytes', '1024'],
    async prepare(redis) {
      await redis.command('EVAL', FILL_SCRIPT, '0');
      await redis.dump();
      await redis.kill();
      redis.restoreDump();
      redis.startInBackground();
      await delay(700);
    },
    restore: () => undefined,
    cause: /is down: Redis loads its data/,
  },
};

describe('the log names, in one line when it begins and one when it is over,', () => {
  it.each(Object.keys(SCENARIOS))(
    '%s',
    async (name) => {
      const {
        server = [],
        prepare,
        options,
        disturb,
        restore,
        cause,
        isBack = /store is back/,
      } = SCENARIOS[name]!;
      const redis = await RedisProcess.start(...server);
      const warnings: string[] = [];
      const others: unknown[] = [];
      const events: StoreEvent[] = [];
      const note = (event: unknown): void => void events.push(event as StoreEvent);
      subscribe(CACHE_CHANNELS.store, note);
      await prepare?.(redis);
      const module = await Test.createTestingModule({
        imports: [
          RestflowCacheModule.forRoot({
            store: redisStore({ timeout: 2_000, ...(options?.(redis) ?? { url: redis.url }) }),
            application: 'causes',
            version: '1',
          }),
        ],
      })
        .setLogger({
          log: () => undefined,
          warn: (line: unknown) => void warnings.push(String(line)),
          error: (...what: unknown[]) => void others.push(what),
        })
        .compile();
      await module.init();
      const cache = module.get(CacheService);
      let calls = 0;
      const call = async (): Promise<void> => {
        await cache.getOrSet(`key ${calls++}`, async () => 1);
        await cache.invalidateTags([`tag ${calls}`]);
      };
      try {
        await disturb?.(redis);
        await until(async () => (await call(), warnings.length > 0), 'a line', { seconds: 20 });
        expect(warnings).toEqual([expect.stringMatching(cause)]);
        expect(warnings[0]).not.toContain('\n');
        expect(cache.health()).toMatchObject({
          status: 'degraded',
          stores: { default: { status: 'down', reason: expect.stringMatching(/\w/) as unknown } },
        });
        expect(events.map(({ status }) => status)).toEqual(['down']);
        expect(String((events[0]!.reason as Error).message)).toBe(cache.health().stores['default']!.reason);
        if (restore === undefined) return;
        await restore(redis);
        await until(
          async () => {
            await call();
            await delay(20);
            return isBack.test(warnings.at(-1)!);
          },
          'a line that it is over',
          { seconds: 20, report: () => warnings.join('\n') },
        );
        expect(warnings.filter((line) => !/another history/.test(line))).toHaveLength(2);
        expect(events.map(({ status }) => status)).toEqual(['down', 'up']);
        expect(cache.health()).toMatchObject({ stores: { default: { status: 'up' } } });
      } finally {
        unsubscribe(CACHE_CHANNELS.store, note);
        await module.close();
        await redis.stop();
        expect(others).toEqual([]);
      }
    },
    60_000,
  );
});

describe('a Redis user without INFO', () => {
  it('is not connected again and again', async () => {
    const redis = await RedisProcess.start();
    await userWithout(redis);
    const store = redisStore({ url: asUser(redis) });
    const connections = async (): Promise<number> =>
      Number(/total_connections_received:(\d+)/.exec(String(await redis.command('INFO', 'stats')))![1]);
    const before = await connections();
    store.attach!({ now: Date.now, after: later, log: () => undefined, coarser: () => undefined });
    await delay(3_000);
    expect((await connections()) - before).toBeLessThan(5);
    await store.close!();
    await redis.stop();
  }, 30_000);

  it('caches where the application says that there are no failovers', async () => {
    const redis = await RedisProcess.start();
    await userWithout(redis);
    const store = redisStore({ url: asUser(redis), failoverGrace: false, timeout: 2_000 });
    store.attach!({ now: Date.now, after: later, log: () => undefined, coarser: () => undefined });
    await store.ready!();
    const stamp = await store.stamp(['tag']);
    expect(await store.judge(stamp)).toBe('current');
    await store.bump(['tag'], 'purge');
    expect(await store.judge(stamp)).toBe('purged');
    await store.close!();
    await redis.stop();
  }, 30_000);
});

function later(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
