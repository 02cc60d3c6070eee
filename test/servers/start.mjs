import { createMachine } from './machine.mjs';
import { provideAll } from './provide.mjs';
import { createReaper } from './reaper.mjs';
import { servers } from './registry.mjs';

/**
 * Brings up the named servers. Answers the environment variables that hold their URLs, `stop()`, and `adopt(pid)` for a
 * process that shall end with them. What was started ends with this process, even if nobody calls `stop()`.
 * An `optional` one that cannot be had has no variable, but a message in `leftOut`.
 */
export async function startServers(names, optional = []) {
  const unknown = [...names, ...optional].filter((name) => !(name in servers));
  if (unknown.length > 0) {
    throw new Error(`Unknown server ${unknown.join(', ')}; there are: ${Object.keys(servers).join(', ')}.`);
  }
  const reaper = createReaper();
  try {
    const kinds = (list) => list.map((name) => servers[name]);
    const provided = await provideAll(kinds(names), kinds(optional), createMachine(reaper));
    return { ...provided, adopt: (pid) => void reaper.kill(pid, 'SIGTERM'), stop: () => reaper.finish() };
  } catch (error) {
    await reaper.finish();
    throw error;
  }
}
