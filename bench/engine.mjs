// `npm run bench -- engine [rounds] [full]`: what a hit in memory costs, with two partition fields and a 20-item object,
// beside an awaited get of lru-cache and bentocache's getOrSet with two tags; and what it costs among 1,000 entries and
// among 100,000 (with `full`: 1,000,000). Compare ratios, not figures.
import { LRUCache } from 'lru-cache';
import { memoryStore } from '../dist/esm/index.js';
import { cachedService } from './application.mjs';
import { payload } from './http/payload.mjs';
import { loadPeers } from './peers.mjs';
import { interleaved, ratio, report } from './rounds.mjs';

const rounds = Number(process.argv[2] ?? 15);
const sizes = [1_000, 10_000, 100_000, ...(process.argv.includes('full') ? [1_000_000] : [])];

const { BentoCache, bentostore, memoryDriver } = await loadPeers();
const restflow = await cachedService(
  { frozen: { isolation: 'freeze' }, cloned: { isolation: 'clone' } },
  (tenant, user) => ({ tenant, user, ...payload }),
);
const bento = new BentoCache({
  default: 'references',
  stores: {
    references: bentostore().useL1Layer(memoryDriver({ maxItems: 1000, serialize: false })),
    serializing: bentostore().useL1Layer(memoryDriver({ maxItems: 1000 })),
  },
});
const getOrSet = (store) => () =>
  bento.use(store).getOrSet({
    key: 'tenant=1&user=42',
    tags: ['tenant:1', 'user:42'],
    ttl: '1d',
    factory: () => ({ tenant: 1, user: 42, ...payload }),
  });
const lru = new LRUCache({ max: 1000 });
lru.set('tenant=1&user=42', { tenant: 1, user: 42, ...payload });

const names = {
  lru: 'lru-cache get',
  frozen: "@CacheResult, isolation 'freeze'",
  cloned: "@CacheResult, isolation 'clone'",
  references: 'bentocache getOrSet, two tags, references',
  serializing: 'bentocache getOrSet, two tags, serializing',
};
const times = await interleaved(
  {
    [names.lru]: { calls: 50_000, run: () => lru.get('tenant=1&user=42') },
    [names.frozen]: { calls: 20_000, run: () => restflow.service.frozen(1, 42) },
    [names.cloned]: { calls: 5_000, run: () => restflow.service.cloned(1, 42) },
    [names.references]: { calls: 5_000, run: getOrSet('references') },
    [names.serializing]: { calls: 2_000, run: getOrSet('serializing') },
  },
  rounds,
);
await restflow.close();
await bento.disconnectAll();

console.log('A hit in memory, two partition fields, 20 items (npm run bench -- engine):');
report(times);
console.log(
  `freeze is ${ratio(times, names.references, names.frozen)} times faster than bentocache (4 wanted)`,
);
console.log(`freeze costs ${ratio(times, names.frozen, names.lru)} lru-cache gets (at most 15 wanted)`);
console.log(
  `clone is ${ratio(times, names.serializing, names.cloned)} times faster than bentocache serializing (2 wanted)`,
);

console.log(
  '\nA hit among so many entries: of 1,000 that are asked for again and again, and of all of them at random, ' +
    'where what is far away in memory is waited for, beside lru-cache, which waits as well:',
);
const HOT = 1_000;
const among = {};
const labels = (size) => ({
  hot: `${size.toLocaleString('en')} entries, 1,000 of them asked for`,
  any: `${size.toLocaleString('en')} entries, any of them`,
  lru: `${size.toLocaleString('en')} entries, any of them, lru-cache get`,
});
const applications = [];
for (const size of sizes) {
  const store = memoryStore({ maxEntries: size, maxBytes: 64 * 1024 ** 3 });
  const application = await cachedService({ small: { isolation: 'freeze' } }, (_, user) => ({ user }), {
    store,
  });
  applications.push(application);
  const bare = new LRUCache({ max: size });
  for (let user = 0; user < size; user++) {
    await application.service.small(user % 100, user);
    bare.set(`${user % 100}:${user}`, { user });
  }
  const read = (user) => application.service.small(user % 100, user);
  for (let user = 0; user < size; user++) await read(user);
  const any = () => Math.floor(Math.random() * size);
  const hot = () => Math.floor(Math.random() * HOT) * (size / HOT);
  const { hot: ofHot, any: ofAny, lru: ofLru } = labels(size);
  among[ofHot] = { calls: 20_000, run: () => read(hot()) };
  among[ofAny] = { calls: 20_000, run: () => read(any()) };
  among[ofLru] = {
    calls: 20_000,
    run: () => {
      const user = any();
      return bare.get(`${user % 100}:${user}`);
    },
  };
}
const byCount = await interleaved(among, rounds);
report(byCount);
for (const size of sizes) {
  const { any, lru } = labels(size);
  console.log(`${any}: ${ratio(byCount, any, lru)} lru-cache gets among as many (flat wanted)`);
}
const [least, most] = [labels(sizes[0]), labels(sizes.at(-1))];
for (const which of Object.keys(least))
  console.log(`${most[which]}: ${ratio(byCount, most[which], least[which])} times what it costs among 1,000`);
for (const application of applications) await application.close();
