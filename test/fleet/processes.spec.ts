import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { compileWorkers } from './support/compile.js';
import { Member } from './support/fleet.js';
import { reapProcesses, RedisProcess } from './support/redis-process.js';
import type { Consistency } from './support/worker.js';

/** A process waits so long for another's lease, which ends after 3 seconds. */
const MAX_WAIT_MS = 10_000;

let compiled: Awaited<ReturnType<typeof compileWorkers>>;
let redis: RedisProcess;
const members: Member[] = [];

beforeAll(async () => {
  [compiled, redis] = await Promise.all([compileWorkers(), RedisProcess.start()]);
});

afterEach(async () => {
  for (const member of members.splice(0)) await member.kill();
});

afterAll(async () => {
  await redis.stop();
  await reapProcesses();
  compiled.remove();
});

/** Processes that share a Redis, which is their database too. */
async function fleet(...consistencies: Consistency[]): Promise<readonly Member[]> {
  const started = await Promise.all(
    consistencies.map((consistency) =>
      Member.start(compiled.path('worker.js'), redis.url, redis.url, consistency),
    ),
  );
  members.push(...started);
  return started;
}

const loadsOf = async (name: string): Promise<number> => Number(await redis.command('GET', `loads:${name}`));

describe("lock: 'distributed'", () => {
  it('has 1,000 misses of one key in four processes run one load', async () => {
    const four = await fleet('redis', 'redis', 'validate', 'bus');
    const popular = { name: 'stampede', ms: 300, calls: 250 };
    const values = await Promise.all(four.map((member) => member.order({ popular })));
    expect(values).toEqual([1, 1, 1, 1]);
    expect(await loadsOf('stampede')).toBe(1);
  });

  it.each(['ahead', 'revalidated'] as const)(
    'has one process of four refresh a value (%s), and the others take it from Redis, whatever they keep in memory',
    async (method) => {
      const four = await fleet('redis', 'validate', 'bus', 'bus');
      const read = (until: number): Promise<unknown[]> =>
        Promise.all(four.map((member) => member.order({ refreshed: { method, name: method, until } })));
      // The second read takes it into memory.
      for (let i = 0; i < 2; i++) await read(1);
      expect(await read(2)).toEqual([0, 0, 0, 0]);
      expect(await loadsOf(method)).toBe(2);
    },
    60_000,
  );

  it('lets another process load within the lease when its holder is killed', async () => {
    const [holder, other] = await fleet('redis', 'validate');
    void holder!.order({ popular: { name: 'killed', ms: 60_000, calls: 1 } }).catch(() => undefined);
    while ((await loadsOf('killed')) !== 1) await delay(10);
    await holder!.kill();
    const began = Date.now();
    // The load of the second process counts: it is the same key only with the same arguments.
    const waiting = other!
      .order({ popular: { name: 'killed', ms: 60_000, calls: 1 } })
      .catch(() => undefined);
    while ((await loadsOf('killed')) !== 2) await delay(10);
    expect(Date.now() - began).toBeLessThan(MAX_WAIT_MS);
    await other!.kill();
    await waiting;
  });
});
