// Undoes what a run has started, when the run ends: also when it is killed. A process of its own holds the list; it
// reads it from a pipe, and the end of the pipe, which the system closes with whoever wrote to it, is the order to act.
import { spawn } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { capture } from '../../scripts/root.mjs';

const self = fileURLToPath(import.meta.url);

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Signals the process, and the group that it leads if it does. */
const send = (pid, signal) => {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
    } catch {
      // It leads no group, or it ended by itself.
    }
  }
};

const duties = {
  async kill({ pid, signal }) {
    send(pid, signal);
    for (let waited = 0; isAlive(pid) && waited < 5000; waited += 20) await delay(20);
    send(pid, 'SIGKILL');
  },
  remove: ({ path }) => rmSync(path, { recursive: true, force: true, maxRetries: 3 }),
  rename: ({ from, to }) => existsSync(from) && renameSync(from, to),
  run: ({ command }) => capture(command[0], command.slice(1)),
};

/** Starts the reaper of this process. `finish()` has it act now and waits for it. */
export function createReaper() {
  const child = spawn(process.execPath, [self, 'run'], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  });
  child.unref();
  let count = 0;
  const write = (message) =>
    new Promise((resolve) => child.stdin.write(`${JSON.stringify(message)}\n`, resolve));
  /** Adds a duty, and answers how to do it before its time. */
  const add = (duty) => {
    const id = count++;
    void write({ id, ...duty });
    return async () => {
      await duties[duty.kind](duty);
      await write({ forget: id });
    };
  };
  return {
    kill: (pid, signal) => add({ kind: 'kill', pid, signal }),
    remove: (path) => add({ kind: 'remove', path }),
    rename: (from, to) => add({ kind: 'rename', from, to }),
    run: (...command) => add({ kind: 'run', command }),
    finish: () =>
      new Promise((resolve) => {
        child.ref();
        child.once('exit', resolve);
        child.stdin.end();
      }),
  };
}

async function reap(list) {
  const pending = [...list.values()].reverse();
  // Servers end side by side; then their folders can go.
  const first = pending.filter((duty) => duty.kind === 'kill' || duty.kind === 'run');
  await Promise.all(first.map((duty) => duties[duty.kind](duty)));
  for (const duty of pending) if (!first.includes(duty)) await duties[duty.kind](duty);
}

if (process.argv[1] === self && process.argv[2] === 'run') {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  const list = new Map();
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const { forget, id, ...duty } = JSON.parse(line);
      if (forget === undefined) list.set(id, duty);
      else list.delete(forget);
    })
    .on('close', () => void reap(list));
}
