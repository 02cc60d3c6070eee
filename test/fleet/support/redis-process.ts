import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createMachine } from '../../servers/machine.mjs';
import { createReaper } from '../../servers/reaper.mjs';
import { redisArguments, redisCommand } from '../../servers/redis.mjs';

const reaper = createReaper();
const machine = createMachine(reaper);
let binary: string | undefined;

/** Path of the binary, which is installed where it is missing. */
export async function redisServer(): Promise<string> {
  const find = (): string | undefined =>
    (machine.findBinaries(['redis-server']) as Record<string, string> | undefined)?.['redis-server'];
  binary ??= find() ?? (await machine.installPackage('redis-server'), find());
  if (binary === undefined) throw new Error('These tests kill Redis: they need the binary redis-server.');
  return binary;
}

/** Ends what is left of the processes of this file. */
export const reapProcesses = (): Promise<unknown> => reaper.finish();

/** Has a process end with this one, however this one ends. */
export function adopt(child: ChildProcess): void {
  if (child.pid !== undefined) void reaper.kill(child.pid, 'SIGKILL');
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** A Redis of the test's own, to be killed, paused and started again on the same port. */
export class RedisProcess {
  readonly #folder = mkdtempSync(join(tmpdir(), 'restflow-fleet-'));
  #child: ChildProcess | undefined;
  #starting: Promise<void> | undefined;

  private constructor(
    readonly port: number,
    private readonly options: readonly string[],
  ) {
    void reaper.remove(this.#folder);
  }

  static async start(...options: string[]): Promise<RedisProcess> {
    const server = new RedisProcess(await freePort(), options);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts the server, and does not wait until it answers; {@link stop} does. */
  startInBackground(): void {
    this.#starting = this.start().catch(() => undefined);
  }

  async start(): Promise<void> {
    const args = [...redisArguments(String(this.port), this.#folder).flat(), ...this.options];
    const child = spawn(await redisServer(), args, { stdio: 'ignore' });
    this.#child = child;
    adopt(child);
    for (let attempt = 0; ; attempt++) {
      try {
        await this.command('PING');
        return;
      } catch (error) {
        // A child that a signal ended has no exit code.
        if (attempt === 200 || child.exitCode !== null || child.signalCode !== null) throw error;
        await delay(20);
      }
    }
  }

  command(name: string, ...args: (string | number)[]): Promise<unknown> {
    return redisCommand(this.url, name, ...args.map(String)) as Promise<unknown>;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** Writes what it holds to disk; {@link restoreDump} brings it back before a later start. */
  async dump(): Promise<void> {
    await this.command('SAVE');
    copyFileSync(join(this.#folder, 'dump.rdb'), join(this.#folder, 'old.rdb'));
    rmSync(join(this.#folder, 'dump.rdb'));
  }

  restoreDump(): void {
    copyFileSync(join(this.#folder, 'old.rdb'), join(this.#folder, 'dump.rdb'));
  }

  forgetDump(): void {
    rmSync(join(this.#folder, 'dump.rdb'), { force: true });
  }

  async stop(): Promise<void> {
    this.resume();
    await this.kill();
    // It asks the server whether it is there until it has noticed its end.
    await this.#starting;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
