import { isThenable, type Timers, within } from '../common/async.js';
import { messageOf } from '../common/messages.js';
import type { StoreState } from '../observability/metrics.js';
import { BumpLog } from './generations.js';
import { CircuitBreaker, WriteRefusals } from './circuit-breaker.js';
import {
  BumpQueuedError,
  type CacheStore,
  Entry,
  type InvalidationMode,
  readMany,
  type StoreHost,
  type StoreQuery,
  StoreRefusedError,
  StoreTimeoutError,
  StoreUnavailableError,
  UNATTACHED,
} from './store.interface.js';
import type { Stamp, Verdict } from './stamp.js';
import { UnsentBumps } from './unsent-bumps.js';

/** How long after a failed attempt unsent bumps are sent again, in milliseconds. */
const RETRY_MS = 250;

/** Tags that are bumped in one go. */
const MAX_AT_ONCE = 500;

/** How long the boot waits for the store, in milliseconds; then the application starts without it. */
const BOOT_MS = 2_000;

/**
 * Stands before a shared store: every call ends within the timeout, a store that fails is left alone for a while, and a
 * bump that did not reach it is sent again until it did, while this process serves nothing that it covers.
 */
export class GuardedStore implements CacheStore {
  readonly kind: string;
  readonly keepsReferences: boolean;
  readonly #unsent = new UnsentBumps();
  /** Those that the store got late: reads that were under way may have been answered before it did. */
  readonly #late = new BumpLog();
  readonly #breaker: CircuitBreaker;
  readonly #refusals: WriteRefusals;
  readonly #timers: Timers = {
    // A busy process has answers waiting: they are read before a call counts as timed out.
    after: (ms, callback) => this.#host.after(ms, () => setImmediate(callback)),
  };
  #host = UNATTACHED;
  #retrying = false;
  #closed = false;
  #timeouts = 0;
  #errors = 0;

  constructor(
    private readonly inner: CacheStore,
    /** Milliseconds. */
    private readonly timeout: number,
  ) {
    this.kind = inner.kind;
    this.keepsReferences = inner.keepsReferences;
    this.#breaker = new CircuitBreaker(
      () => this.#host.now(),
      (isOpen, error) =>
        this.#report(
          isOpen,
          error,
          isOpen ? `is down (${messageOf(error)}): values are loaded uncached until it is back.` : 'is back.',
        ),
    );
    this.#refusals = new WriteRefusals(
      () => this.#host.now(),
      (isRefusing, error) =>
        this.#report(
          isRefusing,
          error,
          isRefusing
            ? `takes no writes (${messageOf(error)}): what is loaded is not cached, and invalidations are kept until it does.`
            : 'takes writes again.',
        ),
    );
  }

  attach(host: StoreHost): void {
    this.#host = host;
    this.inner.attach?.(host);
  }

  /** Waits for the store while the application boots, for at most {@link BOOT_MS}. */
  async ready(): Promise<void> {
    if (this.inner.ready !== undefined) await within(this.#host, BOOT_MS, this.inner.ready());
  }

  /** Whether the store answers, as far as is known. */
  get isAvailable(): boolean {
    return !this.#breaker.isOpen;
  }

  /** One that knows its connection may be back though nobody has called since it went. */
  state(): StoreState {
    const known = this.inner.state?.();
    const isAway =
      known === undefined ? this.#breaker.isOpen : this.#breaker.isResting || known.status === 'down';
    return {
      ...known,
      status: isAway || this.#refusals.isRefusing ? 'down' : 'up',
      waitingBumps: this.#unsent.size + (known?.waitingBumps ?? 0),
      timeouts: this.#timeouts + (known?.timeouts ?? 0),
      errors: this.#errors + (known?.errors ?? 0),
    };
  }

  async get(query: StoreQuery): Promise<Entry | Stamp> {
    const began = this.#late.now();
    const reading = await this.guard(() => this.inner.get(query));
    return this.#isCovered(reading, began) ? this.stamp(query.tags()) : reading;
  }

  async getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    const began = this.#late.now();
    const readings = await this.guard(() => readMany(this.inner, queries));
    if (!readings.some((reading) => this.#isCovered(reading, began))) return readings;
    return Promise.all(
      readings.map((reading, i) =>
        this.#isCovered(reading, began) ? this.stamp(queries[i]!.tags()) : reading,
      ),
    );
  }

  /** Whether its bump is, or was while it was read, on the way: the store may have called it current, but it is not here. */
  #isCovered(reading: Entry | Stamp, began: number): boolean {
    if (this.#unsent.size === 0 && this.#late.now() === began) return false;
    if (!(reading instanceof Entry)) return false;
    const { tags } = reading.stamp;
    return this.#unsent.covers(tags) || this.#late.bumpedSince(began, tags);
  }

  stamp(tags: readonly string[]): Promise<Stamp> {
    return this.guard(() => this.inner.stamp(tags));
  }

  async judge(stamp: Stamp): Promise<Verdict> {
    if (this.#unsent.size > 0 && this.#unsent.covers(stamp.tags)) return 'purged';
    return this.guard(() => this.inner.judge(stamp));
  }

  /** A store that is away said so when it went: its callers are only told that it did not take the entry. */
  async set(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    try {
      const taken = await this.guard(() => this.inner.set(query, entry));
      this.#refusals.taken();
      return taken;
    } catch (error) {
      if (error instanceof StoreUnavailableError) return false;
      throw error;
    }
  }

  touch(key: string, entry: Entry): void {
    if (this.isAvailable) this.inner.touch?.(key, entry);
  }

  async bump(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    if (tags.length === 0) return;
    const isFirst = this.#unsent.size === 0;
    const mark = this.#unsent.add(tags, mode);
    try {
      await this.#send(tags, mode, mark, !isFirst);
      this.#refusals.taken();
    } catch (error) {
      this.#unsent.bound(this.#host.coarser);
      this.#retryLater();
      throw new BumpQueuedError(
        `An invalidation did not reach the ${this.kind} store yet: ${messageOf(error)}`,
        { cause: error },
      );
    }
    // Others became coarser meanwhile: those are nobody's own.
    if (this.#unsent.hasCoarse) this.#retryLater();
  }

  sweep(prefix: string, drop: (key: string) => boolean): Promise<void> {
    return Promise.resolve(this.inner.sweep(prefix, drop));
  }

  /** What is unsent is tried once more: after that nobody knows of it. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#unsent.size > 0) await this.#retry();
    await this.inner.close?.();
  }

  /** Waits for an answer for at most the timeout; what comes later is thrown away. */
  protected async guard<T>(ask: () => T | Promise<T>): Promise<T> {
    if (!this.#breaker.allows()) throw new StoreUnavailableError(`The ${this.kind} store does not answer`);
    try {
      const asked = ask();
      const answer = isThenable(asked)
        ? await within(this.#timers, this.timeout, asked as PromiseLike<T>, this.#onTimeout)
        : asked;
      this.#breaker.succeeded();
      return answer;
    } catch (error) {
      if (error instanceof StoreTimeoutError) this.#timeouts++;
      else this.#errors++;
      if (error instanceof StoreRefusedError) {
        this.#breaker.succeeded();
        this.#refusals.refused(error);
      } else this.#breaker.failed(error);
      throw error;
    }
  }

  /** In parts: all at once may take longer than the timeout, on every attempt. */
  async #send(tags: readonly string[], mode: InvalidationMode, mark: number, isLate: boolean): Promise<void> {
    for (let from = 0; from < tags.length; from += MAX_AT_ONCE) {
      const part = tags.slice(from, from + MAX_AT_ONCE);
      await this.guard(() => this.inner.bump(part, mode));
      if (isLate) this.#late.note(part);
      this.#unsent.remove(part, mode, mark);
    }
  }

  #retryLater(): void {
    if (this.#retrying || this.#closed) return;
    this.#retrying = true;
    this.#host.after(RETRY_MS, () => void this.#retry());
  }

  async #retry(): Promise<void> {
    try {
      for (const mode of ['purge', 'expire'] as const) {
        const { tags, mark } = this.#unsent.take(mode);
        if (tags.length === 0) continue;
        await this.#send(tags, mode, mark, true);
      }
    } catch {
      // The next attempt is due: what is unsent stays, and the breaker has told.
    }
    this.#retrying = false;
    if (this.#unsent.size > 0) this.#retryLater();
  }

  readonly #onTimeout = (): never => {
    throw new StoreTimeoutError(this.kind, this.timeout);
  };

  #report(isDown: boolean, error: unknown, what: string): void {
    this.#host.changed?.(isDown ? 'down' : 'up', error);
    this.#host.log(`The ${this.kind} store ${what}`);
  }
}
