// `npm run bench -- http [seconds per measurement] [rounds] [processes]`: a hit on a handler that returns a constant 3 KB
// object, against the same handler bare and under CacheInterceptor of @nestjs/cache-manager, on Express and Fastify.
//
// `limit` is an interceptor that only writes stored bytes: the most that an interceptor can gain.
//
// Each variant is a Nest application in a process of its own, and so is the load. Rounds are interleaved, in an order
// that turns, so that what else the machine does falls on all variants alike; and since processes of one build differ by a
// fifth, each variant has several, one after the other. Compare ratios, not figures: of requests per second, and of the
// processor time that the server takes for one, which tells more where the machine is shared or the load keeps the server
// waiting.
import { fork } from 'node:child_process';
import { table } from './http/table.mjs';

const [seconds = 0.6, rounds = 3, processes = 3] = process.argv.slice(2).map(Number);
const platforms = ['express', 'fastify'];
const variants = ['bare', 'CacheInterceptor', 'restflow', 'limit'];
const subjects = platforms.flatMap((platform) =>
  variants.map((variant) => ({ platform, variant, rounds: [] })),
);

const load = await start('load.mjs');
try {
  for (let generation = 0; generation < processes; generation++) await measureAll();
} finally {
  load.child.kill();
}
for (const platform of platforms)
  console.log(
    table(
      platform,
      subjects.filter((subject) => subject.platform === platform),
    ),
  );

/** A process for each variant, and all rounds of them. */
async function measureAll() {
  const servers = [];
  try {
    for (const { platform, variant } of subjects) servers.push(await start('server.mjs', platform, variant));
    for (const server of servers) await measure(server, 1);
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < servers.length; turn++) {
        const at = (turn + round) % servers.length;
        subjects[at].rounds.push(await measure(servers[at], seconds));
      }
    }
  } finally {
    for (const { child } of servers) child.kill();
  }
}

function start(file, ...args) {
  const child = fork(new URL(`./http/${file}`, import.meta.url), args, { execArgv: [] });
  return new Promise((resolve, reject) => {
    child.once('message', (ready) => resolve({ child, ready }));
    child.once('exit', (code) =>
      reject(new Error(`bench/http/${file} ${args.join(' ')} ended with code ${code}`)),
    );
  });
}

/** Requests per second, and the processor time that the server's process took for one. */
async function measure({ ready, child }, time) {
  const before = await ask(child, {});
  const { rate, answers, error } = await ask(load.child, { port: ready.port, seconds: time });
  if (error !== undefined) throw new Error(error);
  const after = await ask(child, {});
  const spent = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
  return { rate, cpu: spent / answers };
}

function ask(child, message) {
  return new Promise((resolve) => {
    child.once('message', resolve);
    child.send(message);
  });
}
