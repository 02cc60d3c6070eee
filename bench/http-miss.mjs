// `npm run bench -- http-miss [seconds per measurement] [rounds] [processes]`: what a miss adds to a request: key, watch, recording and
// storing. Each request has a query of its own, so every one runs the handler and is stored.
import { aim, publish, row } from './rig/results.mjs';
import { finder, numbers } from './rig/run.mjs';
import { serverRows } from './http/table-of.mjs';

const [seconds, rounds, generations] = numbers(0.5, 3, 3);
const order = { path: '/payload?page={n}' };
const wanted = { express: 1.15, fastify: 1.3 };
const titles = { express: 'Express', fastify: 'Fastify' };
const subjects = Object.keys(titles).flatMap((platform) =>
  ['bare', 'restflow'].map((variant) => ({
    platform,
    variant,
    order,
    name: `${titles[platform]}, ${variant === 'bare' ? 'the handler alone' : 'a miss'}`,
  })),
);
const rows = await serverRows(subjects, { seconds, rounds, generations });
const find = finder(rows);
const aims = [];
const added = [];
for (const [platform, title] of Object.entries(titles)) {
  const [bare, miss] = ['the handler alone', 'a miss'].map((name) => find(`${title}, ${name}`));
  aims.push(
    aim({ what: `a miss, ${title}, against the handler`, of: miss, over: bare, atMost: wanted[platform] }),
  );
  added.push(
    row(
      `${title}, what a miss adds`,
      miss.rounds.map(({ cpu }, at) => ({ cpu: cpu - bare.rounds[at].cpu })),
    ),
  );
}
await publish({
  name: 'http-miss',
  title: 'HTTP: a miss',
  tables: [{ title: 'every request another URL', rows: [...rows, ...added] }],
  aims,
});
