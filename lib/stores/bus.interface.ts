import type { InvalidationMode } from './store.interface.js';
import type { StoreHost } from './store-host.js';

/**
 * Tells other processes' L1 about bumps, and proves that it does. Bumps are published by the store that writes them.
 *
 * @publicApi
 */
export interface Bus {
  /** Whether everything that was published up to one heartbeat ago is known to have arrived. */
  isTrusted(): boolean;
  /** @param onReset called when messages may have been missed: what was kept may be stale */
  listen(onBump: (tags: readonly string[], mode: InvalidationMode) => void, onReset: () => void): void;
  /** Called once, by the application that uses the store. */
  attach(host: StoreHost): void;
  /** Ends what {@link BusStore.openBus} began. */
  close(): Promise<void>;
}

/**
 * What a store adds to {@link CacheStore} to be the `l2` of a `tieredStore` with `consistency: 'bus'`.
 *
 * @publicApi
 */
export interface BusStore {
  /** Called once, by the tiered store above. */
  openBus(): Bus;
}
