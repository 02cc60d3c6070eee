import { acquireWithin } from './guarded-bus-store.js';
import { GuardedStore } from './guarded-store.js';
import { type CacheStore, hasLeases, type Lease, type LeaseStore } from './store.interface.js';
import { MemoryStore } from './memory-store.js';

/** How long a call of a store that knows no timeout of its own may take. Milliseconds. */
const TIMEOUT_MS = 1_000;

/** One store has one guard, however many applications and names it has. */
const guards = new WeakMap<CacheStore, CacheStore>();

/** Memory never fails, and what is guarded stays as it is: a guard is for the rest, stores of users. */
export function guardStore(store: CacheStore): CacheStore {
  if (store instanceof MemoryStore || store instanceof GuardedStore) return store;
  let guard = guards.get(store);
  if (guard === undefined) {
    guard = hasLeases(store) ? new GuardedLeaseStore(store) : new GuardedStore(store, TIMEOUT_MS);
    guards.set(store, guard);
  }
  return guard;
}

/** A store of a user's through which processes agree on who loads. */
class GuardedLeaseStore extends GuardedStore implements LeaseStore {
  readonly getShared: LeaseStore['getShared'];

  constructor(private readonly leases: CacheStore & LeaseStore) {
    super(leases, TIMEOUT_MS);
    if (leases.getShared !== undefined)
      this.getShared = (query) => this.guard(() => leases.getShared!(query));
  }

  get grantsAll(): boolean {
    return this.leases.grantsAll === true;
  }

  acquire(key: string): Promise<Lease | undefined> {
    return acquireWithin(
      (ask) => this.guard(ask),
      () => this.leases.acquire(key),
    );
  }
}
