// `npm run bench -- redis [rounds] [processes]`: a hit in Redis without memory before it, with two partition fields, 64 calls at a time,
// beside a bare GET of the same bytes with the same decoder and beside other caches with two tags.
import { aim, publish } from './rig/results.mjs';
import { finder, libraryRows, numbers, withRedis } from './rig/run.mjs';

const [rounds, generations] = numbers(3, 4);
const titles = {
  'bare GET': 'ioredis GET and decode',
  restflow: '@CacheResult on redisStore',
  'bentocache, two tags, on Redis': 'bentocache, two tags',
  'cache-manager wrap, on Redis': 'cache-manager wrap, no tags',
};
await withRedis(async (redis) => {
  const subjects = Object.entries(titles).map(([name, title]) => ({ title, name, redis, concurrency: 64 }));
  const rows = await libraryRows(subjects, { rounds, generations });
  const find = finder(rows);
  const hit = find(titles.restflow);
  await publish({
    name: 'redis',
    title: 'A hit in Redis of a cached method',
    tables: [{ title: '20 items, 3 KB, 64 at a time', first: titles['bare GET'], rows }],
    aims: [
      aim({ what: 'CPU, in bare GETs', of: hit, over: find(titles['bare GET']), atMost: 1.2 }),
      aim({ what: 'against bentocache with two tags', of: hit, over: find('bentocache, two tags') }),
      aim({ what: 'against cache-manager wrap', of: hit, over: find('cache-manager wrap, no tags') }),
    ],
  });
});
