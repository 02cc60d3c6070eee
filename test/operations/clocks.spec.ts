import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Header } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  CacheResponse,
  CacheResult,
  CacheService,
  CacheStatus,
  type CacheStore,
  type Clock,
  memoryStore,
  RestflowCacheModule,
  tieredStore,
} from '../../lib/index.js';
import { systemClock } from '../../lib/common/time.js';
import { redisStore } from '../../lib/redis.js';
import { reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { announce, randomNumbers, seed } from '../support/randomised.js';
import { until } from '../support/until.js';

const MINUTE_MS = 60_000;
/** For a machine that has other things to do. */
const SLACK_MS = 700;
const PROCESSES = 6;

/** A clock that runs with the system's, some time away from it. */
class ShiftedClock implements Clock {
  constructor(public aheadMs: number) {}

  readonly now = (): number => Date.now() + this.aheadMs;

  readonly after = systemClock.after;
}

const QUIET = { log: () => undefined, warn: () => undefined, error: () => undefined };

let loads = 0;

@Controller()
class Pages {
  @CacheResult({ ttl: '3s' }) async short(_key: string): Promise<number> {
    return ++loads;
  }
  @CacheResult({ ttl: '1s', staleWhileRevalidate: '2s' }) async stale(_key: string): Promise<number> {
    return ++loads;
  }
  @CacheResult({ ttl: '1m', refreshAhead: 0.5 }) async ahead(_key: string): Promise<number> {
    return ++loads;
  }
  @Get('page') @CacheResponse({ ttl: '3s', cacheControl: true }) page(): number {
    return ++loads;
  }
  @Get('by-headers')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=3')
  byHeaders(): number {
    return ++loads;
  }
}

interface Member {
  readonly application: NestExpressApplication;
  readonly cache: CacheService;
  readonly clock: ShiftedClock;
  readonly url: string;
}

let redis: RedisProcess;

beforeAll(async () => {
  redis = await RedisProcess.start();
});

afterAll(async () => {
  await redis.stop();
  await reapProcesses();
});

async function start(
  aheadMs: number,
  kind: 'redis' | 'bus' | 'validate' | 'steady',
  namespace: string,
): Promise<Member> {
  const clock = new ShiftedClock(aheadMs);
  const l2 = redisStore({
    url: redis.url,
    timeout: 2_000,
    ...(kind === 'steady' && { failoverGrace: false }),
  });
  const store: CacheStore =
    kind === 'redis' || kind === 'steady' ? l2 : tieredStore({ l1: memoryStore(), l2, consistency: kind });
  const module = await Test.createTestingModule({
    imports: [RestflowCacheModule.forRoot({ store, clock, namespace, application: 'clocks', version: '1' })],
    controllers: [Pages],
  })
    .setLogger(QUIET)
    .compile();
  const application = module.createNestApplication<NestExpressApplication>();
  await application.listen(0, '127.0.0.1');
  return { application, cache: application.get(CacheService), clock, url: await application.getUrl() };
}

const KINDS = ['redis', 'bus', 'validate', 'steady'] as const;

const PROMISE = 'lifetimes are those of the entry, however far apart the clocks of processes are';

it(
  PROMISE,
  async () => {
    announce(PROMISE, PROCESSES);
    const random = randomNumbers(seed);
    const members = await Promise.all(
      Array.from({ length: PROCESSES }, (_, i) => {
        const aheadMs =
          [0, 10 * MINUTE_MS, -10 * MINUTE_MS][i] ?? Math.round((random() - 0.5) * 60 * MINUTE_MS);
        return start(aheadMs, KINDS[i % 3]!, 'apart');
      }),
    );
    try {
      await Promise.all(members.map((member, i) => playWith(member, members, `key ${i}`)));
    } finally {
      for (const { application } of members) await application.close();
    }
  },
  60_000,
);

/** One process stores, and all read: at once, before the end of the life, and after it. */
async function playWith(writer: Member, members: readonly Member[], key: string): Promise<void> {
  const of = (member: Member, name: 'short' | 'stale' | 'ahead') => member.cache.for(Pages, name);
  const began = performance.now();
  const isYoung = (): boolean => performance.now() - began < 3_000 - SLACK_MS;
  const stored = {
    short: await of(writer, 'short').get(key),
    stale: await of(writer, 'stale').get(key),
    ahead: await of(writer, 'ahead').get(key),
  };
  const storedBy = performance.now();
  for (const member of members) {
    const [value, metadata] = await of(member, 'short').getWithMetadata(key);
    if (!isYoung()) return;
    expect([value, metadata.cacheStatus]).toEqual([stored.short, CacheStatus.HIT]);
    // By the clock of the reader it is as old as it is.
    const age = member.clock.now() - Date.parse(metadata.cachedAt!);
    expect(age).toBeGreaterThan(-SLACK_MS);
    expect(age).toBeLessThan(performance.now() - began + SLACK_MS);
    expect(Date.parse(metadata.resetAt!) - Date.parse(metadata.cachedAt!)).toBe(3_000);
    // Less than half of its life is over: nobody refreshes it.
    expect(await of(member, 'ahead').get(key)).toBe(stored.ahead);
  }
  await delay(1_000 + SLACK_MS - (performance.now() - storedBy));
  // Each finds it stale, or one of the others has loaded it again: nobody serves it as fresh, nor waits for it.
  for (const member of members) {
    const [value, { cacheStatus }] = await of(member, 'stale').getWithMetadata(key);
    if (value === stored.stale && performance.now() - began < 3_000 - SLACK_MS)
      expect(cacheStatus).toBe(CacheStatus.STALE);
  }
  await delay(3_000 + SLACK_MS - (performance.now() - storedBy));
  for (const member of members) {
    expect(await of(member, 'short').get(key)).toBeGreaterThan(stored.short);
    expect(await of(member, 'stale').get(key)).toBeGreaterThan(stored.stale);
    expect(await of(member, 'ahead').get(key)).toBe(stored.ahead);
  }
}

/** Keys hold the host, so all are asked as one. */
async function ask({ url }: Member, path: string): Promise<[body: string, age: number]> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${url}/${path}`, { headers: { host: 'pages.example' } }, resolve).on('error', reject);
  });
  return [await text(answer), Number(answer.headers['age'])];
}

it('answers tell their age, and end with it, where clocks are ten minutes apart', async () => {
  const members = await Promise.all([
    start(0, 'redis', 'pages'),
    start(10 * MINUTE_MS, 'bus', 'pages'),
    start(-10 * MINUTE_MS, 'validate', 'pages'),
  ]);
  try {
    for (const path of ['page', 'by-headers']) {
      const began = performance.now();
      const [first] = await ask(members[1]!, path);
      const answers = await Promise.all(members.map((member) => ask(member, path)));
      if (performance.now() - began < 3_000 - SLACK_MS)
        for (const [body, age] of answers) {
          expect(body).toBe(first);
          expect(age).toBeLessThanOrEqual(3);
        }
      await delay(3_000 + SLACK_MS - (performance.now() - began));
      for (const member of members) expect((await ask(member, path))[0]).not.toBe(first);
    }
  } finally {
    for (const { application } of members) await application.close();
  }
}, 60_000);

it('a clock that is set back while the process runs lengthens no life', async () => {
  await Promise.all(KINDS.map(setBack));
}, 30_000);

async function setBack(kind: (typeof KINDS)[number]): Promise<void> {
  const member = await start(0, kind, `set:${kind}`);
  const short = member.cache.for(Pages, 'short');
  try {
    const first = await short.get('key');
    expect(await short.get('key')).toBe(first);
    member.clock.aheadMs = -10 * MINUTE_MS;
    await delay(3_000 + SLACK_MS);
    await until(async () => (await short.get('key')) > first, `another load (${kind})`, { seconds: 5 });
    // And an entry from after the change lives as long as it says.
    const second = await short.get('other');
    expect(await short.get('other')).toBe(second);
    await delay(3_000 + SLACK_MS);
    expect(await short.get('other')).toBeGreaterThan(second);
  } finally {
    await member.application.close();
  }
}
