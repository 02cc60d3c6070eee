import { spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { capture } from '../../scripts/root.mjs';
import { installPackage } from './debian.mjs';

const composeFile = join(dirname(fileURLToPath(import.meta.url)), 'compose.yml');

/** Folders that hold server binaries without being on PATH, newest version first. */
function extraFolders() {
  const versions = '/usr/lib/postgresql';
  const postgres = existsSync(versions)
    ? readdirSync(versions)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => join(versions, version, 'bin'))
    : [];
  // RabbitMQ's own scripts come before the wrappers in /usr/sbin, which insist on another user.
  return [...postgres, '/usr/lib/rabbitmq/bin', '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin'];
}

/** The paths of all these binaries by name, or `undefined` when one is missing. */
function findBinaries(names) {
  const folders = [...extraFolders(), ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)];
  const found = {};
  for (const name of names) {
    const folder = folders.find((candidate) => existsSync(join(candidate, name)));
    if (!folder) return undefined;
    found[name] = join(folder, name);
  }
  return found;
}

/** A port that nobody listens on now; `alsoFree` ports counted from it are free too. */
async function freePort(alsoFree = []) {
  const listen = (port) =>
    new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen(port, '127.0.0.1', () => {
        const { port: taken } = server.address();
        server.close(() => resolve(taken));
      });
    });
  for (;;) {
    const port = await listen(0);
    const others = alsoFree.map((offset) => port + offset);
    if (others.every((other) => other < 65536) && (await Promise.all(others.map(listen))).every(Boolean))
      return port;
  }
}

/** The user that a server runs as where it refuses to run as root. */
function unprivilegedUser(...names) {
  if (process.getuid?.() !== 0) return {};
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of [...names, 'nobody']) {
    const user = users.find(([login]) => login === name);
    if (user) return { uid: Number(user[2]), gid: Number(user[3]) };
  }
  throw new Error(`There is no user ${[...names, 'nobody'].join(' or ')} to run a server as.`);
}

/** Calls `attempt` until it succeeds. */
async function until(attempt, { seconds, stillHopeful = () => true }) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline || !stillHopeful()) throw error;
      await delay(30);
    }
  }
}

/**
 * What can be done on this machine to get a server. Everything started is handed to the reaper, which ends it when
 * this process ends, however that happens.
 */
export function createMachine(reaper) {
  const composeProject = `restflow-test-${process.pid}`;
  const compose = (...args) =>
    capture('docker', ['compose', '-p', composeProject, '-f', composeFile, ...args]);

  /** What a server kind may use to start a private instance. */
  function workplace(server, binaries) {
    const folder = mkdtempSync(join(tmpdir(), `restflow-${server.name}-`));
    reaper.remove(folder);
    const log = join(folder, 'server.log');
    const readLog = () => (existsSync(log) ? readFileSync(log, 'utf8').slice(-4000) : '');
    let user = {};
    let exited = false;
    return {
      binaries,
      folder,
      freePort,
      /** Run as another user where we are root. */
      become(...names) {
        user = unprivilegedUser(...names);
        if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
      },
      async run(name, args, env = {}) {
        const options = { cwd: folder, env: { ...process.env, ...env }, ...user };
        const { code, output } = await capture(binaries[name], args, options);
        if (code !== 0) throw new Error(`${name} failed with exit code ${code}:\n${output}`);
        return output;
      },
      spawn(name, args, { env = {}, signal = 'SIGTERM' } = {}) {
        const out = openSync(log, 'a');
        const options = { cwd: folder, env: { ...process.env, ...env }, ...user };
        // Its own process group: Ctrl-C must reach the reaper's order, not the server in the middle of a test.
        const child = spawn(binaries[name], args, {
          ...options,
          stdio: ['ignore', out, out],
          detached: true,
        });
        child.once('error', () => (exited = true));
        child.once('exit', () => (exited = true));
        child.unref();
        return { child, end: child.pid === undefined ? async () => {} : reaper.kill(child.pid, signal) };
      },
      async ready(probe, seconds = 20) {
        try {
          await until(probe, { seconds, stillHopeful: () => !exited });
        } catch (error) {
          throw new Error(`The server '${server.name}' did not start: ${error.message}\n${readLog()}`, {
            cause: error,
          });
        }
      },
    };
  }

  return {
    environment: process.env,
    findBinaries,
    installPackage: (name) => installPackage(name, reaper),
    startPrivate: (server, binaries) => server.start(workplace(server, binaries)),
    /** Fails naming the server whose given URL does not answer. */
    async confirm(server, url) {
      try {
        await until(() => server.probe(url), { seconds: 5 });
      } catch (error) {
        throw new Error(
          `${server.variable}=${url} is set, but no ${server.name} answers there: ${error.message}`,
          { cause: error },
        );
      }
    },
    async dockerRefuses() {
      if ((await capture('docker', ['info'])).code !== 0) return 'no docker engine answers';
      if ((await compose('version')).code !== 0) return "docker has no 'compose' plugin";
      return undefined;
    },
    async startCompose(server) {
      reaper.run('docker', 'compose', '-p', composeProject, '-f', composeFile, 'down', '--volumes');
      const { code, output } = await compose('up', '--detach', '--wait', server.name);
      if (code !== 0) throw new Error(`docker compose up ${server.name} failed:\n${output}`);
      const url = await server.composeUrl(async (port) => {
        const published = await compose('port', server.name, String(port));
        return published.output.trim();
      });
      await until(() => server.probe(url), { seconds: 60 });
      return url;
    },
  };
}
