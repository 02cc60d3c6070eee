import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../support/until.js';
import { compileWorkers } from './support/compile.js';
import { Member } from './support/fleet.js';
import { reapProcesses, RedisProcess } from './support/redis-process.js';
import type { Consistency } from './support/worker.js';

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

/** What whoever may load has written under the lock of a key, if anybody may. */
async function leaseOf(name: string): Promise<string | undefined> {
  const [key] = (await redis.command('KEYS', `*${name}*|lock`)) as string[];
  return key && (((await redis.command('GET', key)) as string | null) ?? undefined);
}

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

  it('gives the lease to another process when its holder is killed', async () => {
    const [holder, other] = await fleet('redis', 'validate');
    const order = { popular: { name: 'killed', ms: 60_000, calls: 1 } };
    void holder!.order(order).catch(() => undefined);
    await until(async () => (await loadsOf('killed')) === 1, 'the first load');
    const first = await leaseOf('killed');
    expect(first).toBeDefined();
    await holder!.kill();
    const waiting = other!.order(order).catch(() => undefined);
    // One that had waited in vain would load without a lease.
    await until(async () => ![undefined, first].includes(await leaseOf('killed')), 'the lease of another');
    await until(async () => (await loadsOf('killed')) === 2, 'the second load');
    await other!.kill();
    await waiting;
  });
});
