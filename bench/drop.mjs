// `npm run bench -- drop [entries]`: what it takes to drop a partition of a hundredth of the entries in Redis, beside SCAN and UNLINK of
// the keys of another one.
import { Redis } from 'ioredis';
import { ArgsKeyField, CACHE_MISSING, KeyConstructor } from '../dist/esm/index.js';
import { redisStore } from '../dist/esm/redis.js';
import { cachedService } from './application.mjs';
import { aim, publish, row } from './rig/results.mjs';
import { numbers, withRedis } from './rig/run.mjs';

const [entries] = numbers(1_000_000);
const TENANTS = 100;
const ROUNDS = 7;
/** Entries of a partition that are looked for before and after it is dropped. */
const SAMPLED = 100;

class TenantKey extends KeyConstructor {
  static meta = { namespace: 'many' };
  tenant = new ArgsKeyField('tenant', { partition: true });
  user = new ArgsKeyField('user');
}

await withRedis(async (url) => {
  const redis = new Redis(url);
  // With a grace, what was stored within the first minute of a Redis is dropped once.
  const app = await cachedService(
    { read: { keyConstructor: TenantKey } },
    (tenant, user) => ({ tenant, user }),
    { store: redisStore({ url, failoverGrace: false, timeout: 10_000 }) },
  );
  await fill(app.service);
  const drops = { ours: [], scan: [] };
  for (let round = 0; round < ROUNDS; round++) {
    const before = await counted(app, round);
    drops.ours.push(await timeOf(() => app.of('read').deletePartition({ tenant: round })));
    const after = await counted(app, round);
    if (before !== SAMPLED || after !== 0)
      throw new Error(`${before} of ${SAMPLED} entries were there before the drop, and ${after} after it`);
    drops.scan.push(await timeOf(() => scanAndUnlink(redis, patternOf(app, round + ROUNDS))));
  }
  await app.close();
  redis.disconnect();
  const rows = [row('deletePartition({ tenant })', drops.ours), row('SCAN and UNLINK', drops.scan)];
  await publish({
    name: 'drop',
    title: `Dropping a partition of ${entries / TENANTS} among ${entries.toLocaleString('en')} entries in Redis`,
    tables: [{ title: 'one partition', rows }],
    aims: [
      aim({
        what: `a partition among ${entries.toLocaleString('en')} dropped, against SCAN and UNLINK`,
        of: rows[0],
        over: rows[1],
        figure: 'time',
        ...(entries >= 1_000_000 && { atLeast: 1_000 }),
      }),
    ],
  });
});

async function fill(service) {
  let next = 0;
  const lane = async () => {
    for (let user = next++; user < entries; user = next++) await service.read(user % TENANTS, user);
  };
  await Promise.all(Array.from({ length: 64 }, lane));
}

async function timeOf(body) {
  const began = performance.now();
  await body();
  return { time: (performance.now() - began) * 1000 };
}

/** How many of the first entries of a tenant are cached. */
async function counted({ of }, tenant) {
  const found = await Promise.all(
    Array.from({ length: SAMPLED }, (_, i) => of('read').getCacheOnly(tenant, tenant + i * TENANTS)),
  );
  return found.filter((value) => value !== CACHE_MISSING).length;
}

/** The keys of a tenant, for SCAN: what a cache without generations looks for. */
function patternOf({ of }, tenant) {
  const [start, end] = of('read')
    .getCacheKey(tenant, 424_242)
    .split('424242')
    .map((part) => part.replace(/[\\*?[\]^-]/g, '\\$&'));
  return `${start}*${end}`;
}

async function scanAndUnlink(redis, pattern) {
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
    cursor = next;
    if (found.length > 0) await redis.unlink(...found);
  } while (cursor !== '0');
}
