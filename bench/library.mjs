// `npm run bench -- library [rounds] [processes]`: a hit in memory of @CacheResult, with two partition fields, beside other caches and
// beside structuredClone. Each is a process of its own that calls over and over.
import { aim, publish } from './rig/results.mjs';
import { finder, libraryRows, numbers } from './rig/run.mjs';

const [rounds, generations] = numbers(3, 5);

const peers = [
  'lru-cache',
  'async-cache-dedupe',
  'cache-manager wrap',
  'cachified',
  'bentocache',
  'bentocache, two tags',
  'cacheable',
];
const subjects = [
  { title: "@CacheResult, isolation 'freeze'", name: 'restflow', isolation: 'freeze' },
  { title: "@CacheResult, isolation 'clone'", name: 'restflow', isolation: 'clone' },
  ...peers.map((name) => ({ title: name === 'lru-cache' ? 'lru-cache get' : name, name })),
  { title: "'clone', 2 KB with Dates", name: 'restflow', isolation: 'clone', value: 'dated' },
  { title: 'structuredClone, 2 KB with Dates', name: 'structuredClone', value: 'dated' },
  { title: "'clone', 2 KB of flat JSON", name: 'restflow', isolation: 'clone', value: 'flat' },
  { title: 'structuredClone, 2 KB of flat JSON', name: 'structuredClone', value: 'flat' },
];

const rows = await libraryRows(subjects, { rounds, generations });
const find = finder(rows);
const frozen = find("@CacheResult, isolation 'freeze'");
await publish({
  name: 'library',
  title: 'A hit in memory of a cached method',
  tables: [
    { title: 'an object of 20 items, 3 KB as JSON', first: 'lru-cache get', rows: rows.slice(0, -4) },
    { title: 'a copy', rows: rows.slice(-4) },
  ],
  aims: [
    aim({ what: "'freeze', in lru-cache gets", of: frozen, over: find('lru-cache get'), atMost: 3 }),
    aim({
      what: "'clone' against structuredClone, 2 KB with Dates",
      of: find("'clone', 2 KB with Dates"),
      over: find('structuredClone, 2 KB with Dates'),
      atLeast: 4,
    }),
    aim({
      what: "'clone' against structuredClone, flat JSON",
      of: find("'clone', 2 KB of flat JSON"),
      over: find('structuredClone, 2 KB of flat JSON'),
    }),
    aim({ what: "'freeze' against bentocache", of: frozen, over: find('bentocache') }),
    aim({ what: "'freeze' against cache-manager wrap", of: frozen, over: find('cache-manager wrap') }),
  ],
});
