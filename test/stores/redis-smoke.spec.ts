import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Keyv } from 'keyv';
import { createCache } from 'cache-manager';
import { cacheManagerStore, memoryStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { keyedCall } from '../../lib/cache/keyed-target.js';
import { systemClock } from '../../lib/cache/clock.js';
import { OnceLog } from '../../lib/observability/once-log.js';
import { tieredStore } from '../../lib/stores/tiered-store.js';
import type { CacheStore } from '../../lib/stores/index.js';

const url = process.env.TEST_REDIS_URL!;
const runtimes: CacheRuntime[] = [];
const ns = `t${randomUUID().slice(0, 8)}`;
function runtime(store: CacheStore): CacheRuntime {
  const r = new CacheRuntime({ namespace: ns, version: undefined, ttl: 60_000, enabled: true, keyHashAlgorithm: 'sha256', maxKeySuffixLength: 250, stores: new Map([['default', store]]), clock: systemClock, log: new OnceLog() });
  runtimes.push(r);
  return r;
}
const get = async (r: CacheRuntime, key: string, loader: () => unknown) => {
  const call = keyedCall(r, key, { tags: ['x'] }, loader);
  const value = await r.engine.fetch(call);
  return [value, call.status];
};
beforeAll(async () => { await new Promise((r) => setTimeout(r, 10)); });
afterAll(async () => { for (const r of runtimes) for (const s of r.settings.stores.values()) await s.close?.(); });

const shared = new Keyv();
it.each(['redis', 'bus', 'validate', 'keyv', 'cache-manager'])('%s', async (kind) => {
  const make = () => kind === 'redis' ? redisStore({ url }) : kind === 'keyv' ? cacheManagerStore(shared) : kind === 'cache-manager' ? cacheManagerStore(createCache({ stores: [shared] })) : tieredStore({ l1: memoryStore(), l2: redisStore({ url }), consistency: kind as 'bus' });
  const [a, b] = [runtime(make()), runtime(make())];
  await new Promise((r) => setTimeout(r, 300));
  const v = { d: new Date(5), n: -0, m: new Map([[1, { a: 2n }]]) };
  expect(await get(a, kind, () => v)).toEqual([v, 'MISS']);
  expect(await get(a, kind, () => 2)).toEqual([v, 'HIT']);
  expect(await get(b, kind, () => 2)).toEqual([v, 'HIT']);
  expect(await get(b, kind, () => 2)).toEqual([v, 'HIT']);
  await a.bump([a.space.userTag('x')], 'purge');
  expect(await get(a, kind, () => 3)).toEqual([3, 'MISS']);
  await new Promise((r) => setTimeout(r, 50));
  expect(await get(b, kind, () => 4)).toEqual([3, 'HIT']);
});
