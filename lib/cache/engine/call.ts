import { CacheUsageError } from '../../common/errors.js';
import type { Duration } from '../../common/time.js';
import type { KeyRequest, KeySource } from '../../keys/key.interface.js';
import type { MethodCounters } from '../../observability/metrics.js';
import { describeError } from '../../observability/once-log.js';
import type { CacheStore, Entry, MaybePromise, StoreQuery } from '../../stores/store.interface.js';
import type { ValueHandling } from '../values/isolation.js';
import { MAX_TAGS, tooManyTags } from './load-context.js';
import type { Load } from './loads.js';

/**
 * Where a value came from.
 *
 * - `HIT`: from the cache, fresh.
 * - `MISS`: computed, and stored if it could be.
 * - `STALE`: from the cache, past its lifetime, while or because a fresh one could not be had at once.
 * - `BYPASS`: the cache was skipped; computed live, not stored.
 * - `REFRESH`: computed on demand and stored over what was there.
 *
 * @example
 * const [user, { cacheStatus }] = await this.cache.for(UsersService, 'find').getWithMetadata(42);
 * if (cacheStatus === CacheStatus.STALE) this.log.warn('served a stale user');
 *
 * Source: drf-restflow, Response Headers.
 *
 * @publicApi
 */
export const CacheStatus = {
  HIT: 'HIT',
  MISS: 'MISS',
  STALE: 'STALE',
  BYPASS: 'BYPASS',
  REFRESH: 'REFRESH',
} as const;

export type CacheStatus = (typeof CacheStatus)[keyof typeof CacheStatus];

/**
 * What `getCacheOnly()` and `get()` answer when nothing is cached: a cached `null` or `undefined` is a value.
 *
 * @example
 * const rate = await this.cache.get<number>('rate:eur');
 * if (rate === CACHE_MISSING) …
 *
 * @publicApi
 */
export const CACHE_MISSING: unique symbol = Symbol.for('nestjs-restflow-cache.missing');

/**
 * How a value was obtained, and when it was and will be computed.
 *
 * @publicApi
 */
export interface CacheMetadata {
  /** What the cache did, or has. */
  readonly cacheStatus: CacheStatus;
  /** ISO 8601 time at which the value was stored; `null` when it was not. */
  readonly cachedAt: string | null;
  /** ISO 8601 time at which it stops being fresh; `null` when it never expires, or was not stored. */
  readonly resetAt: string | null;
}

/** Metadata of an entry, or of a value that is not stored. */
export function metadataOf(
  cacheStatus: CacheStatus,
  entry: { readonly cachedAt: number; readonly freshUntil: number } | undefined,
): CacheMetadata {
  if (entry === undefined) return { cacheStatus, cachedAt: null, resetAt: null };
  return { cacheStatus, cachedAt: isoTime(entry.cachedAt), resetAt: isoTime(entry.freshUntil) };
}

const LAST_ISO_TIME = 8.64e15;

/** ISO 8601; `null` for never, and beyond the last date there is. */
export function isoTime(ms: number): string | null {
  return ms <= LAST_ISO_TIME ? new Date(ms).toISOString() : null;
}

/** The place of a call in a batch that loads all that is missing in one go. */
export interface BatchSeat {
  /** Told when the call will not load, or not soon: the others do not wait for it. */
  leave(): void;
}

/** What is cached: one decorated method of one class, or a name given to `getOrSet`. */
export interface CacheTarget {
  /** For logs and errors, e.g. `UsersService.find`. */
  readonly name: string;
  /** What is said once in the log is said once for this; keys cached by hand have one between them. */
  readonly topic: string;
  readonly store: CacheStore;
  readonly policy: CachePolicy;
  readonly values: ValueHandling;
  /** What became of its calls. */
  readonly counters: MethodCounters;
  readonly seat?: BatchSeat | undefined;
  /** Whether another call of the same key may carry other tags. */
  readonly hasOwnTags?: boolean | undefined;
  /** Every tag an entry of this call carries, from its arguments alone. */
  tags(call: Call): readonly string[];
  /** Computes the value. */
  load(call: Call): Promise<unknown>;
}

/** The context of one call: part of its entry key, and of no tag but the partitions of its members. */
export interface CallContext {
  /** Ends with a colon, so that nothing that follows it in a key can run into it. */
  readonly text: string;
  readonly members: ReadonlyMap<string, unknown>;
}

/** One call of something cached, from its key to what became of it. */
export class Call implements StoreQuery, KeySource {
  key = '';
  /** Where in the key the part begins that is made of the arguments or the request's own values. */
  argumentsAt = 0;
  /** The end of the key that chooses between variants of one response (`Vary`). */
  variant = '';
  /** The ambient values that its key holds; `undefined` without `keyContext`, and where only tags are asked for. */
  ambient: CallContext | undefined = undefined;
  status: CacheStatus = CacheStatus.MISS;
  /** The entry that was served or stored. */
  entry: Entry | undefined = undefined;
  /** How often this call waited for somebody else's load in vain. */
  retries = 0;
  /** The load of its key that ended while its store was asked. */
  endedLoad: Load | undefined = undefined;
  /** Why its tags could not be told, or are too many: then it has no stamp, and nothing is stored. */
  tagsError: CacheUsageError | undefined = undefined;
  #tags: readonly string[] | undefined = undefined;

  constructor(
    readonly target: CacheTarget,
    /** The instance the method was called on. */
    readonly self: unknown,
    readonly args: readonly unknown[],
    readonly request: KeyRequest | undefined = undefined,
  ) {}

  get values(): ValueHandling {
    return this.target.values;
  }

  /** Never throws: it is called by stores, whose failures are another matter. */
  tags(): readonly string[] {
    return (this.#tags ??= this.#readTags());
  }

  #readTags(): readonly string[] {
    try {
      const tags = this.target.tags(this);
      if (tags.length <= MAX_TAGS) return tags;
      this.tagsError = tooManyTags(tags.length);
    } catch (error) {
      this.tagsError = new CacheUsageError('CACHE_TAGS', `its tags cannot be told. ${describeError(error)}`);
    }
    return [];
  }

  /** False when no key could be made of its arguments: it can only bypass the cache. */
  get isKeyed(): boolean {
    return this.key !== '';
  }

  get metadata(): CacheMetadata {
    return metadataOf(this.status, this.entry);
  }

  get context(): ValueContext {
    return { method: this.target.name, key: this.key, args: this.args, request: this.request };
  }

  /** The same call, to be answered anew. */
  copy(): Call {
    const call = new Call(this.target, this.self, this.args, this.request);
    call.key = this.key;
    call.argumentsAt = this.argumentsAt;
    call.variant = this.variant;
    call.ambient = this.ambient;
    return call;
  }
}

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
