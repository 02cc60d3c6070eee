// `npm run bench -- http-redis [seconds per measurement] [rounds] [processes]`: hits over HTTP where the entries are in Redis, with and
// without memory before it, beside a hit in memory and CacheInterceptor on the same Redis.
import { aim, publish } from './rig/results.mjs';
import { finder, numbers, withRedis } from './rig/run.mjs';
import { serverRows } from './http/table-of.mjs';

const [seconds, rounds, generations] = numbers(0.5, 3, 3);
const titles = { express: 'Express', fastify: 'Fastify' };
const subjects = Object.entries(titles).flatMap(([platform, title]) =>
  ['restflow', 'restflow, tiered', 'restflow on Redis', 'CacheInterceptor on Redis'].map((variant) => ({
    platform,
    variant,
    cached: true,
    name: `${title}, ${variant === 'restflow' ? 'restflow in memory' : variant}`,
  })),
);

await withRedis(async (redis) => {
  const rows = await serverRows(subjects, { seconds, rounds, generations, redis });
  const find = finder(rows);
  const aims = Object.values(titles).flatMap((title) => {
    const [memory, tiered, alone, peer] = [
      'restflow in memory',
      'restflow, tiered',
      'restflow on Redis',
      'CacheInterceptor on Redis',
    ].map((name) => find(`${title}, ${name}`));
    return [
      aim({ what: `tiered, ${title}, against the memory hit`, of: tiered, over: memory, atLeast: 0.95 }),
      aim({
        what: `tiered, ${title}, against CacheInterceptor on Redis`,
        of: tiered,
        over: peer,
        atLeast: 3,
      }),
      aim({ what: `Redis alone, ${title}, against the memory hit`, of: alone, over: memory, atLeast: 0.6 }),
      aim({
        what: `Redis alone, ${title}, against CacheInterceptor on Redis`,
        of: alone,
        over: peer,
        atLeast: 1.5,
      }),
    ];
  });
  await publish({
    name: 'http-redis',
    title: 'HTTP: a hit in Redis',
    tables: [{ title: '32 connections', rows }],
    aims,
  });
});
