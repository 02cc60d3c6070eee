import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { Counters } from './support/counters.js';
import { RedisProcess, reapProcesses } from './support/redis-process.js';
import { ShopApplication } from './support/shop.js';

const MIB = 1024 * 1024;

afterAll(reapProcesses);

/** Collects garbage, so that what is left is held. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

it('memory does not grow while Redis is away, and every invalidation reaches it when it is back', async () => {
  const redis = await RedisProcess.start();
  const counters = new Counters();
  const store = (): ReturnType<typeof redisStore> => redisStore({ url: redis.url });
  const writer = await ShopApplication.start(
    counters,
    tieredStore({ l1: memoryStore({ maxBytes: MIB }), l2: store() }),
  );
  const reader = await ShopApplication.start(counters, store());
  const turn = async (from: number, count: number): Promise<void> => {
    const calls = Array.from({ length: count }, (_, i) => [
      writer.read(from + i, 1),
      writer.method.deletePartition({ shelf: from + i, item: 1 }).catch(() => undefined),
    ]);
    await Promise.all(calls.flat());
  };
  try {
    for (let shelf = 0; shelf < 50; shelf++) await reader.read(shelf, 1);
    redis.pause();
    await delay(600);
    // The queue of bumps fills, and becomes coarser.
    for (let i = 0; i < 24; i++) await turn(i * 500, 500);
    // What is held for each call grows in every part; what is on its way at the moment of counting does not.
    const grown: number[] = [];
    for (let part = 1; part <= 3; part++) {
      const before = heapUsed();
      for (let i = 0; i < 12; i++) await turn((part * 12 + 12 + i) * 500, 500);
      grown.push((heapUsed() - before) / MIB);
    }
    for (let shelf = 0; shelf < 50; shelf++) counters.write(`${shelf}/1`);
    redis.resume();
    let behind = 50;
    for (let waited = 0; behind > 0 && waited < 50; waited++) {
      await delay(100);
      behind = 0;
      for (let shelf = 0; shelf < 50; shelf++) if ((await reader.read(shelf, 1)).number === 0) behind++;
    }
    expect(behind).toBe(0);
    expect(Math.min(...grown)).toBeLessThan(6);
  } finally {
    await writer.close();
    await reader.close();
    await redis.stop();
  }
});
