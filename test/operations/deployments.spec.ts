import { Injectable } from '@nestjs/common';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/common/time.js';
import {
  ArgsKeyField,
  CacheResult,
  KeyConstructor,
  memoryStore,
  type RestflowCacheOptions,
  tieredStore,
} from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { reapProcesses, RedisProcess } from '../fleet/support/redis-process.js';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';

/** Stands for the database. */
let stock = 0;

class ByShelf extends KeyConstructor {
  shelf = new ArgsKeyField('shelf', { partition: true });
}

@Injectable()
class Shop {
  loads = 0;

  @CacheResult({ ttl: 60, keyConstructor: ByShelf, name: 'Shop.find' })
  async find(shelf: number): Promise<string> {
    this.loads++;
    return `shelf ${shelf}: ${stock}`;
  }
}

let redis: RedisProcess;
const running: TestApplication[] = [];

beforeAll(async () => {
  redis = await RedisProcess.start();
});

afterAll(async () => {
  for (const app of running) await app.close();
  await redis.stop();
  await reapProcesses();
});

async function deploy(options: RestflowCacheOptions): Promise<TestApplication> {
  const l2 = redisStore({ url: redis.url, timeout: 2_000 });
  const store = tieredStore({ l1: memoryStore(), l2, consistency: 'validate' });
  const app = await TestApplication.start([Shop], {
    store,
    clock: systemClock,
    application: 'shop',
    version: '1',
    ...options,
  });
  running.push(app);
  return app;
}

const find = (app: TestApplication): Promise<string> => app.get(Shop).find(1);
const sell = async (app: TestApplication): Promise<void> => {
  stock++;
  expect(await app.cache.for(Shop, 'find').deletePartition({ shelf: 1 })).toBe('delivered');
};

it('three versions at once read entries of their own, and invalidate those of all', async () => {
  const apps = [
    await deploy({ namespace: 'versions', version: '1' }),
    await deploy({ namespace: 'versions', version: '2' }),
    await deploy({ namespace: 'versions', version: '3' }),
  ];
  for (const writer of apps) {
    for (const app of apps) expect([await find(app), await find(app)]).toEqual([now(), now()]);
    await sell(writer);
    for (const app of apps) expect(await find(app)).toBe(now());
  }
  // One load each at first, and one after each change: nothing was read from another version.
  for (const app of apps) expect(app.get(Shop).loads).toBe(1 + apps.length);
});

it('processes of one version share their entries, and a second application has its own', async () => {
  const [one, other] = [await deploy({ namespace: 'shared' }), await deploy({ namespace: 'shared' })];
  const second = await deploy({ namespace: 'shared', application: 'shop-admin' });
  expect([await find(one), await find(other), await find(second)]).toEqual([now(), now(), now()]);
  expect([one, other, second].map((app) => app.get(Shop).loads)).toEqual([1, 0, 1]);
  await sell(second);
  expect([await find(one), await find(other)]).toEqual([now(), now()]);
});

it('a build with another namespace hears nothing of the others, as the page says', async () => {
  const [old, next] = [await deploy({ namespace: 'old' }), await deploy({ namespace: 'next' })];
  await find(old);
  const before = await find(next);
  await sell(old);
  expect(await find(old)).toBe(now());
  expect(await find(next)).toBe(before);
  expect(before).not.toBe(now());
});

it('a password is rotated without an outage: added, deployed, and then the old one removed', async () => {
  const user = (...rules: string[]): Promise<unknown> => redis.command('ACL', 'SETUSER', 'shop', ...rules);
  const url = (password: string): string => `redis://shop:${password}@127.0.0.1:${redis.port}`;
  await user('on', '>first', '~*', '&*', '+@all');
  const old = await deploy({
    namespace: 'password',
    store: redisStore({ url: url('first'), timeout: 2_000 }),
  });
  await find(old);
  await user('>second');
  const next = await deploy({
    namespace: 'password',
    store: redisStore({ url: url('second'), timeout: 2_000 }),
  });
  await user('<first');
  await sell(old);
  expect([await find(next), await find(old)]).toEqual([now(), now()]);
  // Nest has one logger for all applications: that of the last.
  const { warnings } = next.log;
  expect(warnings).toEqual([]);
  // A process that was not deployed shows at its next connection, and is not stale meanwhile.
  await redis.command('CLIENT', 'KILL', 'USER', 'shop');
  await until(() => warnings.length > 0, 'a line that says so', { seconds: 20 });
  expect(warnings.filter((line) => / is down: /.test(line))).toEqual([
    expect.stringMatching(/refuses the user name or the password/),
  ]);
  expect(JSON.stringify([warnings, next.log.errors])).not.toMatch(/first|second/);
  await until(async () => (await find(next), next.cache.health().status === 'up'), 'the deployed one', {
    seconds: 20,
  });
  stock++;
  await next.cache.for(Shop, 'find').deletePartition({ shelf: 1 });
  expect([await find(next), await find(old)]).toEqual([now(), now()]);
}, 60_000);

const now = (): string => `shelf 1: ${stock}`;
