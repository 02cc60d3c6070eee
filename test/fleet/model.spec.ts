import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { announce, seed, soaked } from '../support/randomised.js';
import { compileWorkers } from './support/compile.js';
import { Member } from './support/fleet.js';
import { reapProcesses, RedisProcess } from './support/redis-process.js';
import { judge } from './support/reference-model.js';
import type { Consistency } from './support/worker.js';

// In full with SOAK=1.
const OPERATIONS = soaked(100_000);
const FLEET: readonly Consistency[] = ['redis', 'validate', 'bus', 'bus'];
/** Of the places of the fleet. Milliseconds. */
const CLOCKS_AHEAD_MS = [0, 600_000, -600_000, 30_000];
/** The Redis comes back with an old dump, and a process is killed and replaced, so often. */
const ROLLBACKS = OPERATIONS > 50_000 ? 4 : 1;
const RESTARTS = OPERATIONS > 50_000 ? 6 : 2;

let compiled: Awaited<ReturnType<typeof compileWorkers>>;
let redis: RedisProcess;
let database: RedisProcess;
const members: Member[] = [];

beforeAll(async () => {
  [compiled, redis, database] = await Promise.all([
    compileWorkers(),
    RedisProcess.start(),
    RedisProcess.start(),
  ]);
});

afterAll(async () => {
  for (const member of members) await member.kill();
  await redis.stop();
  await database.stop();
  await reapProcesses();
  compiled.remove();
});

async function member(consistency: Consistency, at: number): Promise<Member> {
  const ahead = CLOCKS_AHEAD_MS[at];
  const one = await Member.start(compiled.path('worker.js'), redis.url, database.url, consistency, ahead);
  members.push(one);
  return one;
}

const PROMISE = 'no process of four serves what was invalidated before the read began, whatever happens';

it(
  PROMISE,
  async () => {
    announce(PROMISE, OPERATIONS);
    const share = Math.ceil(OPERATIONS / FLEET.length / (RESTARTS + 1));
    let running = true;
    let [rollbacks, restarts, reopenings] = [0, 0, 0];

    /** One place in the fleet: processes that are killed in the middle of their work, and their successors. */
    async function place(consistency: Consistency, at: number): Promise<void> {
      let left = OPERATIONS / FLEET.length;
      for (let life = 0; left > 0; life++) {
        const one = await member(consistency, at);
        const operations = Math.min(share, left);
        const work = one.order({ schedule: { operations, seed: seed + 100 * at + life } });
        if (life < RESTARTS && (life + at) % 2 === 1) {
          const killed = delay(400 + 150 * at).then(() => one.kill());
          await Promise.allSettled([work]);
          await killed;
          restarts++;
          // What it had not reported does not count.
          left -= Math.min(one.events.length, operations);
        } else {
          await work;
          // A second application of the process, over the store that the first one closed.
          await one.order({ reopen: true });
          await one.order({ schedule: { operations: share / 4, seed: seed + 100 * at + life + 50 } });
          reopenings++;
          await one.kill();
          left -= operations;
        }
      }
    }

    async function rollBack(): Promise<void> {
      while (running && rollbacks < ROLLBACKS) {
        await delay(1_500);
        await redis.dump();
        await delay(800);
        if (!running) return;
        await redis.kill();
        redis.restoreDump();
        await redis.start();
        rollbacks++;
      }
    }

    const rolling = rollBack();
    await Promise.all(FLEET.map(place));
    running = false;
    await rolling;

    const { reads, hits, writes, late, failures, stale } = judge(members);
    process.stderr.write(
      `${reads} reads, ${hits} of them hits, ${writes} writes, ${late} of them late, ${rollbacks} rollbacks, ` +
        `${restarts} processes killed, ${reopenings} stores opened again, ${stale.length} stale, ${failures.length} failures\n`,
    );
    expect(stale.slice(0, 10)).toEqual([]);
    expect(failures.slice(0, 3)).toEqual([]);
    expect(Math.min(rollbacks, reopenings)).toBeGreaterThan(0);
    expect(hits).toBeGreaterThan(reads / 3);
  },
  OPERATIONS > 50_000 ? 1_200_000 : 180_000,
);
