// `npm run bench -- http [seconds per measurement] [rounds]`: a hit on a handler that returns a constant 3 KB object,
// against the same handler bare and under CacheInterceptor of @nestjs/cache-manager, on Express and Fastify.
//
// `limit` is an interceptor that only writes stored bytes: what is left to gain.
//
// Each variant is a Nest application in a process of its own, and so is the load. Rounds are interleaved, in an order
// that turns, so that what else the machine does falls on all variants alike. Compare ratios, not figures: of requests per
// second, and, where the machine is shared, of the processor time that the server takes for one.
import { fork } from 'node:child_process';
import { table } from './http/table.mjs';

const [seconds = 0.9, rounds = 8] = process.argv.slice(2).map(Number);
const platforms = ['express', 'fastify'];
const variants = ['bare', 'CacheInterceptor', 'restflow', 'limit'];

const load = await start('load.mjs');
const servers = [];
for (const platform of platforms) {
  for (const variant of variants) {
    const server = await start('server.mjs', platform, variant);
    servers.push({ platform, variant, port: server.ready.port, child: server.child, rounds: [] });
  }
}

try {
  for (const server of servers) await measure(server, 1.5);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < servers.length; turn++) {
      const server = servers[(turn + round) % servers.length];
      server.rounds.push(await measure(server, seconds));
    }
  }
} finally {
  for (const { child } of [load, ...servers]) child.kill();
}
for (const platform of platforms)
  console.log(
    table(
      platform,
      servers.filter((server) => server.platform === platform),
    ),
  );

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
async function measure({ port, child }, time) {
  const before = await ask(child, {});
  const { rate, answers, error } = await ask(load.child, { port, seconds: time });
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
