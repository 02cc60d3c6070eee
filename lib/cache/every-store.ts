import { tellStore } from '../observability/events.js';
import type { CacheStore, InvalidationMode } from '../stores/store.interface.js';
import { allOrFirstError, isThenable } from '../common/async.js';
import type { OnceLog } from '../observability/once-log.js';
import type { Clock } from '../common/time.js';
import type { KeySpace } from './key-space.js';

type Stores = ReadonlyMap<string, CacheStore>;

/** All stores of an application, by name, and what they run with. */
export interface StoreSettings {
  readonly stores: Stores;
  readonly clock: Clock;
  readonly log: OnceLog;
}

/** Tells every store of the application that uses it. */
export function attachStores({ clock, log, stores }: StoreSettings, space: KeySpace): void {
  const { namespace } = space;
  for (const [store, names] of namesOf(stores)) {
    store.attach?.({
      now: () => clock.now(),
      after: (ms, callback) => clock.after(ms, callback),
      log: (message) => log.info(message),
      coarser: (tag) => space.coarser(tag),
      changed: (status, reason) => tellStore({ namespace, stores: names, kind: store.kind, status, reason }),
    });
  }
}

/** One store may have several names. */
function namesOf(stores: Stores): ReadonlyMap<CacheStore, readonly string[]> {
  const names = new Map<CacheStore, string[]>();
  for (const [name, store] of stores) names.set(store, [...(names.get(store) ?? []), name]);
  return names;
}

/** Removes all entries of an application from every store. They are unreachable already: that some stay for a while is no failure. */
export async function sweepStores({ log, stores }: StoreSettings, space: KeySpace): Promise<void> {
  for (const store of new Set(stores.values())) {
    try {
      await store.sweep(space.entries, () => true);
    } catch (error) {
      log.error(
        `sweep ${store.kind}`,
        `The ${store.kind} store did not remove all that clear() dropped: it is never served, and kept until its lifetime ends`,
        error,
      );
    }
  }
}

/** Writes new generations for tags in every store. One that fails does not keep the others from hearing of it. */
export function bumpStores(
  stores: Stores,
  tags: readonly string[],
  mode: InvalidationMode,
): Promise<void> | undefined {
  const pending: Promise<unknown>[] = [];
  for (const store of new Set(stores.values())) {
    try {
      const bumped: unknown = store.bump(tags, mode);
      if (isThenable(bumped)) pending.push(Promise.resolve(bumped));
    } catch (error) {
      pending.push(Promise.reject(error as Error));
    }
  }
  return pending.length === 0 ? undefined : allOrFirstError(pending).then(() => undefined);
}
