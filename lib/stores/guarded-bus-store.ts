import type { Bus, BusStore, CacheStore, Lease, LeaseStore } from './store.interface.js';
import { CompressingStore } from './compressing-store.js';
import type { Compression } from './compression.js';

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
