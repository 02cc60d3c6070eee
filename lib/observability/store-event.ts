import { channel } from 'node:diagnostics_channel';
import { CACHE_CHANNELS } from './channels.js';

/**
 * A shared store went, or is back.
 *
 * @publicApi
 */
export interface StoreEvent {
  /** Of the application. */
  readonly namespace: string;
  /** Its names in `forRoot({ stores })`; `default` is the one without a name. */
  readonly stores: readonly string[];
  /** As in `cache.status()`. */
  readonly kind: string;
  /** `down`: it does not answer, or takes no writes. */
  readonly status: 'up' | 'down';
  /** What it said or failed with, where it is down. */
  readonly reason?: unknown;
}

const stores = channel(CACHE_CHANNELS.store);

export function tellStore(event: StoreEvent): void {
  if (stores.hasSubscribers) stores.publish(event);
}
