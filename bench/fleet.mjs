// `npm run bench -- fleet [seconds per measurement] [rounds]`: four processes on one Redis, memory over Redis, 1,000 keys, one write for
// twenty requests, beside one process.
import { cpus } from 'node:os';
import { Process } from './rig/processes.mjs';
import { aim, limit, publish, row } from './rig/results.mjs';
import { numbers, withRedis } from './rig/run.mjs';

const [seconds, rounds] = numbers(1.5, 7);
const CONNECTIONS = 32;
const here = (path) => new URL(path, import.meta.url);

async function startFleet(size, redis) {
  const workers = [];
  const loads = [];
  for (let i = 0; i < size; i++) {
    workers.push(await Process.start(here('./fleet/worker.mjs'), { redis, namespace: `fleet-${size}` }));
    loads.push(await Process.start(here('./rig/load.mjs')));
  }
  return { size, workers, loads };
}

/** One round: all processes of a fleet under load at a time. */
async function measure({ size, workers, loads }, time = seconds) {
  // One host, as behind a load balancer: keys hold it, with its port.
  const order = { path: '/items/{k}', host: 'fleet.test', connections: CONNECTIONS / size, seconds: time };
  const ask = () => Promise.all(workers.map((worker) => worker.ask({})));
  const before = await ask();
  const answers = await Promise.all(
    loads.map((load, i) => load.ask({ ...order, port: workers[i].ready.port })),
  );
  const after = await ask();
  const sum = (list) => list.reduce((total, one) => total + one, 0);
  const requests = sum(answers.map((one) => one.answers));
  const spent = after.map(({ cpu }, i) => cpu.user + cpu.system - before[i].cpu.user - before[i].cpu.system);
  return {
    cpu: sum(spent) / requests,
    rate: sum(answers.map((one) => one.rate)),
    hits: 100 * (1 - sum(after.map(({ runs }, i) => runs - before[i].runs)) / requests),
    writes: (100 * sum(after.map(({ writes }, i) => writes - before[i].writes))) / requests,
  };
}

await withRedis(async (redis) => {
  const one = await startFleet(1, redis);
  const four = await startFleet(4, redis);
  const results = [[], []];
  // All code is hot, and most keys are cached, after some thousand requests to each process.
  for (const fleet of [one, four])
    for (let rounds = 0, served = 0; served < 8_000 * fleet.size && rounds < 30; rounds++)
      served += (await measure(fleet, 1)).rate;
  for (let round = 0; round < rounds; round++)
    for (const [at, fleet] of round % 2 === 0 ? [one, four].entries() : [...[one, four].entries()].reverse())
      results[at].push(await measure(fleet));
  for (const { workers, loads } of [one, four]) for (const process of [...workers, ...loads]) process.stop();

  const rows = [row('one process', results[0]), row('four processes', results[1])];
  await publish({
    name: 'fleet',
    title: 'A fleet: memory over one Redis, 1,000 keys, 5 % writes',
    tables: [
      {
        title: `${CONNECTIONS} connections in all`,
        rows,
        note: `throughput says nothing of fleets here: the machine has ${cpus().length} cores`,
      },
    ],
    aims: [
      limit({ what: 'hits of four processes, %', of: rows[1], figure: 'hits', atLeast: 90 }),
      aim({ what: 'CPU for a request, four processes to one', of: rows[1], over: rows[0], atMost: 1.1 }),
    ],
  });
});
