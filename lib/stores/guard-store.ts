import type { Compression } from './compression.js';
import { compressValue, EncodedValue, openValue, PLAIN } from './entry-codec.js';
import { GuardedStore } from './guarded-store.js';
import { MemoryStore } from './memory-store.js';
import type { Stamp } from './stamp.js';
import {
  type Bus,
  type BusStore,
  type CacheStore,
  Entry,
  hasLeases,
  type Lease,
  type LeaseStore,
  type StoreQuery,
} from './store.interface.js';

/**
 * A guarded store whose values are encoded, and where they are large may be compressed, in other threads: outside of the guard,
 * since a value that takes long, or has no encoding, says nothing of the store. What is compressed is read with the option or
 * without.
 */
export class CompressingStore extends GuardedStore {
  /** The entry that is being compressed for a key; what is stored under it meanwhile is later, and takes its place. */
  readonly #compressing = new Map<string, Entry>();

  constructor(
    inner: CacheStore,
    timeout: number,
    private readonly compression?: Compression,
  ) {
    super(inner, timeout);
  }

  override async get(query: StoreQuery): Promise<Entry | Stamp> {
    const reading = await super.get(query);
    return isEncoded(reading) ? this.#open(query, reading) : reading;
  }

  override async getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    const readings = await super.getMany(queries);
    if (!readings.some(isEncoded)) return readings;
    return Promise.all(
      readings.map((reading, i) => (isEncoded(reading) ? this.#open(queries[i]!, reading) : reading)),
    );
  }

  /** What cannot be brought back is a miss. */
  async #open(query: StoreQuery, entry: Entry): Promise<Entry | Stamp> {
    try {
      return entry.with(await openValue(entry.value as EncodedValue, query.values));
    } catch {
      return this.stamp(query.tags());
    }
  }

  override async set(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    const { compression } = this;
    const wire = query.values.encode(entry.value);
    // In memory a value is larger than packed.
    if (compression === undefined || entry.size < compression.threshold) {
      this.#compressing.delete(query.key);
      return super.set(query, entry.with(new EncodedValue(PLAIN, wire)));
    }
    this.#compressing.set(query.key, entry);
    const value = await compressValue(wire, compression);
    if (this.#compressing.get(query.key) !== entry) return false;
    this.#compressing.delete(query.key);
    return super.set(query, entry.with(value));
  }
}

function isEncoded(reading: Entry | Stamp): reading is Entry {
  return reading instanceof Entry && reading.value instanceof EncodedValue;
}

/** A guarded store that can tell of bumps over a bus, and through which processes agree on who loads. */
export class GuardedBusStore extends CompressingStore implements BusStore, LeaseStore {
  constructor(
    private readonly bussed: CacheStore & BusStore & LeaseStore,
    timeout: number,
    compression?: Compression,
  ) {
    super(bussed, timeout, compression);
  }

  openBus(): Bus {
    return this.bussed.openBus();
  }

  acquire(key: string): Promise<Lease | undefined> {
    return acquireWithin(
      (ask) => this.guard(ask),
      () => this.bussed.acquire(key),
    );
  }
}

type Granting = () => Promise<Lease | undefined>;

/** Asks for a lease behind a guard, and gives it back where it comes too late: it would be held, and renewed, by nobody for ever. */
export async function acquireWithin(
  guard: (ask: Granting) => Promise<Lease | undefined>,
  acquire: Granting,
): Promise<Lease | undefined> {
  let granted: Promise<Lease | undefined> | undefined;
  try {
    return await guard(() => (granted = acquire()));
  } catch (error) {
    granted?.then(
      (lease) => lease?.release(),
      () => undefined,
    );
    throw error;
  }
}

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
