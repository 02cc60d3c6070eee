import { isDeepStrictEqual } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { type CacheStore, memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import {
  type Bus,
  type StoreHost,
  StoreRefusedError,
  StoreUnavailableError,
} from '../../lib/stores/store.interface.js';
import { GuardedStore } from '../../lib/stores/guarded-store.js';
import { MemoryStore } from '../../lib/stores/memory-store.js';
import { TieredStore } from '../../lib/stores/tiered-store.js';
import { reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { Applications, method } from '../cache/support/methods.js';
import { until } from '../dispatchers/support/world.js';
import { systemClock } from '../../lib/common/time.js';
import { settled } from '../support/gate.js';
import { ManualClock } from '../support/manual-clock.js';

const { start, close } = new Applications();
afterEach(close);
afterAll(reapProcesses);

/** The one that is always there, and tells. */
const dispatchers = { background: { status: 'up', waitingJobs: 0 } };

describe('a store in memory', () => {
  it('reports the number of its entries, and is up', async () => {
    const { cache } = await start();
    await cache.set('a', 'value');
    expect(cache.metrics().stores).toEqual({
      default: {
        ...{ kind: 'memory', status: 'up', waitingBumps: 0, timeouts: 0, errors: 0 },
        ...{ entries: 1, bytes: expect.any(Number), evictions: 0 },
      },
    });
    expect(cache.health()).toEqual({
      status: 'up',
      stores: { default: { kind: 'memory', status: 'up', waitingBumps: 0 } },
      dispatchers,
    });
  });
});

describe('a store of an application', () => {
  const own = (state?: CacheStore['state']): CacheStore => {
    const inner = new MemoryStore();
    return Object.assign(Object.create(inner) as CacheStore, {
      kind: 'own',
      state,
      get: (query: never) => inner.get(query),
    });
  };

  it('without state() counts as up', async () => {
    const { cache } = await start([], { store: own() });
    expect(cache.health()).toMatchObject({
      status: 'up',
      stores: { default: { kind: 'own', status: 'up' } },
    });
  });

  it('whose state() throws counts as down, and no call fails', async () => {
    const fails = (): never => {
      throw new Error('no');
    };
    const { cache } = await start([], { stores: { own: own(fails) } });
    expect(cache.health()).toEqual({
      status: 'degraded',
      stores: {
        default: { kind: 'memory', status: 'up', waitingBumps: 0 },
        own: { kind: 'own', status: 'down', waitingBumps: 0 },
      },
      dispatchers,
    });
    expect(cache.metrics().stores['own']).toMatchObject({ kind: 'own', status: 'down' });
  });
});

describe('a guarded store', () => {
  const guarded = () => {
    const clock = new ManualClock();
    const it = { fail: undefined as Error | 'hang' | undefined };
    const bump = async (): Promise<void> => {
      if (it.fail === 'hang') await new Promise(() => undefined);
      if (it.fail !== undefined) throw it.fail;
    };
    const store = { kind: 'shared', stamp: bump, bump } as unknown as CacheStore;
    const guard = new GuardedStore(store, { timeout: 1_000 });
    const said: unknown[] = [];
    const host: StoreHost = {
      now: clock.now,
      after: (ms, run) => clock.after(ms, run),
      log: () => undefined,
      coarser: () => undefined,
      changed: (status) => said.push(status),
    };
    guard.attach(host);
    return Object.assign(it, { guard, clock, said });
  };

  it('is down while it does not answer, and up after a call that it answered', async () => {
    const world = guarded();
    const { guard, clock, said } = world;
    world.fail = new StoreUnavailableError('away');
    for (let i = 0; i < 3; i++) await expect(guard.stamp(['a'])).rejects.toThrow('away');
    expect(guard.state()).toEqual({
      status: 'down',
      reason: 'away',
      waitingBumps: 0,
      timeouts: 0,
      errors: 3,
    });
    // What is not asked is no error of the store's.
    await expect(guard.stamp(['a'])).rejects.toThrow('does not answer');
    expect(guard.state()).toMatchObject({ errors: 3 });
    world.fail = undefined;
    clock.advance(1_000);
    expect(guard.state()).toMatchObject({ status: 'down' });
    await guard.stamp(['a']);
    expect(guard.state()).toMatchObject({ status: 'up' });
    expect(said).toEqual(['down', 'up']);
  });

  it('counts calls that it did not answer in time', async () => {
    const world = guarded();
    world.fail = 'hang';
    const asked = expect(world.guard.stamp(['a'])).rejects.toThrow('did not answer within');
    world.clock.advance(1_000);
    await settled();
    await asked;
    expect(world.guard.state()).toEqual({ status: 'up', waitingBumps: 0, timeouts: 1, errors: 0 });
  });

  it('is down while it refuses writes', async () => {
    const world = guarded();
    const { guard, clock, said } = world;
    world.fail = new StoreRefusedError('read only');
    await expect(guard.bump(['a'], 'purge')).rejects.toThrow('read only');
    expect(guard.state()).toEqual({
      status: 'down',
      reason: 'read only',
      waitingBumps: 1,
      timeouts: 0,
      errors: 1,
    });
    world.fail = undefined;
    clock.advance(1_000);
    await settled();
    await guard.bump(['b'], 'purge');
    expect(guard.state()).toEqual({ status: 'up', waitingBumps: 0, timeouts: 0, errors: 1 });
    expect(said).toEqual(['down', 'up']);
  });
});

describe('a tiered store', () => {
  it('is down while its bus is silent, and reports the number of entries in this process', () => {
    const bus = { trusted: true, isTrusted: () => bus.trusted, listen: () => undefined } as unknown as Bus & {
      trusted: boolean;
    };
    const store = new TieredStore(new MemoryStore(), { kind: 'shared' } as unknown as CacheStore, bus);
    expect(store.state()).toMatchObject({ status: 'up', entries: 0 });
    bus.trusted = false;
    expect(store.state()).toMatchObject({ status: 'down', entries: 0 });
  });
});

/** A slow machine is no Redis that is down. Milliseconds. */
const PATIENCE = 5_000;

const SHARED: Readonly<Record<string, (url: string) => CacheStore>> = {
  redis: (url) => redisStore({ url, timeout: PATIENCE }),
  'memory over redis': (url) =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout: PATIENCE }) }),
};

describe.each(Object.entries(SHARED))('a Redis that is killed, used as %s', (kind, open) => {
  it('is reported down without any call, with the invalidations that wait, and up when it is back', async () => {
    const redis = await RedisProcess.start();
    try {
      const Things = method('things', { ttl: 60, tags: ['tag'] });
      const application = await start([Things], { store: open(redis.url), clock: systemClock });
      const { cache } = application;
      const store = () => cache.metrics().stores['default']!;
      const counted = () => cache.metrics().methods[0]!;
      let calls = 0;
      const call = (): Promise<unknown> => (calls++, application.get(Things).call(1));
      await until(() => cache.health().status === 'up', 'the store');
      await call();
      const stores = { default: { kind, status: 'up', waitingBumps: 0 } };
      const well = { status: 'up', stores, dispatchers };
      await until(() => isDeepStrictEqual(cache.health(), well), 'the store, still');

      await redis.kill();
      await until(() => cache.health().status === 'degraded', 'the end of it');
      expect(await cache.invalidateTags(['tag'])).toBe('queued');
      expect(await call()).toBe(1);
      expect(cache.health()).toEqual({
        status: 'degraded',
        stores: {
          default: {
            kind,
            status: 'down',
            reason: expect.stringMatching(/lost|no server listens/) as unknown,
            waitingBumps: 1,
          },
        },
        dispatchers,
      });
      expect(store().errors + store().timeouts).toBeGreaterThan(0);
      expect(cache.metrics().invalidation).toMatchObject({ bumps: 1, tags: 1, failures: 1 });

      await redis.start();
      await until(() => cache.health().status === 'up', 'it to be back');
      // A machine that stands still for a heartbeat may need more than two.
      await until(async () => (await call(), counted().hits > 0), 'a hit');
      expect(counted().hits + counted().misses).toBe(calls);
    } finally {
      await redis.stop();
    }
  });
});
