import { systemClock } from '../common/time.js';
import type { StoreState } from '../observability/metrics.js';
import type { Stamp, Verdict } from './stamp.js';

/**
 * A value now, or a promise of it: a store in memory answers without a promise.
 *
 * @publicApi
 */
export type MaybePromise<T> = T | Promise<T>;

/**
 * After a purge, an entry is never served again; after an expire it may be served as stale while a load runs.
 *
 * @publicApi
 */
export type InvalidationMode = 'purge' | 'expire';

/**
 * A value prepared for encoding: plain data for a binary codec, and raw bytes.
 *
 * @publicApi
 */
export interface Wire {
  /** Plain data. */
  readonly data: unknown;
  /** A few bits for the codec of the value. */
  readonly flags: number;
  /** Estimated size in memory. */
  readonly size: number;
  /** Raw bytes, stored after the data. */
  readonly bytes?: Buffer | undefined;
  /** True if the bytes are compressed already. */
  readonly isDense?: boolean | undefined;
}

/**
 * Converts the stored form of a value into plain data and back. Stores that keep references do not use it.
 *
 * @publicApi
 */
export interface ValueCodec {
  /** Called once, when a value is stored. */
  encode(stored: unknown): Wire;
  /**
   * @param kept whether the store keeps the decoded value for other reads, so that each needs a copy
   * @throws anything, for data that `encode` did not write: the read is a miss
   */
  decode(wire: Wire, kept: boolean): unknown;
}

/**
 * One read: the key and its tags, which are computed only where a store needs them.
 *
 * @publicApi
 */
export interface StoreQuery {
  /** Complete, namespace included. */
  readonly key: string;
  /** Encodes and decodes the value. */
  readonly values: ValueCodec;
  /** The complete tags that the entry carries. */
  tags(): readonly string[];
}

/**
 * Holds entries and generations. Keys and tags arrive complete (namespace included) and never collide, so that a store may use them as
 * they are. A store may throw or reject: the engine then treats the read as a miss.
 *
 * @publicApi
 */
export interface CacheStore {
  /** A short name for logs and `cache.status()`, e.g. `memory`. */
  readonly kind: string;
  /**
   * True where reads return the very object that was stored, so that the engine must copy it; false where every read decodes a new one.
   */
  readonly keepsReferences: boolean;
  /**
   * Reads an entry and the generations it depends on, in one network wait.
   * @returns the entry, with `expired` set where a tag was expired; or, without an entry or after a purge, the stamp under which a new
   * one may be loaded.
   */
  get(query: StoreQuery): MaybePromise<Entry | Stamp>;
  /**
   * Reads many keys at once, with the results of `get`, in the order of the queries. Optional: without it, `get` is called concurrently.
   */
  getMany?(queries: readonly StoreQuery[]): MaybePromise<readonly (Entry | Stamp)[]>;
  /** Reads the current generations of these tags, and creates absent ones. */
  stamp(tags: readonly string[]): MaybePromise<Stamp>;
  /** Compares a stamp with the current generations. Creates none: a missing generation is `purged`. */
  judge(stamp: Stamp): MaybePromise<Verdict>;
  /**
   * Stores an entry until its `keepUntil`, and extends the lives of its generations.
   * @returns false if the entry is known not to be stored: it is too large, or its stamp is outdated
   */
  set(query: StoreQuery, entry: Entry): MaybePromise<boolean | void>;
  /**
   * Called for each entry without expiry that L1 serves, so that the store may extend its life. Optional and synchronous: no caller waits
   * for its effect.
   */
  touch?(key: string, entry: Entry): void;
  /** Writes new generations for these tags. After it has returned, no entry with an earlier stamp is fresh. */
  bump(tags: readonly string[], mode: InvalidationMode): MaybePromise<void>;
  /** Removes the entries whose keys begin with `prefix` and for which `drop` returns true. They were bumped before, and so unreachable. */
  sweep(prefix: string, drop: (key: string) => boolean): MaybePromise<void>;
  /** State of the store, as far as is known without asking it; for `cache.metrics()` and `cache.health()`. */
  state?(): StoreState;
  /** Connects the store to the application that uses it. */
  attach?(host: StoreHost): void;
  /** Resolves when the store is ready for calls. Never rejects; the boot waits for it for a limited time. */
  ready?(): Promise<void>;
  /** Closes the connections that the store itself opened. */
  close?(): MaybePromise<void>;
}

/**
 * The value under a key, with its times and its stamp. Times are milliseconds since the Unix epoch, by the clock of this process; `Infinity`
 * means never.
 *
 * @publicApi
 */
export class Entry {
  /** True after one of its tags was expired (a soft bump): it may be served as stale, never as fresh. */
  expired = false;
  /** Milliseconds from the clock of the process that stored it to that of this one. Times inside the value are by the former. */
  shift = 0;

  constructor(
    /** The value as the engine prepared it: a snapshot that no other code refers to, or a recorded response. */
    readonly value: unknown,
    readonly cachedAt: number,
    /** End of the time in which it may be served as fresh. */
    readonly freshUntil: number,
    /** End of the time in which it is kept for `staleWhileRevalidate` and `staleIfError`; never before `freshUntil`. */
    readonly keepUntil: number,
    readonly stamp: Stamp,
    /** Estimated size in bytes, key and tags included. */
    readonly size: number,
  ) {}

  /** A copy with its value in another form. */
  with(value: unknown): Entry {
    const { cachedAt, freshUntil, keepUntil, stamp, size } = this;
    const entry = new Entry(value, cachedAt, freshUntil, keepUntil, stamp, size);
    entry.expired = this.expired;
    entry.shift = this.shift;
    return entry;
  }

  /** @param now milliseconds since the Unix epoch */
  isFresh(now: number): boolean {
    return now < this.freshUntil && !this.expired;
  }
}

/**
 * The right to load a key in the whole fleet; it ends by itself when its holder dies.
 *
 * @publicApi
 */
export interface Lease {
  /** Gives the lease back. Never rejects: a lease that is not given back ends by itself. */
  release(): Promise<void>;
}

/**
 * Members that a store adds to {@link CacheStore} for `lock: 'distributed'`: through them, processes agree on which of them loads.
 *
 * @example
 * class LockingStore implements CacheStore, LeaseStore {
 *   async acquire(key: string) {
 *     const token = await this.client.lock(key, { seconds: 10 }); // ends by itself when this process dies
 *     return token && { release: () => this.client.unlock(key, token) };
 *   }
 *   …
 * }
 *
 * @publicApi
 */
export interface LeaseStore {
  /**
   * @param key of the entry to be loaded
   * @returns the lease, or `undefined` where another process holds it
   */
  acquire(key: string): Promise<Lease | undefined>;
  /** Reads as `get` does, but bypasses the memory of this process. Optional for stores whose `get` reads no such memory. */
  getShared?(query: StoreQuery): MaybePromise<Entry | Stamp>;
  /** True if every lease is granted, because the store behind has no leases. Default false. */
  readonly grantsAll?: boolean | undefined;
}

export function hasLeases(store: object): store is LeaseStore {
  return typeof (store as Partial<LeaseStore>).acquire === 'function';
}

/** True if the processes that use a store agree on which of them loads. */
export function agreesOnLoads(store: object): boolean {
  return hasLeases(store) && store.grantsAll !== true;
}

/** A store that can answer some reads from the memory of this process. */
export interface HeldEntries {
  /** The entry that `get` would return without waiting, fresh or not; `undefined` if `get` would read elsewhere, or finds none. */
  held(query: Pick<StoreQuery, 'key'>): Entry | undefined;
}

export function holdsEntries(store: CacheStore): store is CacheStore & HeldEntries {
  return typeof (store as Partial<HeldEntries>).held === 'function';
}

/**
 * A point in the log of bumps. Only the store that returned it can read it.
 *
 * @publicApi
 */
export type BumpPosition = string | number;

/**
 * Members that a store adds to {@link CacheStore} so that the entry of a load may carry tags that the load learned while it ran. A bump
 * must be in the log before it renews a generation. Without these members, such entries are stored only under tags that were known before
 * their load.
 *
 * @publicApi
 */
export interface BumpLogStore {
  /**
   * Reads the present end of the log.
   * @param tags of the entry that is to be loaded
   */
  bumpPosition(tags: readonly string[]): MaybePromise<BumpPosition>;
  /**
   * Reads the generations of tags, creating absent ones, and after that the log.
   * @returns `undefined` if one of the tags was bumped since the position, or the log no longer reaches back to it
   */
  stampSince(tags: readonly string[], position: BumpPosition): MaybePromise<Stamp | undefined>;
}

export function hasBumpLog(store: object): store is BumpLogStore {
  return typeof (store as Partial<BumpLogStore>).stampSince === 'function';
}

/**
 * Reports bumps to the L1 of other processes, and monitors that they arrive. The store that writes a bump publishes it.
 *
 * @publicApi
 */
export interface Bus {
  /** True if all bumps that were published up to one heartbeat ago have provably arrived. */
  isTrusted(): boolean;
  /** Seconds that the last message of this process took to come back; `undefined` until one has. */
  lag?(): number | undefined;
  /** @param onReset called when messages may have been missed: entries in L1 may be outdated */
  listen(onBump: (tags: readonly string[], mode: InvalidationMode) => void, onReset: () => void): void;
  /** Called once, by the application that uses the store. */
  attach(host: StoreHost): void;
  /** Closes the connection that {@link BusStore.openBus} opened. */
  close(): Promise<void>;
}

/**
 * Members that a store adds to {@link CacheStore} to be the `l2` of a `tieredStore` with `consistency: 'bus'`.
 *
 * @publicApi
 */
export interface BusStore {
  /** Called once, by the tiered store above. */
  openBus(): Bus;
}

/** Reads many keys at once if the store can, otherwise with concurrent calls. */
export function readMany(
  store: CacheStore,
  queries: readonly StoreQuery[],
): MaybePromise<readonly (Entry | Stamp)[]> {
  if (store.getMany !== undefined) return store.getMany(queries);
  return Promise.all(queries.map((query) => store.get(query)));
}

/**
 * The application that uses a store, as the store sees it.
 *
 * @publicApi
 */
export interface StoreHost {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Runs a callback later; the timer never keeps the process alive. Returns its cancellation. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** True if tests set the time: it does not pass with that of servers. */
  readonly isManual?: boolean | undefined;
  /** Called when the clock of this process, or that of the store, was set: times of entries that were read before are wrong. */
  readonly clockSet?: (() => void) | undefined;
  /** Writes to the log of the application. */
  readonly log: (message: string) => void;
  /** Reports that the store does not answer any more, or refuses writes, or is back. */
  readonly changed?: ((status: 'up' | 'down', reason?: unknown) => void) | undefined;
  /** A tag that covers the given one and others; `undefined` for the tag that covers all. */
  readonly coarser: (tag: string) => string | undefined;
}

/**
 * The store does not answer, or is not asked because it recently did not answer. It was reported when it went down.
 *
 * @publicApi
 */
export class StoreUnavailableError extends Error {
  /** Stable. */
  readonly code: string = 'STORE_UNAVAILABLE';
}

/** The store did not answer in time. */
export class StoreTimeoutError extends StoreUnavailableError {
  constructor(kind: string, timeout: number) {
    super(`The ${kind} store did not answer within ${timeout} ms`);
  }
}

/** The store answers, but refuses writes. Reads go on. */
export class StoreRefusedError extends StoreUnavailableError {
  override readonly code = 'STORE_REFUSED';
}

/** An invalidation has not reached the store yet: it is kept and sent again, and this process serves nothing that it covers. */
export class BumpQueuedError extends StoreUnavailableError {
  override readonly code = 'BUMP_QUEUED';
}

/** The host of a store that no application uses yet. */
export const UNATTACHED: StoreHost = { ...systemClock, log: () => undefined, coarser: () => undefined };
