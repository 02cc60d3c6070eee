import type { Entry } from './entry.js';
import type { Stamp } from './stamp.js';
import type { CacheStore, MaybePromise, StoreQuery } from './store.interface.js';

/** Reads many keys at once where the store can, else one beside the other. */
export function readMany(
  store: CacheStore,
  queries: readonly StoreQuery[],
): MaybePromise<readonly (Entry | Stamp)[]> {
  if (store.getMany !== undefined) return store.getMany(queries);
  return Promise.all(queries.map((query) => store.get(query)));
}
