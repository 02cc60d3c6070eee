import type { MaybePromise } from '../stores/store.interface.js';
import type { Duration } from './duration.js';

/** What callbacks of a policy learn beside the value. */
export interface ValueContext {
  /** Name of the cached method, e.g. `UsersService.find`. */
  readonly method: string;
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
  /** Whether a value may be stored. */
  readonly condition: ((value: unknown, context: ValueContext) => MaybePromise<boolean>) | undefined;
}

/** How long past its freshness an entry is kept at all. */
export function staleWindow(policy: CachePolicy): number {
  return Math.max(policy.staleWhileRevalidate, policy.staleIfError);
}
