import { isThenable, type Timers, within } from '../common/async.js';
import { messageOf } from '../common/messages.js';
import type { StoreState } from '../observability/metrics.js';
import { traced } from '../observability/tracing.js';
import { CircuitBreaker, WriteRefusals } from './circuit-breaker.js';
import { isEncoded, type ValueEncoding } from './encoded-value.js';
import { BumpLog } from './generations.js';
import { MemoryStore } from './memory-store.js';
import { LARGE_BYTES, SlowValues } from './slow-values.js';
import type { Stamp, Verdict } from './stamp.js';
import {
  type BumpLogStore,
  BumpQueuedError,
  type BusStore,
  type CacheStore,
  Entry,
  type InvalidationMode,
  type Lease,
  type LeaseStore,
  type MaybePromise,
  type StoreHost,
  type StoreQuery,
  StoreRefusedError,
  StoreTimeoutError,
  StoreUnavailableError,
  UNATTACHED,
} from './store.interface.js';
import { UnsentBumps } from './unsent-bumps.js';

/** Pause before unsent bumps are sent again, in milliseconds. */
const RETRY_MS = 250;

/** Tags of one bump. A bump of more could exceed the timeout on every attempt. */
const MAX_TAGS_PER_BUMP = 500;

/** Time that the boot waits for the store; then the application starts without it. Milliseconds. */
const BOOT_MS = 2_000;

/** Timeout of stores that applications wrote, in milliseconds. */
const TIMEOUT_MS = 1_000;

type Inner = CacheStore &
  Partial<LeaseStore & BusStore & BumpLogStore> & {
    /** True if it calls `host.changed` when it goes down and when it is back: it knows the cause. */
    readonly reportsOutages?: boolean;
    /** Removes the entry of a key. Never rejects. */
    discard?(key: string): Promise<void>;
  };

export interface GuardOptions {
  /** Timeout of a call. Milliseconds. */
  readonly timeout: number;
  /** Of a store that keeps values as bytes. It runs outside of the timeout and the circuit breaker: its failures are not the store's. */
  readonly encoding?: ValueEncoding | undefined;
}

/**
 * Stands before a store that may fail: every call ends within the timeout, a circuit breaker keeps calls away from a store that does not
 * answer, and a bump that did not reach the store is sent again until it did; until then this process serves nothing that the bump covers.
 *
 * Optional members (`getMany`, `touch`, leases, the bus) exist exactly where the inner store has them.
 */
export class GuardedStore implements CacheStore, Partial<LeaseStore & BusStore & BumpLogStore> {
  readonly kind: string;
  readonly keepsReferences: boolean;
  readonly getMany: CacheStore['getMany'];
  readonly getShared: LeaseStore['getShared'];
  readonly touch: CacheStore['touch'];
  readonly acquire?: LeaseStore['acquire'];
  readonly openBus?: BusStore['openBus'];
  readonly bumpPosition?: BumpLogStore['bumpPosition'];
  readonly stampSince?: BumpLogStore['stampSince'];
  readonly #timeout: number;
  readonly #encoding: ValueEncoding | undefined;
  readonly #unsent = new UnsentBumps();
  /** Bumps that reached the store late: reads that ran meanwhile may have been answered before. */
  readonly #late = new BumpLog();
  readonly #breaker: CircuitBreaker;
  readonly #refusals: WriteRefusals;
  readonly #timers: Timers = {
    // A busy process has answers waiting: they are read before a call counts as timed out.
    after: (ms, callback) => this.#host.after(ms, () => setImmediate(callback)),
  };
  #host = UNATTACHED;
  #retrying = false;
  readonly #slow = new SlowValues();
  #closed = false;
  #isInnerDown = false;
  /** Set while the store is reported as down. */
  #outage: { readonly reason: unknown } | undefined;
  #timeouts = 0;
  #errors = 0;

  constructor(
    readonly inner: Inner,
    { timeout, encoding }: GuardOptions,
  ) {
    this.kind = inner.kind;
    this.keepsReferences = inner.keepsReferences;
    this.#timeout = timeout;
    this.#encoding = encoding;
    if (inner.getMany !== undefined) this.getMany = (queries) => this.#getMany(queries);
    if (inner.getShared !== undefined)
      this.getShared = (query) => this.#read(query, () => inner.getShared!(query));
    if (inner.touch !== undefined) this.touch = (key, entry) => this.isAvailable && inner.touch!(key, entry);
    if (inner.acquire !== undefined) this.acquire = (key) => this.#acquire(() => inner.acquire!(key));
    if (inner.openBus !== undefined) this.openBus = () => inner.openBus!();
    if (inner.stampSince !== undefined) {
      this.bumpPosition = (tags) => this.#guard('position', () => inner.bumpPosition!(tags));
      // An unsent bump is not in the log yet.
      this.stampSince = async (tags, position) =>
        this.#unsent.covers(tags)
          ? undefined
          : this.#guard('stamp_since', () => inner.stampSince!(tags, position));
    }
    const now = (): number => this.#host.now();
    this.#breaker = new CircuitBreaker(now, (_, error) => this.#reportOutage(error));
    this.#refusals = new WriteRefusals(now, (isRefusing, error) =>
      this.#report(
        isRefusing,
        error,
        isRefusing
          ? `refuses writes: ${messageOf(error)}. Loaded values are not cached, and invalidations are kept until it accepts them.`
          : 'accepts writes again.',
      ),
    );
  }

  get grantsAll(): boolean | undefined {
    return this.inner.grantsAll;
  }

  attach(host: StoreHost): void {
    this.#host = host;
    this.#closed = false;
    this.inner.attach?.({ ...host, changed: (status, reason) => this.#innerChanged(status, reason) });
    // A failure is reported by the first read or write that needs it.
    this.#encoding?.open().catch(() => undefined);
  }

  /** Waits for the store while the application boots, for at most {@link BOOT_MS}. */
  async ready(): Promise<void> {
    const encoding = this.#encoding?.open().catch(() => undefined);
    await within(this.#host, BOOT_MS, Promise.all([this.inner.ready?.(), encoding]));
  }

  /** True if the store answers, as far as is known. */
  get isAvailable(): boolean {
    return !this.#breaker.isOpen;
  }

  /** An inner store that knows its connection may be back although no call has found out yet. */
  state(): StoreState {
    const known = this.inner.state?.();
    const isAway =
      known === undefined ? this.#breaker.isOpen : this.#breaker.isBlocking || known.status === 'down';
    const isDown = isAway || this.#refusals.isRefusing;
    const reason = isDown ? (known?.reason ?? this.#reason) : undefined;
    return {
      ...known,
      status: isDown ? 'down' : 'up',
      ...(reason !== undefined && { reason }),
      waitingBumps: this.#unsent.size + (known?.waitingBumps ?? 0),
      timeouts: this.#timeouts + (known?.timeouts ?? 0),
      errors: this.#errors + (known?.errors ?? 0),
    };
  }

  get #reason(): string | undefined {
    const error = this.#outage?.reason ?? this.#refusals.error;
    return error === undefined ? undefined : messageOf(error);
  }

  get(query: StoreQuery): Promise<Entry | Stamp> {
    return this.#read(query, () => this.inner.get(query));
  }

  async #read(query: StoreQuery, ask: () => MaybePromise<Entry | Stamp>): Promise<Entry | Stamp> {
    if (this.#slow.has(query.key)) return this.stamp(query.tags());
    if (this.#encoding?.isOpen === false) await this.#encoding.open();
    const began = this.#late.now();
    return this.#usable(query, await this.#guard('get', ask), began);
  }

  async #getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    if (this.#encoding?.isOpen === false) await this.#encoding.open();
    const began = this.#late.now();
    const readings = await this.#guard('get_many', () => this.inner.getMany!(queries));
    const usable = readings.map((reading, i) => this.#usable(queries[i]!, reading, began));
    return usable.some(isThenable) ? Promise.all(usable) : (usable as (Entry | Stamp)[]);
  }

  /** Replaces an entry that must not be served or cannot be decoded by its stamp. */
  #usable(query: StoreQuery, reading: Entry | Stamp, began: number): MaybePromise<Entry | Stamp> {
    if (this.#isCovered(reading, began)) return this.stamp(query.tags());
    if (!isEncoded(reading) || this.#encoding === undefined) return reading;
    return this.#encoding.decode(query, reading).catch(() => this.stamp(query.tags()));
  }

  /** True if a bump of its tags has not reached the store, or reached it during the read: the store may have called it current. */
  #isCovered(reading: Entry | Stamp, began: number): boolean {
    if (this.#unsent.size === 0 && this.#late.now() === began) return false;
    if (!(reading instanceof Entry)) return false;
    const { tags } = reading.stamp;
    return this.#unsent.covers(tags) || this.#late.bumpedSince(began, tags);
  }

  stamp(tags: readonly string[]): Promise<Stamp> {
    return this.#guard('stamp', () => this.inner.stamp(tags));
  }

  async judge(stamp: Stamp): Promise<Verdict> {
    if (this.#unsent.size > 0 && this.#unsent.covers(stamp.tags)) return 'purged';
    return this.#guard('judge', () => this.inner.judge(stamp));
  }

  /** A store that is away was reported when it went: its callers are only told that the entry is not stored. */
  async set(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    const encoded = this.#encoding === undefined ? entry : await this.#encoding.encode(query, entry);
    if (encoded === undefined) return false;
    if (encoded.size >= LARGE_BYTES) return this.#setLarge(query, encoded);
    try {
      const isStored = await this.#guard('set', () => this.inner.set(query, encoded));
      this.#refusals.accepted();
      return isStored;
    } catch (error) {
      if (error instanceof StoreUnavailableError) return false;
      throw error;
    }
  }

  /**
   * Stores a large value. That it takes long says nothing of the server, so it does not count for the circuit breaker, and the caller waits
   * for the timeout only. A key whose value takes longer is left uncached for a time: no read would have it in time either.
   */
  async #setLarge(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    if (!this.isAvailable || this.#slow.has(query.key)) return false;
    const began = this.#host.now();
    const set = Promise.resolve(this.inner.set(query, entry));
    const stored = set.then(
      (isStored) => {
        const took = this.#host.now() - began;
        if (took <= this.#timeout) return isStored;
        const { kind } = this;
        this.#slow.add(query.key, this.#host, { kind, size: entry.size, took, timeout: this.#timeout });
        void this.inner.discard?.(query.key);
        return isStored;
      },
      (error: unknown) => {
        this.#errors++;
        if (error instanceof StoreRefusedError) this.#refusals.refused(error);
        return false;
      },
    );
    return within(this.#timers, this.#timeout, stored, () => false);
  }

  async bump(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    if (tags.length === 0) return;
    const isFirst = this.#unsent.size === 0;
    const mark = this.#unsent.add(tags, mode);
    try {
      await this.#send(tags, mode, mark, !isFirst);
      this.#refusals.accepted();
    } catch (error) {
      this.#unsent.bound(this.#host.coarser);
      this.#retryLater();
      throw new BumpQueuedError(
        `An invalidation did not reach the ${this.kind} store yet: ${messageOf(error)}`,
        { cause: error },
      );
    }
    // Tags of other callers became coarser meanwhile: no caller sends those again.
    if (this.#unsent.hasCoarse) this.#retryLater();
  }

  sweep(prefix: string, drop: (key: string) => boolean): Promise<void> {
    return Promise.resolve(this.inner.sweep(prefix, drop));
  }

  /** Unsent bumps are tried once more: after the process has ended they are lost. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#unsent.size > 0) await this.#retry();
    // Another application may have attached it meanwhile.
    if (this.#closed) await this.inner.close?.();
  }

  /** The inner store knows its connection better than calls do: when it is back, calls pass again at once. */
  #innerChanged(status: 'up' | 'down', reason: unknown): void {
    this.#isInnerDown = status === 'down';
    if (status === 'up' && this.#breaker.isOpen) this.#breaker.succeeded();
    else this.#reportOutage(reason);
  }

  /** Reports once that the store is down, and once that it is back. */
  #reportOutage(reason: unknown): void {
    const isOpen = this.#breaker.isOpen && !this.#isInnerAboutToReport;
    const isDown = isOpen || this.#isInnerDown;
    if (isDown === (this.#outage !== undefined)) return;
    this.#outage = isDown ? { reason } : undefined;
    this.#report(
      isDown,
      reason,
      isDown ? `is down: ${messageOf(reason)}. Values are loaded uncached until it is back.` : 'is back.',
    );
  }

  get #isInnerAboutToReport(): boolean {
    return this.inner.reportsOutages === true && !this.#isInnerDown && this.inner.state?.().status === 'down';
  }

  /** Releases a lease that is granted after the timeout: its caller has gone on without it, so it would be renewed forever. */
  async #acquire(acquire: () => Promise<Lease | undefined>): Promise<Lease | undefined> {
    let granted: Promise<Lease | undefined> | undefined;
    try {
      return await this.#guard('acquire', () => (granted = acquire()));
    } catch (error) {
      granted?.then(
        (lease) => lease?.release(),
        () => undefined,
      );
      throw error;
    }
  }

  /** Waits for an answer for at most the timeout; a later answer is dropped. */
  #guard<T>(operation: string, ask: () => MaybePromise<T>): Promise<T> {
    return traced(`cache.store.${operation}`, { 'cache.store': this.kind }, () => this.#ask(ask));
  }

  async #ask<T>(ask: () => MaybePromise<T>): Promise<T> {
    if (!this.#breaker.allows()) throw new StoreUnavailableError(`The ${this.kind} store does not answer`);
    try {
      const asked = ask();
      const answer = isThenable(asked)
        ? await within(this.#timers, this.#timeout, asked as PromiseLike<T>, this.#onTimeout)
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

  readonly #onTimeout = (): never => {
    throw new StoreTimeoutError(this.kind, this.#timeout);
  };

  async #send(tags: readonly string[], mode: InvalidationMode, mark: number, isLate: boolean): Promise<void> {
    for (let from = 0; from < tags.length; from += MAX_TAGS_PER_BUMP) {
      const part = tags.slice(from, from + MAX_TAGS_PER_BUMP);
      await this.#guard('bump', () => this.inner.bump(part, mode));
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
      // The circuit breaker has reported it, and the next attempt sends what is left.
    }
    this.#retrying = false;
    if (this.#unsent.size > 0) this.#retryLater();
  }

  #report(isDown: boolean, error: unknown, message: string): void {
    this.#host.changed?.(isDown ? 'down' : 'up', error);
    this.#host.log(`The ${this.kind} store ${message}`);
  }
}

/** One store has one guard, in all applications and under all names. */
const guards = new WeakMap<CacheStore, GuardedStore>();

/** Guards a store that an application wrote. Memory never fails, and the shared stores of this library are guarded already. */
export function guardStore(store: CacheStore): CacheStore {
  if (store instanceof MemoryStore || store instanceof GuardedStore) return store;
  let guard = guards.get(store);
  if (guard === undefined) guards.set(store, (guard = new GuardedStore(store, { timeout: TIMEOUT_MS })));
  return guard;
}
