import type { StoreHost } from '../../lib/stores/store-host.js';

/** What an application would tell a store. */
export const storeHost: StoreHost = {
  now: Date.now,
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  log: () => undefined,
  coarser: () => undefined,
};
