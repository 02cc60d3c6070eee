import type { StoreState } from '../observability/metrics.js';
import type { Entry } from './entry.js';
import type { Stamp, Verdict } from './stamp.js';
import type { StoreHost } from './store-host.js';

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

export function isMode(mode: unknown): mode is InvalidationMode {
  return mode === 'purge' || mode === 'expire';
}

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
