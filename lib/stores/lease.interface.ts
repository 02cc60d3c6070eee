import type { Entry } from './entry.js';
import type { Stamp } from './stamp.js';
import type { MaybePromise, StoreQuery } from './store.interface.js';

/** The right to load a key, for the whole fleet; it ends by itself when its holder does. */
export interface Lease {
  /** Gives it back. Never rejects: what is not given back ends by itself. */
  release(): Promise<void>;
}

/** A store through which processes agree on who loads. */
export interface LeaseStore {
  /**
   * @param key what is to be loaded
   * @returns the lease, or `undefined` when somebody else holds it
   */
  acquire(key: string): Promise<Lease | undefined>;
  /** Reads as `get` does, but past what this process keeps to itself; without it `get` does that already. */
  getShared?(query: StoreQuery): MaybePromise<Entry | Stamp>;
}

export function hasLeases(store: object): store is LeaseStore {
  return typeof (store as Partial<LeaseStore>).acquire === 'function';
}
