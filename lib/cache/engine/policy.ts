import type { Entry, MaybePromise } from '../../stores/store.interface.js';
import type { Duration } from '../../common/time.js';

/**
 * What callbacks of a policy learn beside the value.
 *
 * @publicApi
 */
export interface ValueContext {
  /** Name of the cached method, e.g. `UsersService.find`. */
  readonly method: string;
  /** The complete key of the entry. */
  readonly key: string;
  /** The arguments of the call; empty for controller handlers. */
  readonly args: readonly unknown[];
  /** The HTTP request; only for controller handlers. */
  readonly request?: unknown;
}

/** When a value is stored and for how long, normalised once: the engine never asks whether an option was given. */
export interface CachePolicy {
  /** Milliseconds, `Infinity` for no expiry, or a function that decides after the load. */
  readonly ttl: number | ((value: unknown, context: ValueContext) => Duration);
  /** Milliseconds past its lifetime for which an entry is served while a refresh runs. 0: never. */
  readonly staleWhileRevalidate: number;
  /** Milliseconds past its lifetime for which an entry is served when its load fails. 0: never. */
  readonly staleIfError: number;
  /** After this fraction of its lifetime an entry that is read is loaded anew in the background. 0: never. */
  readonly refreshAhead: number;
  /** Up to this fraction of a lifetime is taken off at random, so that what was stored together does not end together. */
  readonly jitter: number;
  /** Whether one load serves all who wait for it: in this process, in the fleet, or not at all. */
  readonly lock: 'local' | 'distributed' | false;
  /** Milliseconds after which a load that has something stale to fall back on is no longer waited for. */
  readonly softTimeout: number;
  /** Milliseconds after which no load is waited for. */
  readonly hardTimeout: number;
  /** Whether a value may be stored. */
  readonly condition: ((value: unknown, context: ValueContext) => MaybePromise<boolean>) | undefined;
}

/** How long past its freshness an entry is kept at all. */
export function staleWindow(policy: CachePolicy): number {
  return Math.max(policy.staleWhileRevalidate, policy.staleIfError);
}

/** Whether so much of an entry's lifetime is over that it is time to load it anew. */
export function isRefreshDue(
  { refreshAhead }: CachePolicy,
  { cachedAt, freshUntil }: Entry,
  now: number,
): boolean {
  return refreshAhead > 0 && now >= cachedAt + (freshUntil - cachedAt) * refreshAhead;
}
