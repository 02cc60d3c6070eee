import type { Bus, BusStore } from './bus.interface.js';
import { CompressingStore } from './compressing-store.js';
import type { Compression } from './compression.js';
import type { Lease, LeaseStore } from './lease.interface.js';
import type { CacheStore } from './store.interface.js';

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

  async acquire(key: string): Promise<Lease | undefined> {
    let granted: Promise<Lease | undefined> | undefined;
    try {
      return await this.guard(() => (granted = this.bussed.acquire(key)));
    } catch (error) {
      // One that comes too late would be held, and renewed, by nobody for ever.
      granted?.then(
        (lease) => lease?.release(),
        () => undefined,
      );
      throw error;
    }
  }
}
