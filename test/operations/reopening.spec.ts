import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { CacheResult, memoryStore, tieredStore, type CacheStore } from '../../lib/index.js';
import { systemClock } from '../../lib/common/time.js';
import { redisStore } from '../../lib/redis.js';
import { compileWorkers } from '../fleet/support/compile.js';
import { adopt, reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';
import { uniqueName } from '../support/unique.js';

let redis: RedisProcess;
beforeAll(async () => {
  redis = await RedisProcess.start();
});
afterAll(async () => {
  await redis.stop();
  await reapProcesses();
});

@Injectable()
class Prices {
  static now = 0;
  @CacheResult({ ttl: 60 }) async price(): Promise<number> {
    return Prices.now;
  }
}

const STORES: Readonly<Record<string, (url: string) => CacheStore>> = {
  redis: (url) => redisStore({ url }),
  'memory over redis': (url) => tieredStore({ l1: memoryStore(), l2: redisStore({ url }) }),
};

describe.each(Object.keys(STORES))('a store of %s', (kind) => {
  it('opens again for each application of the process, and invalidates for others', async () => {
    const namespace = uniqueName('reopening');
    const store = STORES[kind]!(redis.url);
    const start = (own = store): Promise<TestApplication> =>
      TestApplication.start([Prices], { store: own, namespace, application: 'shop', clock: systemClock });
    const other = await start(redisStore({ url: redis.url }));
    try {
      for (let run = 0; run < 3; run++) {
        const app = await start();
        await app.get(Prices).price();
        expect(await app.cache.for(Prices, 'price').getWithMetadata()).toMatchObject([
          Prices.now,
          { cacheStatus: 'HIT' },
        ]);
        expect(await other.get(Prices).price()).toBe(Prices.now);
        Prices.now++;
        expect(await app.cache.for(Prices, 'price').invalidateAll()).toBe('delivered');
        expect(await other.get(Prices).price()).toBe(Prices.now);
        await until(() => app.cache.health().status === 'up');
        await app.close();
      }
    } finally {
      await other.close();
    }
  });
});

describe('a process', () => {
  let compiled: Awaited<ReturnType<typeof compileWorkers>>;
  beforeAll(async () => {
    compiled = await compileWorkers();
  });
  afterAll(() => compiled.remove());

  /** Resolves when the process has ended by itself. */
  function run(mode: string, url: string): Promise<{ code: number | null; output: string }> {
    const child = spawn(process.execPath, [compiled.path('boot-worker.js'), mode, url]);
    adopt(child);
    let output = '';
    child.stdout.on('data', (text: Buffer) => (output += text.toString()));
    return new Promise((resolve) => child.on('exit', (code) => resolve({ code, output })));
  }
  const connections = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(String(await redis.command('INFO', 'stats')))![1]);

  it('that imports the module connects to nothing, and ends', async () => {
    const before = await connections();
    expect(await run('import', redis.url)).toEqual({ code: 0, output: '' });
    // The one that asks.
    expect(await connections()).toBe(before + 1);
  }, 30_000);

  it.each([
    ['whose boot fails', 'failed boot', 'it does not boot'],
    ['that has read through the cache', 'script', 'loaded loaded'],
  ])(
    '%s is not kept alive',
    async (_, mode, output) => {
      expect(await run(mode, redis.url)).toEqual({ code: 0, output });
    },
    30_000,
  );

  it('whose Redis is away waits for its reads, and is not kept alive', async () => {
    expect(await run('script', 'redis://127.0.0.1:1')).toEqual({ code: 0, output: 'loaded again' });
  }, 30_000);
});
