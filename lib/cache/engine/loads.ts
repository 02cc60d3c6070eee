import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/time.js';
import type { Stamp } from '../../stores/stamp.js';
import type { CacheStore, Entry } from '../../stores/store.interface.js';
import { currentLoad, LoadContext } from './load-context.js';

/** Result of a load: an entry, an error, or neither if the value may not be shared. */
export interface LoadOutcome {
  readonly entry?: Entry;
  readonly error?: unknown;
  readonly failed: boolean;
  /** The waiters waited for too long. */
  readonly isLate?: boolean;
}

const NO_RESULT: LoadOutcome = { failed: false };
const LATE: LoadOutcome = { failed: false, isLate: true };

/**
 * Calls wait for the load of another call for at most this long; then one of them loads, and the others wait for that. A load waits for
 * itself where its loader calls the method again from outside of its asynchronous context (a pool, an emitter, a queue), which nothing
 * shows. Milliseconds.
 */
export const MAX_JOIN_MS = 10_000;

/** Order of loads of one key that superseded each other. */
interface Succession {
  begun: number;
  /** The latest load whose value was stored. */
  stored: number;
}

/** One run of a loader, and the calls that wait for it. */
export class Load {
  readonly context: LoadContext;
  readonly #succession: Succession;
  readonly #position: number;
  /** Whether it waits for the lease of its key: a caller with the lease of a greater key must not wait for it (see `fleet-lock.ts`). */
  awaitsLease = false;
  #isOutdated = false;
  #outcome: LoadOutcome | undefined;
  #waiters: ((outcome: LoadOutcome) => void)[] | undefined;
  #onEnd: (() => void)[] | undefined;
  #stopWaiting: (() => void) | undefined;

  constructor(
    /** Changes where the load shows what its value depends on; see {@link LoadTable.move}. */
    public key: string,
    /** Read before the loader runs; `undefined` if the tags are not known: then nothing is stored. */
    readonly stamp: Stamp | undefined,
    store: CacheStore,
    /** Milliseconds after which the load no longer holds a place of the gate: it may hang. */
    readonly timeout: number,
    /** Milliseconds since the epoch after which no more calls join it. */
    public joinableUntil: number,
    private readonly clock: Clock,
    private readonly onSettled: (load: Load) => void,
    superseded?: Load,
  ) {
    this.context = new LoadContext(store);
    this.#succession = superseded === undefined ? { begun: 0, stored: 0 } : superseded.#succession;
    this.#position = ++this.#succession.begun;
    // Tags were bumped since the superseded load began.
    if (superseded?.stamp !== undefined && stamp?.equals(superseded.stamp) === false)
      superseded.#isOutdated = true;
  }

  /**
   * Asked right before the value is stored.
   * @returns false if the value of a later load is stored already: this one must not overwrite it
   */
  mayStore(): boolean {
    if (this.#isOutdated || this.#position < this.#succession.stored) return false;
    this.#succession.stored = this.#position;
    return true;
  }

  /** Ends the load and hands the outcome to the waiters. Only the first call counts. */
  settle(outcome: LoadOutcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.context.close();
    this.onSettled(this);
    this.#tell(outcome);
    for (const callback of this.#onEnd ?? []) callback();
    this.#onEnd = undefined;
  }

  /** Lets the waiters go without a result, each to a load of its own or to this one under another key. The load goes on. */
  releaseWaiters(): void {
    this.#tell(NO_RESULT);
  }

  #tell(outcome: LoadOutcome): void {
    const waiters = this.#waiters;
    this.#waiters = undefined;
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
    for (const waiter of waiters ?? []) waiter(outcome);
  }

  /** True if it has ended with a result that other calls may take: an entry or an error. */
  get isShareable(): boolean {
    return this.#outcome !== undefined && (this.#outcome.failed || this.#outcome.entry !== undefined);
  }

  /** Calls back when the load has ended. */
  whenEnded(callback: () => void): void {
    if (this.#outcome === undefined) (this.#onEnd ??= []).push(callback);
    else callback();
  }

  /** Resolves when the load has ended, or lets its waiters go; never rejects. */
  wait(): Promise<LoadOutcome> {
    if (this.#outcome !== undefined) return Promise.resolve(this.#outcome);
    this.#stopWaiting ??= this.clock.after(MAX_JOIN_MS, () => {
      this.joinableUntil = -Infinity;
      this.#tell(LATE);
    });
    return new Promise((resolve) => (this.#waiters ??= []).push(resolve));
  }
}

/** Calls that are reading one key from a store, and the load of the key that ended meanwhile. */
export interface Readers {
  count: number;
  endedLoad: Load | undefined;
}

/**
 * The running loads, at most one shared load a key (single-flight). A call joins a load only if it read the very stamp that the
 * load began under: a call that comes after a bump loads again. Over `maxLoads`, loads run unshared.
 */
export class LoadTable {
  readonly #loads = new Map<string, Load>();
  readonly #readers = new Map<string, Readers>();
  /** The ambient context stands in every key, so that loads may read it. */
  trustsContexts = false;

  constructor(
    private readonly maxLoads: number,
    private readonly clock: Clock,
  ) {}

  /** Finds the running load that began under a stamp and has not exceeded its timeout. */
  find(key: string, stamp: Stamp): Load | undefined {
    const load = this.#loads.get(key);
    if (load?.stamp?.equals(stamp) !== true) return undefined;
    const isLate = load.joinableUntil !== Infinity && this.clock.now() >= load.joinableUntil;
    return isLate ? undefined : load;
  }

  /** Finds a load as {@link find} does, unless it waits for the caller: a method that calls itself would wait forever. */
  joinable(key: string, stamp: Stamp): Load | undefined {
    if (this.waitsForCaller(key)) return undefined;
    const load = this.find(key, stamp);
    const heldLease = load?.awaitsLease === true ? currentLoad()?.heldLease : undefined;
    return heldLease !== undefined && heldLease > key ? undefined : load;
  }

  /** True if the load of a key cannot end before the load that the caller runs in. */
  waitsForCaller(key: string): boolean {
    const enclosing = currentLoad();
    return enclosing !== undefined && this.#loads.get(key)?.context.dependsOn(enclosing) === true;
  }

  /** Goes on with a load under another key: calls that wait for it find it there, if they ask for that key. */
  move(load: Load, key: string): void {
    if (load.key === key) return;
    const isShared = this.#loads.get(load.key) === load;
    if (isShared) this.#loads.delete(load.key);
    load.key = key;
    if (isShared && !this.#loads.has(key)) this.#loads.set(key, load);
    load.releaseWaiters();
  }

  /** Begins a load that others may join, and supersedes the running one. */
  begin(key: string, stamp: Stamp | undefined, store: CacheStore, timeout = Infinity): Load {
    const load = this.beginReplacement(key, stamp, store, timeout);
    if (stamp !== undefined && !this.isFull) this.#loads.set(key, load);
    return load;
  }

  /** Begins a load that no other call may join, and supersedes the running one: that must not overwrite its value. */
  beginReplacement(key: string, stamp: Stamp | undefined, store: CacheStore, timeout = Infinity): Load {
    const superseded = this.#loads.get(key);
    this.#loads.delete(key);
    return this.beginUnshared(key, stamp, store, timeout, superseded);
  }

  /** Begins a load that no other call may join. */
  beginUnshared(
    key: string,
    stamp: Stamp | undefined,
    store: CacheStore,
    timeout = Infinity,
    superseded?: Load,
  ): Load {
    const joinableUntil = timeout === Infinity ? Infinity : this.clock.now() + timeout;
    const load = new Load(key, stamp, store, timeout, joinableUntil, this.clock, this.#remove, superseded);
    load.context.trustsContexts = this.trustsContexts;
    load.context.heldLease = currentLoad()?.heldLease;
    return load;
  }

  /** Notes that a call reads a key from a store. */
  beginRead(key: string): Readers {
    let readers = this.#readers.get(key);
    if (readers === undefined) this.#readers.set(key, (readers = { count: 0, endedLoad: undefined }));
    readers.count++;
    return readers;
  }

  /** @returns the load that ended while the store was read; a call that read before the value was stored may take its result */
  endRead(key: string, readers: Readers): Load | undefined {
    if (--readers.count === 0 && this.#readers.get(key) === readers) this.#readers.delete(key);
    return readers.endedLoad;
  }

  get size(): number {
    return this.#loads.size;
  }

  get isFull(): boolean {
    return this.#loads.size >= this.maxLoads;
  }

  readonly #remove = (load: Load): void => {
    if (this.#loads.get(load.key) === load) this.#loads.delete(load.key);
    const readers = this.#readers.get(load.key);
    if (readers === undefined || !load.isShareable) return;
    readers.endedLoad = load;
    // Later readers find the stored entry.
    this.#readers.delete(load.key);
  };
}

const HIT_FOR_MISS_MS = 5_000;
const MAX_HIT_FOR_MISS = 10_000;

/**
 * Hit-for-miss: remembers keys whose last value could not be stored. For a while calls of such a key do not wait for each
 * other's loads, since none could take the other's value. A value that is stored clears the mark.
 */
export class HitForMiss {
  readonly #until = new LRUCache<string, number>({ max: MAX_HIT_FOR_MISS });

  constructor(private readonly clock: Clock) {}

  has(key: string): boolean {
    const until = this.#until.get(key);
    return until !== undefined && this.clock.now() < until;
  }

  mark(key: string): void {
    this.#until.set(key, this.clock.now() + HIT_FOR_MISS_MS);
  }

  clear(key: string): void {
    this.#until.delete(key);
  }
}
