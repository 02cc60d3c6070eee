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
 * A purge forbids ever serving what it hits again; an expire allows it as stale while a fresh load runs.
 *
 * @publicApi
 */
export type InvalidationMode = 'purge' | 'expire';

/**
 * A value on its way into bytes: plain data for a binary codec, and bytes that stay as they are.
 *
 * @publicApi
 */
export interface Wire {
  /** Plain data. */
  readonly data: unknown;
  /** Small bits of the value's own. */
  readonly flags: number;
  /** Estimated size in memory. */
  readonly size: number;
  /** Kept as they are, after the data. */
  readonly bytes?: Buffer | undefined;
  /** The bytes are compressed already. */
  readonly isDense?: boolean | undefined;
}

/**
 * Turns the stored form of a value into plain data and back; stores that keep references do without.
 *
 * @publicApi
 */
export interface ValueCodec {
  /** Called once, when a value is stored. */
  encode(stored: unknown): Wire;
  /**
   * @param kept whether the store keeps the decoded value for other reads, so that each needs a copy
   * @throws anything, when the data is not what `encode` wrote: the read is a miss
   */
  decode(wire: Wire, kept: boolean): unknown;
}

/**
 * One read: the key, and its tags, computed only by stores that need them to answer.
 *
 * @publicApi
 */
export interface StoreQuery {
  /** Complete, namespace included. */
  readonly key: string;
  /** How the value gets into bytes and back. */
  readonly values: ValueCodec;
  /** The tags that the entry carries, complete. */
  tags(): readonly string[];
}

/**
 * Where entries and generations live. Keys and tags arrive complete (namespace included) and never collide, so a
 * store may use them as they are. A store may throw or reject: the engine then treats the read as a miss.
 *
 * @publicApi
 */
export interface CacheStore {
  /** A short name for logs and `cache.status()`, e.g. `memory`. */
  readonly kind: string;
  /**
   * True when a value comes back as the very object that was stored, so that the engine must copy it;
   * false when every read decodes a new one.
   */
  readonly keepsReferences: boolean;
  /**
   * Reads an entry and the generations it depends on, in one network wait.
   * @returns the entry, with `expired` set where a tag was expired; or, when there is none or it was purged, the
   * stamp under which a new one may be loaded.
   */
  get(query: StoreQuery): MaybePromise<Entry | Stamp>;
  /**
   * Reads many at once, and answers each as `get` does, in their order. Optional: without it they are read one beside
   * the other.
   */
  getMany?(queries: readonly StoreQuery[]): MaybePromise<readonly (Entry | Stamp)[]>;
  /** Reads the current generations of these tags; absent ones are created. */
  stamp(tags: readonly string[]): MaybePromise<Stamp>;
  /** Compares a stamp with the current generations. Creates nothing: missing is `purged`. */
  judge(stamp: Stamp): MaybePromise<Verdict>;
  /**
   * Stores an entry until its `keepUntil`, and extends the lives of its generations.
   * @returns false when the store knows that it did not: the entry is too large, or its stamp is past
   */
  set(query: StoreQuery, entry: Entry): MaybePromise<boolean | void>;
  /**
   * Told of each entry without expiry that a tier above serves in its place, which it may keep alive then. Optional, and at once:
   * nobody waits for what it does.
   */
  touch?(key: string, entry: Entry): void;
  /** Writes new generations for these tags. When it has returned, nothing stamped before is fresh. */
  bump(tags: readonly string[], mode: InvalidationMode): MaybePromise<void>;
  /** Removes the entries whose keys begin with `prefix` and that `drop` says to: what was bumped is unreachable already. */
  sweep(prefix: string, drop: (key: string) => boolean): MaybePromise<void>;
  /** How the store is, as far as is known without asking it; for `cache.metrics()` and `cache.health()`. */
  state?(): StoreState;
  /** Tells the store of the application that uses it. */
  attach?(host: StoreHost): void;
  /** Resolves when the store can be asked, or at once where it always can. Never rejects; the boot waits for it a while. */
  ready?(): Promise<void>;
  /** Closes what the store itself opened. */
  close?(): MaybePromise<void>;
}

/**
 * What is stored under a key. Times are milliseconds since the Unix epoch; `Infinity` means never.
 *
 * @publicApi
 */
export class Entry {
  /** True once one of its tags was expired (a soft bump): it may be served stale, never as fresh. */
  expired = false;

  constructor(
    /** The value as the engine prepared it: a snapshot nobody else holds, or a recorded response. */
    readonly value: unknown,
    readonly cachedAt: number,
    /** Until when it may be served as fresh. */
    readonly freshUntil: number,
    /** Until when it is kept for `staleWhileRevalidate` and `staleIfError`; never before `freshUntil`. */
    readonly keepUntil: number,
    readonly stamp: Stamp,
    /** Estimated size in bytes, key and tags included. */
    readonly size: number,
  ) {}

  /** The same with its value in another form. */
  with(value: unknown): Entry {
    const { cachedAt, freshUntil, keepUntil, stamp, size } = this;
    const entry = new Entry(value, cachedAt, freshUntil, keepUntil, stamp, size);
    entry.expired = this.expired;
    return entry;
  }

  /** Whether it is within its lifetime. Milliseconds since 1970. */
  isFresh(now: number): boolean {
    return now < this.freshUntil && !this.expired;
  }
}

/**
 * The right to load a key, for the whole fleet; it ends by itself when its holder does.
 *
 * @publicApi
 */
export interface Lease {
  /** Gives it back. Never rejects: what is not given back ends by itself. */
  release(): Promise<void>;
}

/**
 * What a store adds to {@link CacheStore} for `lock: 'distributed'`: processes agree through it on who loads.
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
   * @param key what is to be loaded
   * @returns the lease, or `undefined` when somebody else holds it
   */
  acquire(key: string): Promise<Lease | undefined>;
  /** Reads as `get` does, but past what this process keeps to itself; without it `get` does that already. */
  getShared?(query: StoreQuery): MaybePromise<Entry | Stamp>;
  /** Whether every lease is granted, since nothing behind this store is shared by processes that agree. Default false. */
  readonly grantsAll?: boolean | undefined;
}

export function hasLeases(store: object): store is LeaseStore {
  return typeof (store as Partial<LeaseStore>).acquire === 'function';
}

/** Whether processes that use a store agree on who loads. */
export function agreesOnLoads(store: object): boolean {
  return hasLeases(store) && store.grantsAll !== true;
}

/**
 * Tells other processes' L1 about bumps, and proves that it does. Bumps are published by the store that writes them.
 *
 * @publicApi
 */
export interface Bus {
  /** Whether everything that was published up to one heartbeat ago is known to have arrived. */
  isTrusted(): boolean;
  /** @param onReset called when messages may have been missed: what was kept may be stale */
  listen(onBump: (tags: readonly string[], mode: InvalidationMode) => void, onReset: () => void): void;
  /** Called once, by the application that uses the store. */
  attach(host: StoreHost): void;
  /** Ends what {@link BusStore.openBus} began. */
  close(): Promise<void>;
}

/**
 * What a store adds to {@link CacheStore} to be the `l2` of a `tieredStore` with `consistency: 'bus'`.
 *
 * @publicApi
 */
export interface BusStore {
  /** Called once, by the tiered store above. */
  openBus(): Bus;
}

/** Reads many keys at once where the store can, else one beside the other. */
export function readMany(
  store: CacheStore,
  queries: readonly StoreQuery[],
): MaybePromise<readonly (Entry | Stamp)[]> {
  if (store.getMany !== undefined) return store.getMany(queries);
  return Promise.all(queries.map((query) => store.get(query)));
}

/**
 * What a store is told of the application that uses it.
 *
 * @publicApi
 */
export interface StoreHost {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs a callback later; the timer never keeps the process alive. Returns its cancellation. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Tells the application, once for what happens once. */
  readonly log: (message: string) => void;
  /** Tells the application that the store does not answer any more, or takes no writes, or is back. */
  readonly changed?: ((status: 'up' | 'down', reason?: unknown) => void) | undefined;
  /** A tag that covers another one and more; `undefined` for the one that covers all. */
  readonly coarser: (tag: string) => string | undefined;
}

/**
 * The store does not answer, or was not asked because it did not answer lately. It was reported when it went.
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

/** The store answers, but does not take what is written to it. Reads go on. */
export class StoreRefusedError extends StoreUnavailableError {
  override readonly code = 'STORE_REFUSED';
}

/** An invalidation did not reach the store yet: it is kept and sent again, and this process serves nothing it covers. */
export class BumpQueuedError extends StoreUnavailableError {
  override readonly code = 'BUMP_QUEUED';
}

/** The host of a store that no application uses yet. */
export const UNATTACHED: StoreHost = { ...systemClock, log: () => undefined, coarser: () => undefined };
