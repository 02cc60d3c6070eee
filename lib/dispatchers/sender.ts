import { setTimeout as delay } from 'node:timers/promises';
import { Deadline, type ShutdownDeadline, within } from '../common/async.js';
import { systemClock } from '../common/time.js';
import type { DispatcherHost, InvalidationJob } from '../invalidation/jobs/dispatcher.interface.js';
import type { DispatcherState } from '../observability/metrics.js';
import { JobQueue } from './job-queue.js';

/** Number of jobs that may wait while the queue is unavailable. Beyond that they are merged, with coarser tags. */
const MAX_WAITING = 1_000;

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** A queue that has not accepted jobs after this time counts as unavailable: writes stop waiting for it. Milliseconds. */
const MAX_WRITE_WAIT = 100;

/** Jobs are sent again if the queue has not responded after this time, which is harmless. Milliseconds, doubled each time. */
const RESPONSE_TIMEOUT = 10_000;
const LONGEST_RESPONSE_TIMEOUT = 10 * 60_000;

/** The functions of the application that a sender calls. */
export type SenderHost = Pick<DispatcherHost, 'coarser' | 'failed'>;

/** One sending: the writes whose jobs are sent together wait for `sent`. */
class Round {
  release: () => void = () => undefined;
  readonly sent = new Promise<void>((resolve) => (this.release = resolve));
}

/** Sends jobs to a remote queue, in order. While the queue is unavailable they wait in bounded memory. */
export class Sender {
  readonly #queue: JobQueue;
  readonly #closing = new AbortController();
  #next = new Round();
  #sending: Promise<void> | undefined;
  #inProgress = 0;
  #failures = 0;
  #timeouts = 0;
  #isUnavailable = false;

  constructor(
    private readonly name: string,
    private readonly send: (jobs: readonly InvalidationJob[]) => Promise<unknown>,
    private readonly host: SenderHost,
    private readonly responseTimeout = RESPONSE_TIMEOUT,
  ) {
    this.#queue = new JobQueue(MAX_WAITING, (tag) => host.coarser(tag));
  }

  /** Resolves when these jobs are sent, or the queue is known to be unavailable. Never rejects. */
  add(jobs: readonly InvalidationJob[]): Promise<void> | undefined {
    for (const job of jobs) this.#queue.add(job);
    const { sent } = this.#next;
    this.#sending ??= this.#sendAll();
    return this.#isUnavailable ? undefined : sent;
  }

  get state(): DispatcherState {
    return { status: this.#isUnavailable ? 'down' : 'up', waitingJobs: this.#queue.size + this.#inProgress };
  }

  /** Sends waiting jobs once more, without pauses. */
  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    this.#closing.abort();
    await deadline.wait(Promise.resolve(this.#sending));
    const left = this.#queue.size + this.#inProgress;
    if (left > 0)
      this.host.failed(
        `${this.name} close`,
        `${left} invalidation jobs could not be sent to ${this.name} before the shutdown and are lost, so their entries may stay stale until their ttl ends`,
        'it is unavailable',
      );
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.size > 0) {
      const round = this.#next;
      this.#next = new Round();
      const isLast = this.#closing.signal.aborted;
      const error = await this.#sendRound(round);
      round.release();
      if (error === undefined) continue;
      if (isLast) break;
      // In a process that ends they do not wait: the next round is the last.
      if (this.#closing.signal.aborted) continue;
      this.host.failed(
        this.name,
        `Invalidation jobs wait in memory, because ${this.name} does not accept them`,
        error.reason,
      );
      await this.#pause();
    }
    // Synchronously after the loop: otherwise a job added in between would wait for the next call of add().
    this.#sending = undefined;
  }

  async #pause(): Promise<void> {
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures++, LONGEST_PAUSE);
    const { signal } = this.#closing;
    await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
  }

  /** @returns the failure, after which the jobs are in the queue again; `undefined` if they were sent */
  async #sendRound(round: Round): Promise<{ readonly reason: unknown } | undefined> {
    const jobs = this.#queue.take(this.#queue.size);
    this.#inProgress = jobs.length;
    const writeWait = setTimeout(() => this.#releaseWrites(round), MAX_WRITE_WAIT);
    try {
      await this.#sendInTime(jobs);
      this.#failures = 0;
      this.#isUnavailable = false;
      return undefined;
    } catch (reason) {
      this.#releaseWrites(round);
      for (const job of jobs) this.#queue.add(job);
      return { reason };
    } finally {
      clearTimeout(writeWait);
      this.#inProgress = 0;
    }
  }

  /** Rejects if there is no response in time: clients lose jobs when a broker dies, and then wait forever. */
  async #sendInTime(jobs: readonly InvalidationJob[]): Promise<void> {
    const limit = Math.min(this.responseTimeout * 2 ** this.#timeouts, LONGEST_RESPONSE_TIMEOUT);
    await within(systemClock, limit, this.send(jobs), () => {
      this.#timeouts++;
      throw new Error(`It did not respond within ${limit} ms.`);
    });
    this.#timeouts = 0;
  }

  #releaseWrites(round: Round): void {
    this.#isUnavailable = true;
    round.release();
    this.#next.release();
  }
}

/** The senders of a dispatcher, by destination. They may get jobs before the dispatcher has started. */
export class Senders implements SenderHost {
  readonly #senders = new Map<string, Sender>();
  #host: SenderHost | undefined;

  start(host: SenderHost): void {
    this.#host = host;
  }

  /** The sender of a destination, made on first use. */
  of(destination: string, create: (host: SenderHost) => Sender): Sender {
    let sender = this.#senders.get(destination);
    if (sender === undefined) this.#senders.set(destination, (sender = create(this)));
    return sender;
  }

  coarser(tag: string): string | undefined {
    return this.#host?.coarser(tag);
  }

  failed(topic: string, message: string, error: unknown): void {
    this.#host?.failed(topic, message, error);
  }

  state(): DispatcherState {
    return combinedState(this.#senders.values());
  }

  /** Running requests may still dispatch: that makes new senders, which a second call closes. */
  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    const senders = [...this.#senders.values()];
    this.#senders.clear();
    await Promise.all(senders.map((sender) => sender.close(deadline)));
  }
}

/** The combined state of senders. */
export function combinedState(senders: Iterable<Sender>): DispatcherState {
  const states = [...senders].map(({ state }) => state);
  return {
    status: states.some(({ status }) => status === 'down') ? 'down' : 'up',
    waitingJobs: states.reduce((sum, { waitingJobs }) => sum + waitingJobs, 0),
  };
}
