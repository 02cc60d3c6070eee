import { randomUUID } from 'node:crypto';
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
import { within } from '../common/async.js';
import { systemClock } from '../common/time.js';
import { positive } from '../common/options.js';
import { DispatcherOptions } from './options.js';

/** A job of more tags than this takes coarser ones, when jobs are put together. */
const MAX_TAGS = 1_000;

/**
 * Jobs that wait. When there are too many they are put together, with coarser tags where those are too many too: what is
 * invalidated only grows, and nothing is dropped.
 */
export class BackgroundQueue {
  #jobs: InvalidationJob[] = [];

  constructor(
    private readonly limit: number,
    private readonly coarser: (tag: string) => string | undefined,
  ) {}

  get size(): number {
    return this.#jobs.length;
  }

  add(job: InvalidationJob): void {
    this.#jobs.push(job);
    if (this.#jobs.length > this.limit) this.#coalesce();
  }

  next(): InvalidationJob | undefined {
    return this.#jobs.shift();
  }

  /** Up to so many, the oldest first. */
  take(count: number): InvalidationJob[] {
    return this.#jobs.splice(0, count);
  }

  /** At most one job of each mode is left, and nothing to be computed anew: there is too much to do already. */
  #coalesce(): void {
    const modes = new Map<string, InvalidationJob[]>();
    for (const job of this.#jobs) modes.set(job.mode, [...(modes.get(job.mode) ?? []), job]);
    this.#jobs = [...modes.values()].map(([{ rewarm: _tooMany, ...first }, ...others]) => ({
      ...first,
      // A queue that has the first of them already must not take this for the same.
      id: randomUUID(),
      done: [first, ...others].every(({ done }) => done),
      tags: this.#few(new Set([first, ...others].flatMap(({ tags }) => tags))),
    }));
  }

  #few(tags: ReadonlySet<string>): readonly string[] {
    if (tags.size <= MAX_TAGS) return [...tags];
    const coarse = new Set([...tags].map((tag) => this.coarser(tag) ?? tag));
    return coarse.size < tags.size ? this.#few(coarse) : [...coarse];
  }
}

/**
 * Settings of the `background` dispatcher, as `dispatcherSettings: { background: { … } }`.
 *
 * @publicApi
 */
export interface BackgroundSettings {
  /** How many jobs are carried out at one time. Default 4. */
  readonly concurrency: number;
  /** How many jobs may wait; beyond that they are put together, and coarser. Default 1000. */
  readonly maxQueue: number;
  /** How often a job is tried while its store fails, a little later each time. Default 8, over about 25 seconds. */
  readonly attempts: number;
  /** How long a shutdown waits for what is queued, in milliseconds. Default 5000. */
  readonly drainTimeout: number;
}

const DEFAULTS: BackgroundSettings = { concurrency: 4, maxQueue: 1_000, attempts: 8, drainTimeout: 5_000 };
const OPTIONS = new DispatcherOptions<BackgroundSettings>('background', {
  concurrency: positive,
  maxQueue: positive,
  attempts: positive,
  drainTimeout: positive,
});

/** The first pause after a failure; each further one is twice as long. Milliseconds. */
const FIRST_PAUSE = 200;

/**
 * Carries jobs out in this process, beside the requests: the write does not wait. What was invalidated at commit is not
 * done twice, so this is for rules with `eager: false` and for what the store did not take.
 *
 * Source: drf-restflow, `threadpool` and `asyncio`.
 */
@InvalidationDispatcher('background')
export class BackgroundDispatcher implements Dispatcher {
  #settings = DEFAULTS;
  #coarser: DispatcherHost['coarser'] = () => undefined;
  #failed: DispatcherHost['failed'] = () => undefined;
  #queue: BackgroundQueue | undefined;
  #handle: DispatchContext['handle'] | undefined;
  readonly #running = new Set<Promise<void>>();
  #inHand = 0;
  readonly #closing = new AbortController();

  start({ config, coarser, failed }: DispatcherHost): void {
    this.#settings = OPTIONS.read(DEFAULTS, config);
    this.#coarser = coarser;
    this.#failed = failed;
  }

  dispatch(jobs: readonly InvalidationJob[], { handle, rewarm }: DispatchContext): void {
    this.#handle = handle;
    this.#queue ??= new BackgroundQueue(this.#settings.maxQueue, (tag) => this.#coarser(tag));
    for (const job of jobs) if (!job.done) this.#queue.add(job);
    void rewarm?.(jobs.filter(({ done }) => done));
    while (this.#running.size < this.#settings.concurrency && this.#queue.size > 0) this.#run();
  }

  state(): DispatcherState {
    return { status: 'up', waitingJobs: this.#left };
  }

  get #left(): number {
    return (this.#queue?.size ?? 0) + this.#inHand;
  }

  /** Carries out what is queued, without pauses between attempts. */
  async close(): Promise<void> {
    this.#closing.abort();
    await within(systemClock, this.#settings.drainTimeout, Promise.all(this.#running));
    if (this.#left > 0)
      this.#failed('background drain', `${this.#left} invalidation jobs were left at shutdown`, 'too slow');
  }

  #run(): void {
    const worker = this.#work().finally(() => this.#running.delete(worker));
    this.#running.add(worker);
  }

  async #work(): Promise<void> {
    // The write that dispatched goes on first.
    await Promise.resolve();
    for (let job = this.#queue!.next(); job !== undefined; job = this.#queue!.next()) {
      this.#inHand++;
      await this.#try(job);
      this.#inHand--;
    }
  }

  async #try(job: InvalidationJob): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#handle!(job);
      } catch (error) {
        if (attempt >= this.#settings.attempts || error instanceof InvalidationJobError) {
          return this.#failed(`background ${job.rule}`, `An invalidation of ${job.rule} was given up`, error);
        }
        await this.#pause(FIRST_PAUSE * 2 ** (attempt - 1));
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
  }
}
