import { provide } from '../../test/servers/provide.mjs';
import { createMachine } from '../../test/servers/machine.mjs';
import { createReaper } from '../../test/servers/reaper.mjs';
import { Process } from '../rig/processes.mjs';
import { cpuOf, nginx, workerOf } from './nginx.mjs';

const server = new URL('./server.mjs', import.meta.url);

/** Headers that node:http writes by itself. */
const OF_NODE = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);

/** Starts the server of a subject; for `raw` it repeats the answer of another subject that runs already. */
export async function startServer({ platform, variant, status, like }, { redis, started = [] } = {}) {
  if (platform !== 'raw') return Process.start(server, { platform, variant, redis });
  const { port } = started[like].ready;
  const response = await answerOf(port, status);
  return Process.start(server, { platform, status, ...response });
}

/** Head, as an array of names and values in turn, and body of a hit. */
async function answerOf(port, status = 200) {
  const url = `http://127.0.0.1:${port}/payload`;
  await (await fetch(url)).arrayBuffer();
  const first = await fetch(url);
  const body = Buffer.from(await first.arrayBuffer()).toString('base64');
  const response = status === 304 ? await fetch(url, { headers: conditions(first) }) : first;
  if (response.status !== status) throw new Error(`${url} answered ${response.status} in place of ${status}`);
  const head = [...response.headers].filter(([name]) => !OF_NODE.has(name)).flat();
  return { head, body };
}

const conditions = (response) => ({ 'If-None-Match': response.headers.get('etag') });

/** The header with which a client asks whether what it has is current. */
export async function conditionsOf(port) {
  const url = `http://127.0.0.1:${port}/payload`;
  const response = await fetch(url);
  await response.arrayBuffer();
  return conditions(response);
}

/** nginx before a bare application; `undefined`, and why, where it cannot be had. */
export async function startNginx() {
  const origin = await Process.start(server, { platform: 'express', variant: 'bare' });
  const reaper = createReaper();
  const stop = () => (origin.stop(), reaper.finish());
  try {
    if (process.platform !== 'linux') throw new Error('its processor time is read from /proc');
    const { port, pid } = workerOf(await provide(nginx(origin.ready.port), createMachine(reaper)));
    const ask = async () => ({ cpu: { user: cpuOf(pid), system: 0 }, runs: (await origin.ask({})).runs });
    return { ready: { port }, ask, stop };
  } catch (error) {
    await stop();
    return { missing: error.message.split('\n')[0] };
  }
}

/** One round: processor time a request, requests per second, and how often the handler ran. */
export async function measureServer(load, { ready, ask, one }, order) {
  const asked = one === undefined ? ask : (message) => one.ask(message);
  const before = await asked({});
  const { rate, answers } = await load.ask({ port: ready.port, ...order });
  const after = await asked({});
  const spent = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system;
  return { cpu: spent / answers, rate, ran: (after.runs - before.runs) / answers };
}
