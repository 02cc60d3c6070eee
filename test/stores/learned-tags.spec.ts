import { Injectable } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Keyv } from 'keyv';
import {
  CacheResult,
  type CacheStore,
  cacheManagerStore,
  memoryStore,
  tieredStore,
} from '../../lib/index.js';
import type { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { currentLoad } from '../../lib/cache/engine/load-context.js';
import { CACHE_RUNTIME } from '../../lib/cache/runtime-token.js';
import { systemClock } from '../../lib/common/time.js';
import { redisStore } from '../../lib/redis.js';
import type { BumpLogStore, BumpPosition } from '../../lib/stores/store.interface.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { Deferred, settled } from '../support/gate.js';
import { uniqueName } from '../support/unique.js';

const url = serverUrl('redis');
const timeout = 5_000;
const nodes = serverUrl('redis-cluster').split(',');

@Injectable()
class Things {
  database = 'old';
  loads = 0;
  tag = '';
  isReading = new Deferred();
  mayGoOn: Deferred | undefined;

  @CacheResult({ ttl: 60 })
  async read(_id: number): Promise<string> {
    this.loads++;
    const value = this.database;
    currentLoad()!.learn(this.tag);
    this.isReading.resolve();
    await this.mayGoOn?.promise;
    return value;
  }

  @CacheResult({ ttl: 60 })
  async outer(id: number): Promise<string> {
    return `from ${await this.read(id)}`;
  }

  @CacheResult({ ttl: 60 })
  async failing(): Promise<string> {
    const value = this.database;
    currentLoad()!.learn(this.tag);
    this.isReading.resolve();
    await this.mayGoOn?.promise;
    if (value === 'old') throw new Error(value);
    return value;
  }
}

const STORES: Readonly<Record<string, () => CacheStore>> = {
  memory: () => memoryStore(),
  redis: () => redisStore({ url, timeout }),
  cluster: () => redisStore({ url: nodes, timeout }),
  'memory over redis, bus': () => tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout }) }),
  'memory over redis, validate': () =>
    tieredStore({ l1: memoryStore(), l2: redisStore({ url, timeout }), consistency: 'validate' }),
  keyv: () => cacheManagerStore(new Keyv()),
};

/** Protocols near to ours, of which each serves a stale value in some order of events. */
function withoutLog(store: CacheStore): CacheStore {
  const log: Partial<BumpLogStore> = {
    bumpPosition: (): BumpPosition => 0,
    stampSince: (tags) => store.stamp(tags),
  };
  return Object.assign(store, log);
}

async function start(store: CacheStore, namespace = uniqueName('learned')): Promise<Run> {
  const application = await TestApplication.start([Things], { store, clock: systemClock, namespace });
  const things = application.get(Things);
  const { space } = application.module.get<CacheRuntime>(CACHE_RUNTIME);
  things.tag = space.userTag('learned');
  // From its first load on, it is known that the method learns tags.
  await things.read(0);
  await things.read(0);
  await things.failing().catch(() => undefined);
  things.isReading = new Deferred();
  return { application, things, bump: (name = 'learned') => application.cache.invalidateTags([name]) };
}

interface Run {
  readonly application: TestApplication;
  readonly things: Things;
  bump(name?: string): Promise<unknown>;
}

/** A load reads the old value, learns the tag, and ends after an invalidation of that tag has returned. */
async function overtake({ things, bump }: Run, method: 'read' | 'outer'): Promise<string> {
  const mayGoOn = (things.mayGoOn = new Deferred());
  const overtaken = things[method](1);
  await things.isReading.promise;
  things.database = 'new';
  await bump();
  things.mayGoOn = undefined;
  mayGoOn.resolve();
  await overtaken;
  return things[method](1);
}

describe.each(Object.keys(STORES))('on %s, a tag that a load learns', (name) => {
  let run: Run;
  beforeEach(async () => {
    run = await start(STORES[name]!());
  });
  afterEach(() => run.application.close());

  it('keeps the value from being stored if it was bumped during the load', async () => {
    expect(await overtake(run, 'read')).toBe('new');
  });

  it('keeps a value that was made from it from being stored', async () => {
    expect(await overtake(run, 'outer')).toBe('from new');
  });

  it('lets no reader that comes after the bump take the value of the load', async () => {
    const { things, bump } = run;
    const mayGoOn = (things.mayGoOn = new Deferred());
    const overtaken = things.read(1);
    await things.isReading.promise;
    things.database = 'new';
    await bump();
    const waiting = things.read(1);
    await settled();
    things.mayGoOn = undefined;
    mayGoOn.resolve();
    expect([await overtaken, await waiting]).toEqual(['old', 'new']);
  });

  it('lets no reader that comes after the bump take the error of the load', async () => {
    const { things, bump } = run;
    const mayGoOn = (things.mayGoOn = new Deferred());
    const overtaken = things.failing();
    await things.isReading.promise;
    things.database = 'new';
    await bump();
    const waiting = things.failing();
    await settled();
    things.mayGoOn = undefined;
    mayGoOn.resolve();
    await expect(overtaken).rejects.toThrow('old');
    expect(await waiting).toBe('new');
  });

  it('drops the stored value, and values made from it', async () => {
    const { things, bump } = run;
    await things.outer(1);
    await things.outer(1);
    const { loads } = things;
    expect(await things.outer(1)).toBe('from old');
    expect(things.loads).toBe(loads);
    things.database = 'new';
    await bump();
    expect(await things.outer(1)).toBe('from new');
    expect(await things.read(1)).toBe('new');
  });

  it('does not keep a value from being stored when others were bumped', async () => {
    const { things, bump } = run;
    const mayGoOn = (things.mayGoOn = new Deferred());
    const reading = things.read(1);
    await things.isReading.promise;
    await bump('other');
    mayGoOn.resolve();
    await reading;
    const { loads } = things;
    await things.read(1);
    expect(things.loads).toBe(loads);
  });
});

describe.each(['redis', 'cluster', 'memory over redis, bus'])('in two processes on %s', (name) => {
  it('a tag that one learns in a load and the other bumps keeps the value from being stored', async () => {
    const namespace = uniqueName('learned');
    const run = await start(STORES[name]!(), namespace);
    const other = await start(STORES[name]!(), namespace);
    try {
      expect(await overtake({ ...run, bump: () => other.bump() }, 'read')).toBe('new');
    } finally {
      await run.application.close();
      await other.application.close();
    }
  });
});

it('a protocol that stamps a tag when it is learned, and reads no log, serves a stale value', async () => {
  const run = await start(withoutLog(memoryStore()));
  try {
    expect(await overtake(run, 'read')).toBe('old');
  } finally {
    await run.application.close();
  }
});
