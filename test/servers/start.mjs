import { confirm, createMachine } from './machine.mjs';
import { provide } from './provide.mjs';
import { createReaper } from './reaper.mjs';
import { servers } from './registry.mjs';

/**
 * Brings up the named servers. Answers the environment variables that hold their URLs, `stop()`, and `adopt(pid)` for a
 * process that shall end with them. What was started ends with this process, even if nobody calls `stop()`.
 */
export async function startServers(names) {
  const unknown = names.filter((name) => !(name in servers));
  if (unknown.length > 0) {
    throw new Error(`Unknown server ${unknown.join(', ')}; there are: ${Object.keys(servers).join(', ')}.`);
  }
  const reaper = createReaper();
  const machine = createMachine(reaper);
  const environment = {};
  try {
    for (const name of names) {
      const server = servers[name];
      const url = await provide(server, machine);
      if (process.env[server.variable] === url) await confirm(server, url);
      environment[server.variable] = url;
    }
  } catch (error) {
    await reaper.finish();
    throw error;
  }
  return { environment, adopt: (pid) => void reaper.kill(pid, 'SIGTERM'), stop: () => reaper.finish() };
}
