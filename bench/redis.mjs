// `npm run bench -- redis [rounds] [full]`: what a hit in Redis costs without memory before it, with two partition fields
// and a 20-item object, 64 calls at a time, beside a bare ioredis GET and the decoding of the same bytes, and beside
// bentocache with two tags; and what it costs to drop a partition of 1,000 among 100,000 keys (with `full`: 10,000 among
// 1,000,000), beside SCAN + UNLINK. Compare ratios, not figures.
import { Redis } from 'ioredis';
import { Packr } from 'msgpackr';
import { redisStore } from '../dist/esm/redis.js';
import { startServers } from '../test/servers/start.mjs';
import { cachedService } from './application.mjs';
import { payload } from './http/payload.mjs';
import { loadPeers } from './peers.mjs';
import { interleaved, ratio, report } from './rounds.mjs';

const rounds = Number(process.argv[2] ?? 15);
const keys = process.argv.includes('full') ? 1_000_000 : 100_000;
const partition = keys / 100;
const concurrency = 64;
/** What stands before the packed head of an entry: version, compression, length of the head. */
const PREFIX_BYTES = 6;

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

  console.log(`\nDropping a partition of ${partition} among ${keys.toLocaleString('en')} keys:`);
  for (let at = 0; at < keys; at += 10_000) {
    const pipeline = redis.pipeline();
    for (let i = at; i < at + 10_000; i++)
      pipeline.set(`many:tenant=${Math.floor(i / partition)}:user=${i}`, '1');
    await pipeline.exec();
  }
  await restflow.service.read(7, 1);
  const drops = { partition: [], scan: [] };
  const perRound = 200;
  for (let round = 0; round < 5; round++) {
    let began = performance.now();
    for (let i = 0; i < perRound; i++) await restflow.of('read').deletePartition({ tenant: 7 });
    drops.partition.push(((performance.now() - began) * 1000) / perRound);
    began = performance.now();
    await scanAndUnlink(redis, `many:tenant=${round}:*`);
    drops.scan.push((performance.now() - began) * 1000);
  }
  report({ 'deletePartition({ tenant })': drops.partition, 'SCAN + UNLINK': drops.scan });
  console.log(
    `SCAN + UNLINK takes ${ratio(drops, 'scan', 'partition')} times as long (1,000 wanted in full)`,
  );
  await restflow.close();
  await bento.disconnectAll();
  redis.disconnect();
}

async function scanAndUnlink(redis, pattern) {
  let cursor = '0';
  do {
    const [next, found] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
    cursor = next;
    if (found.length > 0) await redis.unlink(...found);
  } while (cursor !== '0');
}
