import type { InvalidationMode } from './store.interface.js';
import type { StoreHost } from './store-host.js';

/** Tells other processes' L1 about bumps, and proves that it does. Bumps are published by the store that writes them. */
export interface Bus {
  /** Whether everything that was published up to one heartbeat ago is known to have arrived. */
  isTrusted(): boolean;
  /** @param onReset called when messages may have been missed: what was kept may be stale */
  listen(onBump: (tags: readonly string[], mode: InvalidationMode) => void, onReset: () => void): void;
  attach(host: StoreHost): void;
  close(): Promise<void>;
}

/** A store that can tell of bumps over a bus. */
export interface BusStore {
  openBus(): Bus;
}
