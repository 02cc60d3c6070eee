import type { Entry } from './entry.js';
import type { Stamp } from './stamp.js';
import type { MaybePromise, StoreQuery } from './store.interface.js';

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
