import type { CacheStore, Entry, StoreQuery } from './store.interface.js';

/** A store that can answer some reads from the memory of this process. */
export interface HeldEntries {
  /** The entry that `get` would return without waiting, fresh or not; `undefined` if `get` would read elsewhere, or finds none. */
  held(query: Pick<StoreQuery, 'key'>): Entry | undefined;
}

export function holdsEntries(store: CacheStore): store is CacheStore & HeldEntries {
  return typeof (store as Partial<HeldEntries>).held === 'function';
}
