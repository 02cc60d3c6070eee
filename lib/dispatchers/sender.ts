import { setTimeout as delay } from 'node:timers/promises';
import { type Timers, within } from '../common/async.js';
import { systemClock } from '../common/time.js';
import type { DispatcherHost, InvalidationJob } from '../invalidation/jobs/dispatcher.interface.js';
import type { DispatcherState } from '../observability/metrics.js';
import { BackgroundQueue } from './background.dispatcher.js';

/** Jobs that wait for a queue that does not take them; beyond that they are put together, and coarser. */
const MAX_WAITING = 1_000;

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;

/** A queue that has not taken jobs after this is away: no write waits for it any more. Milliseconds. */
const PATIENCE = 100;

/** A queue that said nothing of jobs for so long is given them again, which does no harm. Milliseconds, doubled each time. */
const SILENCE = 10_000;
const LONGEST_SILENCE = 10 * 60_000;

/** How long a shutdown waits for what is not sent yet. Milliseconds. */
const CLOSING = 5_000;

/**
 * Waits for something to close, but not longer than a shutdown may take: what it is connected to may be gone.
 * @param force ends what did not close in time
 */
export async function closing(closed: Promise<unknown> | undefined, force?: () => unknown): Promise<void> {
  if (closed !== undefined) await within(keepAlive, CLOSING, closed, () => force?.());
}

/** Timers that keep the process alive: during a shutdown there may be nothing else that does. */
const keepAlive: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** What a sender needs to know of the application. */
export type SenderHost = Pick<DispatcherHost, 'coarser' | 'failed'>;

/** The application as a sender sees it, which may be given jobs before the application has started. */
export function whenStarted(host: () => SenderHost | undefined): SenderHost {
  return {
    coarser: (tag) => host()?.coarser(tag),
    failed: (...failure) => host()?.failed(...failure),
  };
}

/** How several senders of one dispatcher are. */
export function stateOfAll(senders: Iterable<Sender>): DispatcherState {
  const states = [...senders].map(({ state }) => state);
  return {
    status: states.some(({ status }) => status === 'down') ? 'down' : 'up',
    waitingJobs: states.reduce((sum, { waitingJobs }) => sum + waitingJobs, 0),
  };
}

/** The writes whose jobs are sent together, and wait for that. */
class Round {
  release: () => void = () => undefined;
  readonly sent = new Promise<void>((resolve) => (this.release = resolve));
}

/** Sends jobs to a queue elsewhere, in their order. While it does not take them they wait, in bounded memory. */
export class Sender {
  readonly #queue: BackgroundQueue;
  readonly #closing = new AbortController();
  #next = new Round();
  #sending: Promise<void> | undefined;
  #inHand = 0;
  #failures = 0;
  #silences = 0;
  #isAway = false;

  constructor(
    private readonly name: string,
    private readonly send: (jobs: readonly InvalidationJob[]) => Promise<unknown>,
    private readonly host: SenderHost,
    private readonly silence = SILENCE,
  ) {
    this.#queue = new BackgroundQueue(MAX_WAITING, (tag) => host.coarser(tag));
  }

  /** Resolves when these jobs have been sent, or the queue is known not to take any. Never rejects. */
  add(jobs: readonly InvalidationJob[]): Promise<void> | undefined {
    for (const job of jobs) this.#queue.add(job);
    const { sent } = this.#next;
    this.#sending ??= this.#sendAll();
    return this.#isAway ? undefined : sent;
  }

  get state(): DispatcherState {
    return { status: this.#isAway ? 'down' : 'up', waitingJobs: this.#queue.size + this.#inHand };
  }

  /** Tries what is left once more, without pauses. */
  async close(): Promise<void> {
    this.#closing.abort();
    await closing(this.#sending);
    const left = this.#queue.size + this.#inHand;
    if (left > 0)
      this.host.failed(
        `${this.name} close`,
        `${left} invalidation jobs could not be sent to ${this.name}`,
        'shut down',
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
      this.host.failed(this.name, `Invalidation jobs wait: ${this.name} does not take them`, error.reason);
      await this.#pause();
    }
    // Not later: a job that came in between would wait for the next one.
    this.#sending = undefined;
  }

  async #pause(): Promise<void> {
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures++, LONGEST_PAUSE);
    const { signal } = this.#closing;
    await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
  }

  /** @returns what went wrong; then the jobs are in the queue again */
  async #sendRound(round: Round): Promise<{ readonly reason: unknown } | undefined> {
    const jobs = this.#queue.take(this.#queue.size);
    this.#inHand = jobs.length;
    const impatient = setTimeout(() => this.#giveUpOn(round), PATIENCE);
    try {
      await this.#sendInTime(jobs);
      this.#failures = 0;
      this.#isAway = false;
      return undefined;
    } catch (reason) {
      this.#giveUpOn(round);
      for (const job of jobs) this.#queue.add(job);
      return { reason };
    } finally {
      clearTimeout(impatient);
      this.#inHand = 0;
    }
  }

  /** Rejects where nothing is said: clients lose what they were given as a broker dies, and wait for ever. */
  async #sendInTime(jobs: readonly InvalidationJob[]): Promise<void> {
    const limit = Math.min(this.silence * 2 ** this.#silences, LONGEST_SILENCE);
    await within(systemClock, limit, this.send(jobs), () => {
      this.#silences++;
      throw new Error(`It said nothing for ${limit} ms.`);
    });
    this.#silences = 0;
  }

  #giveUpOn(round: Round): void {
    this.#isAway = true;
    round.release();
    this.#next.release();
  }
}
