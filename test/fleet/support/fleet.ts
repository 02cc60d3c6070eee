import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Consistency, Order } from './worker.js';
import type { Event } from './schedule.js';
import { adopt } from './redis-process.js';

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly events?: readonly Event[];
  readonly cutOff?: number;
}

type Orders = Order extends infer One ? (One extends Order ? Omit<One, 'id'> : never) : never;

/** A process of the fleet, seen from the test. */
export class Member {
  readonly events: Event[] = [];
  /** When it did not reach the store. */
  readonly cutOffs: number[] = [];
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #orders = 0;

  private constructor(
    readonly consistency: Consistency,
    private readonly child: ChildProcess,
  ) {
    child.on('message', (answer: Answer) => this.#receive(answer));
    child.on('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('the process ended'));
    });
  }

  static async start(
    worker: string,
    redisUrl: string,
    databaseUrl: string,
    consistency: Consistency,
    /** Milliseconds that its clock is ahead. */
    clockAhead = 0,
  ): Promise<Member> {
    const child = fork(worker, [redisUrl, databaseUrl, consistency, String(clockAhead)], { execArgv: [] });
    adopt(child);
    const member = new Member(consistency, child);
    await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(() => Promise.reject(new Error('the worker did not start'))),
    ]);
    return member;
  }

  order(order: Orders): Promise<unknown> {
    const id = ++this.#orders;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.child.send({ ...order, id });
    });
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }

  #receive({ id, result, error, events, cutOff }: Answer): void {
    if (cutOff !== undefined) this.cutOffs.push(cutOff);
    if (events !== undefined) this.events.push(...events);
    if (id === undefined) return;
    const waiting = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(error));
  }
}
