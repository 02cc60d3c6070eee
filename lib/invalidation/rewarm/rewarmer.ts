import { within } from '../../common/async.js';
import { AsyncResource } from 'node:async_hooks';
import { excerpt } from '../../common/messages.js';
import type { Clock } from '../../common/time.js';
import type { OnceLog } from '../../observability/once-log.js';
import type { Rewarm } from './rewarm.js';
import { RewarmSigner } from './rewarm-signer.js';

/**
 * Computes one entry again, in this process.
 * @param isTrusted whether the entry provably comes from this application
 * @returns the reason why it cannot be computed here; rejects with the error of the method
 */
export type RunRewarm = (rewarm: Rewarm, isTrusted: boolean) => Promise<string | undefined>;

/** Entries that are computed at the same time: few, to leave the database to requests. */
const MAX_RUNNING = 4;

/** Entries that wait to be computed; further ones stay dropped. */
const MAX_WAITING = 1_000;

/** Time that a write waits for its entries to be computed. Milliseconds. */
const MAX_WRITE_WAIT = 100;

/** Time without waiting writes after one that waited {@link MAX_WRITE_WAIT} in vain. Milliseconds. */
const PAUSE_AFTER_TIMEOUT = 10_000;

/** Time that the shutdown waits for entries. Milliseconds. */
const MAX_DRAIN = 5_000;

/** Methods that have a log topic each; further ones share a topic. */
const MAX_NAMED = 200;

/** A name that is safe to log unchanged. */
const METHOD_NAME = /^[\x20-\x7e]{1,200}$/;

interface Task {
  readonly rewarm: Rewarm;
  /** Resolves with the error of the method, or `undefined`. Never rejects. */
  readonly done: Promise<unknown>;
  readonly settle: (error?: unknown) => void;
}

/** Computes invalidated entries again in the background: a few at a time, each key once. */
export class Rewarmer {
  readonly #waiting = new Map<string, Task>();
  readonly #running = new Set<Promise<void>>();
  /** Detaches computations from the async context of the request whose write caused them. */
  readonly #scope = new AsyncResource('RestflowCacheRewarm');
  readonly #named = new Set<string>();
  #isWriteWaiting = false;
  #nextWaitAt = 0;
  #isClosed = false;

  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    private readonly run: RunRewarm,
    readonly signer = new RewarmSigner(),
  ) {}

  /**
   * Adds entries, after they were invalidated. An entry that already waits is computed once. One that already runs may have read
   * old rows, so it is computed again.
   * @returns resolves when all are computed, with the error of each or `undefined`; never rejects
   */
  add(rewarms: readonly Rewarm[] = []): Promise<readonly unknown[]> {
    const done = rewarms.map((rewarm) => this.#add(rewarm));
    while (this.#running.size < MAX_RUNNING && this.#waiting.size > 0) this.#work();
    return Promise.all(done);
  }

  /**
   * Adds entries for a write that waits for them, but at most {@link MAX_WRITE_WAIT}. A waiting write may hold a connection of the pool,
   * which the computation needs: so one write waits at a time, and none for {@link PAUSE_AFTER_TIMEOUT} after a timeout.
   */
  async addFor(rewarms: readonly Rewarm[] = []): Promise<readonly unknown[]> {
    const done = this.add(rewarms);
    if (rewarms.length === 0 || this.#isWriteWaiting || this.clock.now() < this.#nextWaitAt) return [];
    this.#isWriteWaiting = true;
    const errors = await within(this.clock, MAX_WRITE_WAIT, done, () => {
      this.#nextWaitAt = this.clock.now() + PAUSE_AFTER_TIMEOUT;
      return [];
    });
    this.#isWriteWaiting = false;
    return errors;
  }

  /** Computes waiting entries for at most {@link MAX_DRAIN}, then stops. */
  async close(): Promise<void> {
    const idle = async (): Promise<void> => {
      while (this.#running.size > 0 && !this.#isClosed) await Promise.race(this.#running);
    };
    await within(this.clock, MAX_DRAIN, idle());
    this.#isClosed = true;
    const left = this.#waiting.size + this.#running.size;
    if (left > 0)
      this.log.warn(
        'rewarm close',
        `${left} entries were not recomputed before the shutdown; they stay dropped.`,
      );
    for (const task of this.#waiting.values()) task.settle();
    this.#waiting.clear();
  }

  #add(rewarm: Rewarm): Promise<unknown> {
    const key = JSON.stringify(rewarm, (_, value: unknown) =>
      typeof value === 'bigint' ? `${value}n` : value,
    );
    const known = this.#waiting.get(key);
    if (known !== undefined) return known.done;
    if (this.#isClosed) return Promise.resolve();
    if (this.#waiting.size >= MAX_WAITING) {
      this.#warn(rewarm, `more than ${MAX_WAITING} entries wait to be recomputed`);
      return Promise.resolve();
    }
    let settle: Task['settle'] = () => undefined;
    const done = new Promise<unknown>((resolve) => (settle = resolve));
    this.#waiting.set(key, { rewarm, done, settle });
    return done;
  }

  #work(): void {
    const [key, task] = this.#waiting.entries().next().value!;
    this.#waiting.delete(key);
    const running = this.#scope
      .runInAsyncScope(() => this.#try(task.rewarm))
      .then(task.settle)
      .finally(() => {
        this.#running.delete(running);
        if (this.#waiting.size > 0) this.#work();
      });
    this.#running.add(running);
  }

  /** @returns the error of the method, or `undefined` */
  async #try(rewarm: Rewarm): Promise<unknown> {
    try {
      const { signer } = this;
      const reason = signer.refusalOf(rewarm) ?? (await this.run(rewarm, signer.trusts(rewarm)));
      if (reason !== undefined) this.#warn(rewarm, reason);
      return undefined;
    } catch (error) {
      this.#warn(rewarm, error instanceof Error ? `${error.name}: ${error.message}` : String(error));
      return error ?? new Error('It failed without an error.');
    }
  }

  /** Logs why an entry was not computed. A queue may deliver any name: unsafe names, and those beyond {@link MAX_NAMED}, share a topic. */
  #warn({ method }: Rewarm, reason: string): void {
    if (this.#named.size < MAX_NAMED && METHOD_NAME.test(method)) this.#named.add(method);
    const isNamed = this.#named.has(method);
    this.log.warn(
      `rewarm ${isNamed ? method : ''} ${kindOfReason(reason)}`,
      `${isNamed ? method : excerpt(method)} was not recomputed after a change; it stays dropped: ${reason}.`,
    );
  }
}

/** The part of a reason before its first value or path: the topic of the log, so that the number of topics stays small. */
export function kindOfReason(reason: string): string {
  return reason.split(/[:/"]/, 1)[0]!;
}
