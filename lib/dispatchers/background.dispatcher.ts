import { setTimeout as delay } from 'node:timers/promises';
import type {
  DispatchContext,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';
import { InvalidationJobError } from '../invalidation/jobs/job.js';
import type { DispatcherState } from '../observability/metrics.js';
import { InvalidationDispatcher } from './invalidation-dispatcher.decorator.js';
import { within, Deadline, type ShutdownDeadline } from '../common/async.js';
import { systemClock } from '../common/time.js';
import { positive } from '../common/options.js';
import { JobQueue } from './job-queue.js';
import { DispatcherOptions } from './options.js';

/**
 * Settings of the `background` dispatcher, as `dispatcherSettings: { background: { … } }`.
 *
 * @publicApi
 */
export interface BackgroundSettings {
  /** Number of jobs that run at the same time. Default 4. */
  readonly concurrency: number;
  /** Number of jobs that may wait. Beyond that they are merged, with coarser tags. Default 1000. */
  readonly maxQueue: number;
  /** Attempts of a job whose store fails, with doubled pauses. Default 8, over about 25 seconds. */
  readonly attempts: number;
  /** Longest time that a shutdown waits for queued jobs, in milliseconds. Default 5000. */
  readonly drainTimeout: number;
}

const DEFAULTS: BackgroundSettings = { concurrency: 4, maxQueue: 1_000, attempts: 8, drainTimeout: 5_000 };
const OPTIONS = new DispatcherOptions<BackgroundSettings>('background', {
  concurrency: positive,
  maxQueue: positive,
  attempts: positive,
  drainTimeout: positive,
});

/** Pause after the first failure, doubled after each further one. Milliseconds. */
const FIRST_PAUSE = 200;

/**
 * Runs jobs in the background of this process: the write does not wait for them. Jobs whose tags were bumped at commit are
 * skipped, so it works for rules with `eager: false` and for bumps that the store did not take.
 *
 * Source: drf-restflow, `threadpool` and `asyncio`.
 */
@InvalidationDispatcher('background')
export class BackgroundDispatcher implements Dispatcher {
  #settings = DEFAULTS;
  #coarser: DispatcherHost['coarser'] = () => undefined;
  #failed: DispatcherHost['failed'] = () => undefined;
  #queue: JobQueue | undefined;
  #handle: DispatchContext['handle'] | undefined;
  readonly #running = new Set<Promise<void>>();
  #inProgress = 0;
  readonly #closing = new AbortController();

  start({ config, coarser, failed }: DispatcherHost): void {
    this.#settings = OPTIONS.read(DEFAULTS, config);
    this.#coarser = coarser;
    this.#failed = failed;
  }

  dispatch(jobs: readonly InvalidationJob[], { handle, rewarm }: DispatchContext): void {
    this.#handle = handle;
    this.#queue ??= new JobQueue(this.#settings.maxQueue, (tag) => this.#coarser(tag));
    for (const job of jobs) if (!job.done) this.#queue.add(job);
    void rewarm?.(jobs.filter(({ done }) => done));
    while (this.#running.size < this.#settings.concurrency && this.#queue.size > 0) this.#run();
  }

  state(): DispatcherState {
    return { status: 'up', waitingJobs: this.#unfinished };
  }

  get #unfinished(): number {
    return (this.#queue?.size ?? 0) + this.#inProgress;
  }

  /** Runs queued jobs without pauses between attempts, for at most `drainTimeout` and what is left of `shutdownTimeout`. */
  async close(deadline: ShutdownDeadline = new Deadline(this.#settings.drainTimeout)): Promise<void> {
    this.#closing.abort();
    const limit = Math.min(this.#settings.drainTimeout, deadline.left());
    await within(systemClock, limit, Promise.all(this.#running));
    if (this.#unfinished > 0)
      this.#failed(
        'background drain',
        `${this.#unfinished} invalidation jobs were lost at shutdown, so their entries may stay stale until their ttl ends. Raise drainTimeout in ` +
          `dispatcherSettings: { background: … }, and shutdownTimeout of forRoot`,
        `they did not finish within ${Math.round(limit)} ms`,
      );
  }

  #run(): void {
    const worker = this.#work().finally(() => this.#running.delete(worker));
    this.#running.add(worker);
  }

  async #work(): Promise<void> {
    // Lets the write that dispatched continue first.
    await Promise.resolve();
    for (let job = this.#queue!.next(); job !== undefined; job = this.#queue!.next()) {
      this.#inProgress++;
      await this.#try(job);
      this.#inProgress--;
    }
  }

  async #try(job: InvalidationJob): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#handle!(job);
      } catch (error) {
        if (attempt >= this.#settings.attempts || error instanceof InvalidationJobError) {
          return this.#failed(
            `background ${job.rule}`,
            `An invalidation of the rule ${job.rule} was given up at attempt ${attempt}, so its entries may stay stale until their ttl ends`,
            error,
          );
        }
        await this.#pause(FIRST_PAUSE * 2 ** (attempt - 1));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
  }
}
