import { setTimeout as delay } from 'node:timers/promises';
import type { InvalidationJob } from '../invalidation/dispatcher.interface.js';
import { BackgroundQueue } from './background-queue.js';

/** Jobs that wait for a queue that does not take them; beyond that they are put together, and coarser. */
const MAX_WAITING = 1_000;

/** Jobs that are sent at one time. */
const BATCH = 100;

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** How long a shutdown waits for what is not sent yet. Milliseconds. */
const CLOSING = 5_000;

/** Waits for something to close, but not longer than a shutdown may take: what it is connected to may be gone. */
export async function closing(closed: Promise<unknown> | undefined): Promise<void> {
  await Promise.race([closed, delay(CLOSING, undefined, { ref: false })]);
}

/** What a sender needs to know of the application. */
export interface SenderHost {
  coarser(tag: string): string | undefined;
  failed(topic: string, message: string, error: unknown): void;
}

/** Sends jobs to a queue elsewhere, in their order. While it does not take them they wait, in bounded memory. */
export class Sender {
  readonly #queue: BackgroundQueue;
  readonly #closing = new AbortController();
  #sending: Promise<void> | undefined;
  #failures = 0;

  constructor(
    private readonly name: string,
    private readonly send: (jobs: readonly InvalidationJob[]) => Promise<unknown>,
    private readonly host: SenderHost,
  ) {
    this.#queue = new BackgroundQueue(MAX_WAITING, (tag) => host.coarser(tag));
  }

  /** Resolves when everything that waits has been sent, or at once while the queue is known not to take it. Never rejects. */
  add(jobs: readonly InvalidationJob[]): Promise<void> | undefined {
    for (const job of jobs) this.#queue.add(job);
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
    return this.#failures > 0 ? undefined : this.#sending;
  }

  /** Tries what is left once more, without pauses. */
  async close(): Promise<void> {
    this.#closing.abort();
    await closing(this.#sending);
    const { size } = this.#queue;
    if (size > 0)
      this.host.failed(
        `${this.name} close`,
        `${size} invalidation jobs could not be sent to ${this.name}`,
        'shut down',
      );
  }

  async #sendAll(): Promise<void> {
    const { signal } = this.#closing;
    while (this.#queue.size > 0) {
      const jobs = this.#queue.take(BATCH);
      try {
        await this.send(jobs);
        this.#failures = 0;
      } catch (error) {
        for (const job of jobs) this.#queue.add(job);
        if (signal.aborted) return;
        this.host.failed(this.name, `Invalidation jobs wait: ${this.name} does not take them`, error);
        const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures++, LONGEST_PAUSE);
        await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }
}
