import { channel } from 'node:diagnostics_channel';

/**
 * The names of the channels of `node:diagnostics_channel` that tell what the cache does, of every application of the process. What nobody
 * subscribes to costs nothing, and hits tell nothing at all.
 *
 * - `load`: a tracing channel around each load, with a {@link LoadEvent}: `tracingChannel(CACHE_CHANNELS.load)`.
 * - `invalidate`: each invalidation, with an {@link InvalidateEvent}.
 * - `store`: a shared store that goes or is back, with a {@link StoreEvent}.
 *
 * Keys, arguments and values are in none of them.
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
} as const;

/**
 * What made an invalidation happen.
 *
 * - `change`: a committed change of an entity that a rule concerns.
 * - `job`: a job of a dispatcher.
 * - `manual`: `CacheService`, `CachedMethod` or `@InvalidatesCache()`.
 * - `response`: an answer to an unsafe request, or one that took the place of what was stored.
 * - `replica`: the repetition after `replicaLag`.
 * - `manifest`: rules of other processes that were heard of late.
 *
 * @publicApi
 */
export type InvalidationCause = 'change' | 'job' | 'manual' | 'response' | 'replica' | 'manifest';

/**
 * Tags that are being invalidated.
 *
 * Tags of partitions and keys hold what calls were made with, so they are no members of the event: loggers that print it do not show
 * them. Who asks, `event.tags`, gets them as they stand in the stores.
 *
 * @publicApi
 */
export class InvalidateEvent {
  readonly #tags: readonly string[];
  /** How many tags. */
  readonly count: number;

  constructor(
    /** Of the application. */
    readonly namespace: string,
    /** Whether what is dropped may still be served as stale while it is loaded anew. */
    readonly mode: 'purge' | 'expire',
    readonly cause: InvalidationCause,
    /** Cached methods of which all, a partition or a key is dropped, as in `cache.status()`. */
    readonly methods: readonly string[],
    /** Whether all that the application cached is dropped. */
    readonly everything: boolean,
    tags: readonly string[],
  ) {
    this.#tags = tags;
    this.count = tags.length;
  }

  /** Complete, with what calls were made with. */
  get tags(): readonly string[] {
    return this.#tags;
  }
}

const invalidations = channel(CACHE_CHANNELS.invalidate);

/** @param make called where somebody listens */
export function tellInvalidation(make: () => InvalidateEvent): void {
  if (invalidations.hasSubscribers) invalidations.publish(make());
}

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
