import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createMachine } from './machine.mjs';
import { createReaper } from './reaper.mjs';
import { servers } from './registry.mjs';

const reaper = createReaper();
const machine = createMachine(reaper);

/** Ends what is left of the servers of this process. */
export const endOwnServers = () => reaper.finish();

/** A server of a spec's own, to be killed and started again on the same port and the same data. */
export class OwnServer {
  #spawn;
  #process;

  /**
   * @param {keyof typeof servers} name
   * @param {string[]} options more arguments of its command
   */
  static async start(name, options = []) {
    const kind = servers[name];
    const find = () => machine.findBinaries(kind.binaries);
    const binaries = find() ?? (await machine.installPackage(kind.package), find());
    if (binaries === undefined)
      throw new Error(`These tests kill the server: they need the binaries ${kind.binaries.join(', ')}.`);
    const own = new OwnServer(kind);
    const start = (workplace) => kind.start(own.#remembering(workplace, options));
    own.url = await machine.startPrivate({ ...kind, start }, binaries);
    return own;
  }

  constructor(kind) {
    this.kind = kind;
    this.url = '';
  }

  /** SIGKILL, and nobody listens any more. */
  async kill() {
    const { child, end } = this.#process;
    const exited = once(child, 'exit');
    process.kill(-child.pid, 'SIGKILL');
    await exited;
    await end();
    while (await this.#answers()) await delay(20);
  }

  /** Starts it again, and waits until it answers. */
  async start() {
    const deadline = Date.now() + 90_000;
    this.#process = this.#spawn();
    while (!(await this.#answers())) {
      if (Date.now() > deadline) throw new Error(`The server '${this.kind.name}' did not start again.`);
      // What is left of the one that was killed, such as shared memory, may refuse the next one for a moment.
      if (this.#process.child.exitCode !== null) this.#process = this.#spawn();
      await delay(50);
    }
  }

  #answers() {
    return this.kind.probe(this.url).then(
      () => true,
      () => false,
    );
  }

  /** What a kind spawns last is the server; what comes before it are its helpers. */
  #remembering(workplace, options) {
    return {
      ...workplace,
      spawn: (name, args, settings) => {
        this.#spawn = () => workplace.spawn(name, [...args, ...options], settings);
        this.#process = this.#spawn();
        return this.#process;
      },
    };
  }
}
