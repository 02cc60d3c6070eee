// `npm run bench -- engine [rounds] [full]`: what a hit in memory costs, with two partition fields and a 20-item object,
// beside an awaited get of lru-cache and bentocache's getOrSet with two tags; and that it costs the same among 1,000
// entries and 100,000 (with `full`: 1,000,000). Compare ratios, not figures.
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

console.log('\nA hit among so many entries, keys at random:');
const among = {};
const applications = [];
for (const size of sizes) {
  const store = memoryStore({ maxEntries: size, maxBytes: 64 * 1024 ** 3 });
  const application = await cachedService({ small: { isolation: 'freeze' } }, (_, user) => ({ user }), {
    store,
  });
  applications.push(application);
  for (let user = 0; user < size; user++) await application.service.small(user % 100, user);
  // What the memory of the machine costs: more entries are further away.
  const bare = new LRUCache({ max: size });
  for (let user = 0; user < size; user++) bare.set(`${user % 100}:${user}`, { user });
  const random = () => Math.floor(Math.random() * size);
  among[`${size.toLocaleString('en')} entries`] = {
    calls: 20_000,
    run: () => {
      const user = random();
      return application.service.small(user % 100, user);
    },
  };
  among[`${size.toLocaleString('en')} entries, lru-cache get`] = {
    calls: 20_000,
    run: () => {
      const user = random();
      return bare.get(`${user % 100}:${user}`);
    },
  };
}
const byCount = await interleaved(among, rounds);
report(byCount);
const [least, most] = [sizes[0], sizes.at(-1)].map((size) => `${size.toLocaleString('en')} entries`);
for (const whose of ['', ', lru-cache get'])
  console.log(`${most}${whose}: ${ratio(byCount, most + whose, least + whose)} times what ${least} cost`);
for (const application of applications) await application.close();
