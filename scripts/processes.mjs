// Runs a sample that is several processes on servers: what its sample.json says.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { inRoot, root, whenAskedToStop } from './root.mjs';

/**
 * @typedef {object} Part
 * @property {Record<string, string>} [servers] by the variable of their URL
 * @property {string[]} [before] processes that run to their end first, one after the other
 * @property {string[]} [processes] processes that run until they are asked to stop
 *
 * @typedef {Part & { choice?: { variable: string, default: string, ways: Record<string, Part> } }} Plan
 * What sample.json holds. An environment variable chooses one of the ways, which is added to the rest.
 */

/** @param {Plan} plan */
export function chosenPlan({ choice, ...common }, environment) {
  const way = choice && (environment[choice.variable] || choice.default);
  if (choice && !Object.hasOwn(choice.ways, way)) {
    const known = Object.keys(choice.ways).join(', ');
    throw new Error(`${choice.variable} is '${way}'; there are: ${known}.`);
  }
  const parts = choice ? [common, choice.ways[way]] : [common];
  return {
    servers: Object.assign({}, ...parts.map(({ servers }) => servers)),
    before: parts.flatMap(({ before = [] }) => before),
    processes: parts.flatMap(({ processes = [] }) => processes),
  };
}

/**
 * Brings up the servers whose URL is not in the environment, runs the processes, and ends all of it when one process ends by
 * itself or when we are asked to stop. Answers the exit code.
 *
 * A process that was killed waits for the Enter key: meanwhile one can see what holds without it.
 *
 * @param {string} sample its folder, with the compiled processes in dist/
 * @param {Plan} plan
 */
export async function runProcesses(sample, plan) {
  const { servers, before, processes } = chosenPlan(plan, process.env);
  const provided = await startServers(servers);
  for (const [variable, url] of Object.entries(provided.environment)) console.log(`${variable}=${url}`);
  const stopping = new AbortController();
  const running = new Set();
  const stop = () => {
    stopping.abort();
    for (const child of running) child.kill('SIGTERM');
  };
  // Ctrl-C reaches the processes too, and ends them before it is our turn.
  process.on('SIGINT', () => stopping.abort());
  whenAskedToStop(stop);

  const runOnce = async (name) => {
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', inRoot('sample', sample, 'dist', `${name}.js`)],
      {
        cwd: root,
        stdio: ['ignore', 'inherit', 'inherit'],
        env: { ...process.env, ...provided.environment },
      },
    );
    running.add(child);
    if (child.pid) provided.adopt(child.pid);
    const [code, signal] = await once(child, 'exit');
    running.delete(child);
    return { code, killed: signal !== null };
  };
  const keepRunning = async (name) => {
    for (;;) {
      const { code, killed } = await runOnce(name);
      if (!killed || stopping.signal.aborted) {
        stop();
        return code ?? 0;
      }
      console.log(`The process '${name}' was killed. The Enter key starts it again.`);
      await enterKey(stopping.signal);
      if (stopping.signal.aborted) return 0;
    }
  };
  try {
    for (const name of before) {
      const { code } = await runOnce(name);
      if (code !== 0 || stopping.signal.aborted) return code ?? 0;
    }
    return Math.max(...(await Promise.all(processes.map(keepRunning))));
  } finally {
    await provided.stop();
  }
}

async function startServers(servers) {
  const missing = Object.keys(servers).filter((variable) => !process.env[variable]);
  const { startServers: start } = await import('../test/servers/start.mjs');
  const { servers: kinds } = await import('../test/servers/registry.mjs');
  try {
    const started = await start(missing.map((variable) => servers[variable]));
    const environment = Object.fromEntries(
      missing.map((variable) => [variable, started.environment[kinds[servers[variable]].variable]]),
    );
    return { ...started, environment };
  } catch (error) {
    throw new Error(`${error.message}\nOr set ${missing.join(' and ')} to the URL of a running one.`, {
      cause: error,
    });
  }
}

function enterKey(signal) {
  return once(process.stdin.resume(), 'data', { signal }).catch(() => undefined);
}
