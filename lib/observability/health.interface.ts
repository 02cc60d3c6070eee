import type { DispatcherState, StoreState } from './metrics.interface.js';

/**
 * A store, as `cache.health()` tells of it.
 *
 * @publicApi
 */
export interface StoreHealth extends Pick<StoreState, 'status' | 'waitingBumps'> {
  /** As in `cache.status()`. */
  readonly kind: string;
}

/**
 * What `cache.health()` answers. There is no `down`: an application whose cache is away still answers.
 *
 * @publicApi
 */
export interface CacheHealth {
  /** `degraded` while a store or a dispatcher is down, or invalidations wait for a store. */
  readonly status: 'up' | 'degraded';
  /** By the names of `forRoot({ stores })`; `default` is the one without a name. */
  readonly stores: Readonly<Record<string, StoreHealth>>;
  /** By name, those that tell of themselves. */
  readonly dispatchers: Readonly<Record<string, DispatcherState>>;
}
