import { channel } from 'node:diagnostics_channel';
import type { StaleCause, VerifyOutcome } from './verify-metrics.js';

/**
 * Names of the channels of `node:diagnostics_channel` that report what the cache does, for all applications of the process. A channel
 * without subscribers costs nothing, and hits publish nothing.
 *
 * - `load`: a tracing channel around each load, with a {@link LoadEvent}: `tracingChannel(CACHE_CHANNELS.load)`.
 * - `invalidate`: each invalidation, with an {@link InvalidateEvent}.
 * - `store`: a shared store that goes down or is back, with a {@link StoreEvent}.
 * - `verify`: each verification of a hit, with a {@link VerifyEvent}.
 *
 * Events contain no keys, arguments or values.
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel';
 * subscribe(CACHE_CHANNELS.store, (event) => pager.say(event as StoreEvent));
 *
 * @publicApi
 */
export const CACHE_CHANNELS = {
  load: 'nestjs-restflow-cache:load',
  invalidate: 'nestjs-restflow-cache:invalidate',
  store: 'nestjs-restflow-cache:store',
  verify: 'nestjs-restflow-cache:verify',
} as const;

/** The event of each channel, except `load`, which {@link LoadWatch} traces. */
interface CacheEvents {
  invalidate: InvalidateEvent;
  store: StoreEvent;
  verify: VerifyEvent;
}

/** @param make called only where the channel has subscribers */
export function publishEvent<Name extends keyof CacheEvents>(
  name: Name,
  make: () => CacheEvents[Name],
): void {
  const target = channel(CACHE_CHANNELS[name]);
  if (target.hasSubscribers) target.publish(make());
}

/**
 * Cause of an invalidation.
 *
 * - `change`: a committed change of an entity that a rule concerns.
 * - `job`: a job of a dispatcher.
 * - `manual`: `CacheService`, `CachedMethod` or `@InvalidatesCache()`.
 * - `event`: an event of `@InvalidatesOnEvent()`.
 * - `response`: a response to an unsafe request, or one that replaced the stored response.
 * - `replica`: the repetition after `replicaLag`.
 * - `manifest`: rules of other processes that this process learnt of late.
 *
 * @publicApi
 */
export type InvalidationCause = 'change' | 'job' | 'manual' | 'event' | 'response' | 'replica' | 'manifest';

/**
 * Tags that are being invalidated.
 *
 * Tags of partitions and keys contain arguments of calls, so they are not enumerable members of the event: loggers that print it do not
 * show them. `event.tags` returns them as they stand in the stores.
 *
 * @publicApi
 */
export class InvalidateEvent {
  readonly #tags: readonly string[];
  /** Number of tags. */
  readonly count: number;

  constructor(
    /** Of the application. */
    readonly namespace: string,
    /** `expire`: the dropped values may be served as stale while they are loaded again. */
    readonly mode: 'purge' | 'expire',
    readonly cause: InvalidationCause,
    /** Cached methods of which everything, a partition or a key is dropped, named as in `cache.status()`. */
    readonly methods: readonly string[],
    /** True if everything that the application cached is dropped. */
    readonly everything: boolean,
    tags: readonly string[],
  ) {
    this.#tags = tags;
    this.count = tags.length;
  }

  /** Complete tags, with arguments of calls. */
  get tags(): readonly string[] {
    return this.#tags;
  }
}

/**
 * A shared store went down, or is back.
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
  /** `down`: it does not answer, or refuses writes. */
  readonly status: 'up' | 'down';
  /** The error of a store that is down. */
  readonly reason?: unknown;
}

/**
 * A hit that was verified. Its key contains arguments of the call, so it is not an enumerable member, as in {@link InvalidateEvent}.
 *
 * @publicApi
 */
export class VerifyEvent {
  readonly #key: string;
  /** Only if it is `stale`. */
  declare readonly cause?: StaleCause;
  /** Tables that no rule covers; only if they are the cause. */
  declare readonly tables?: readonly string[];

  constructor(
    /** Of the application. */
    readonly namespace: string,
    /** As in `cache.status()`. */
    readonly method: string,
    readonly outcome: VerifyOutcome,
    /** Age of the value when it was served, in seconds. */
    readonly age: number,
    key: string,
    found: { readonly cause: StaleCause; readonly tables?: readonly string[] | undefined } | undefined,
  ) {
    this.#key = key;
    if (found === undefined) return;
    this.cause = found.cause;
    if (found.tables !== undefined) this.tables = found.tables;
  }

  /** The complete key of the entry, with arguments of the call. */
  get key(): string {
    return this.#key;
  }
}
