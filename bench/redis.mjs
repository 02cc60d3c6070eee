// `npm run bench -- redis [rounds] [full]`: what a hit in Redis costs without memory before it, with two partition fields
// and a 20-item object, 64 calls at a time, beside a bare ioredis GET and the decoding of the same bytes, and beside
// bentocache with two tags; what it costs among 1,000 entries and among 100,000 (with `full`: 1,000,000); and what it costs
// to drop a partition of a hundredth of these, beside SCAN + UNLINK of another. Compare ratios, not figures.
import { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import { ArgsKeyField, CACHE_MISSING, KeyConstructor } from '../dist/esm/index.js';
import { redisStore } from '../dist/esm/redis.js';
import { startServers } from '../test/servers/start.mjs';
import { cachedService } from './application.mjs';
import { payload } from './http/payload.mjs';
import { loadPeers } from './peers.mjs';
import { interleaved, ratio, report } from './rounds.mjs';

const rounds = Number(process.argv[2] ?? 15);
const keys = process.argv.includes('full') ? 1_000_000 : 100_000;
/** A hundred partitions, so each holds a hundredth of the keys. */
const TENANTS = 100;
/** Entries of a partition that are looked for before and after it is dropped. */
const SAMPLED = 100;
const concurrency = 64;
/** What stands before the packed head of an entry: version, compression, length of the head. */
const PREFIX_BYTES = 6;

class TenantKey extends KeyConstructor {
  static meta = { namespace: 'many' };
  tenant = new ArgsKeyField('tenant', { partition: true });
  user = new ArgsKeyField('user');
}

const { BentoCache, bentostore, redisDriver } = await loadPeers();
const servers = await startServers(['redis']);
try {
  await measure(servers.environment.TEST_REDIS_URL);
} finally {
  await servers.stop();
}

async function measure(url) {
  const redis = new Redis(url);
  const restflow = await cachedService({ read: {} }, (tenant, user) => ({ tenant, user, ...payload }), {
    store: redisStore({ url }),
  });
  const { hostname: host, port } = new URL(url);
  const bento = new BentoCache({
    default: 'redis',
    stores: { redis: bentostore().useL2Layer(redisDriver({ connection: { host, port: Number(port) } })) },
  });

  await restflow.service.read(1, 42);
  await restflow.service.read(1, 42);
  const key = restflow.of('read').getCacheKey(1, 42);
  const packr = new Packr({ structuredClone: true, moreTypes: true, useRecords: true });
  const names = {
    bare: 'ioredis GET + decode',
    restflow: '@CacheResult over redisStore',
    bento: 'bentocache getOrSet over Redis, two tags',
  };
  const times = await interleaved(
    {
      [names.bare]: {
        calls: 4_000,
        concurrency,
        run: async () => {
          const bytes = await redis.getBuffer(key);
          return packr.unpack(bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + bytes.readUInt32BE(2)));
        },
      },
      [names.restflow]: { calls: 4_000, concurrency, run: () => restflow.service.read(1, 42) },
      [names.bento]: {
        calls: 2_000,
        concurrency,
        run: () =>
          bento.getOrSet({
            key: 'tenant=1&user=42',
            tags: ['tenant:1', 'user:42'],
            ttl: '1d',
            factory: () => ({ tenant: 1, user: 42, ...payload }),
          }),
      },
    },
    rounds,
  );
  console.log('A hit in Redis, two partition fields, 20 items, 64 at a time (npm run bench -- redis):');
  report(times);
  console.log(`ours costs ${ratio(times, names.restflow, names.bare)} bare GETs (at most 1.5 wanted)`);
  console.log(`bentocache costs ${ratio(times, names.bento, names.bare)} bare GETs`);

  await measureAmongMany(redis, url);
  await restflow.close();
  await bento.disconnectAll();
  redis.disconnect();
}

/** What a hit costs among few entries and among many, and what it costs to drop a partition of the many. */
async function measureAmongMany(redis, url) {
  const apps = [];
  const fill = async (count) => {
    const app = await cachedService(
      { read: { keyConstructor: TenantKey } },
      (tenant, user) => ({ tenant, user }),
      { store: redisStore({ url }), namespace: `of-${count}` },
    );
    apps.push(app);
    let next = 0;
    const lane = async () => {
      for (let user = next++; user < count; user = next++) await app.service.read(user % TENANTS, user);
    };
    await Promise.all(Array.from({ length: 256 }, lane));
    const any = () => Math.floor(Math.random() * count);
    const run = () => {
      const user = any();
      return app.service.read(user % TENANTS, user);
    };
    const bare = () => {
      const user = any();
      return redis.getBuffer(app.of('read').getCacheKey(user % TENANTS, user));
    };
    return { app, hit: { calls: 4_000, concurrency, run }, get: { calls: 4_000, concurrency, run: bare } };
  };
  const [few, many] = [`${(1_000).toLocaleString('en')} entries`, `${keys.toLocaleString('en')} entries`];
  const ofFew = await fill(1_000);
  const { app, ...ofMany } = await fill(keys);
  const get = ', bare GET';
  console.log('\nA hit in Redis among so many entries, keys at random, 64 at a time:');
  const times = await interleaved(
    { [few]: ofFew.hit, [many]: ofMany.hit, [few + get]: ofFew.get, [many + get]: ofMany.get },
    rounds,
  );
  report(times);
  for (const which of ['', get])
    console.log(
      `${many + which}: ${ratio(times, many + which, few + which)} times what it costs among 1,000`,
    );

  const partition = keys / TENANTS;
  console.log(
    `\nDropping a partition of ${partition.toLocaleString('en')} among these ${keys.toLocaleString('en')}:`,
  );
  const drops = { partition: [], scan: [] };
  for (let round = 0; round < 5; round++) {
    const before = await counted(app, round);
    let began = performance.now();
    await app.of('read').deletePartition({ tenant: round });
    drops.partition.push((performance.now() - began) * 1000);
    const after = await counted(app, round);
    if (before !== SAMPLED || after !== 0)
      throw new Error(
        `${before} of ${SAMPLED} entries were there before their partition was dropped, ${after} after.`,
      );
    began = performance.now();
    await scanAndUnlink(redis, patternOf(app, round + 10));
    drops.scan.push((performance.now() - began) * 1000);
  }
  report({ 'deletePartition({ tenant })': drops.partition, 'SCAN + UNLINK': drops.scan });
  console.log(
    `SCAN + UNLINK takes ${ratio(drops, 'scan', 'partition')} times as long (1,000 wanted in full)`,
  );
  for (const one of apps) await one.close();
}

/** How many of the first entries of a tenant are cached. */
async function counted(app, tenant) {
  const read = app.of('read');
  const found = await Promise.all(
    Array.from({ length: SAMPLED }, (_, i) => read.getCacheOnly(tenant, tenant + i * TENANTS)),
  );
  return found.filter((value) => value !== CACHE_MISSING).length;
}

/** The keys of a tenant, for SCAN: what another library would look for. */
function patternOf(app, tenant) {
  const [start, end] = app
    .of('read')
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
