import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The path of a file of the repository. */
export const inRoot = (...parts) => join(root, ...parts);

/**
 * Runs a command with our own output and resolves to its exit code (1 when a signal ended it).
 * With `stopsWithUs` the command is asked to stop when we are, and we wait until it has.
 */
export function run(command, args, { stopsWithUs = false, onStart, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    if (stopsWithUs) whenAskedToStop(() => child.kill('SIGTERM'));
    if (child.pid) onStart?.(child.pid);
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Calls `stop` when this process is asked to end, by a signal or because npm, which ran it, has ended. */
export function whenAskedToStop(stop) {
  process.on('SIGTERM', stop);
  // Ctrl-C reaches the whole process group, so the command has it already; a SIGINT for us alone has not reached it.
  process.on('SIGINT', () => setTimeout(stop, 2000).unref());
  // npm ends on a signal without handing it on: then we have another parent.
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event) setInterval(() => process.ppid !== parent && stop(), 500).unref();
}

/** Runs a command, collects what it prints, and never throws. */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    child.once('error', (error) => resolve({ code: 127, output: String(error) }));
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
