import { CacheUsageError } from '../../common/errors.js';
import type { Duration } from '../../common/time.js';
import type { KeyRequest, KeySource } from '../../keys/key.interface.js';
import type { MethodCounters } from '../../observability/metrics.js';
import { describeError } from '../../observability/once-log.js';
import type { CacheStore, Entry, MaybePromise, StoreQuery } from '../../stores/store.interface.js';
import type { ValueHandling } from '../values/isolation.js';
import { MAX_TAGS, type TableTags } from './load-context.js';
import type { Load } from './loads.js';

/**
 * Where a value came from.
 *
 * - `HIT`: from the cache, fresh.
 * - `MISS`: computed, and stored if it could be.
 * - `STALE`: from the cache, past its lifetime, since a fresh value is being loaded or cannot be.
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
 * Result of `getCacheOnly()` and `get()` if nothing is cached: a cached `null` or `undefined` is a value.
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
  /** Source of the value. */
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

/** ISO 8601; `null` for `Infinity` and for times beyond the range of dates. */
export function isoTime(ms: number): string | null {
  return ms <= LAST_ISO_TIME ? new Date(ms).toISOString() : null;
}

/** The place of a call in a batch that loads all missing values with one run of a loader. */
export interface BatchSeat {
  /** The call will not load, or not soon: the batch does not wait for it. */
  leave(): void;
}

/**
 * How the values of one cached method are verified; `false` for a method that must not run without need, because it has effects outside
 * of the database.
 *
 * @publicApi
 */
export type VerifyMethod =
  | false
  | {
      /** True if a served value and a value loaded again count as equal. Default: they are equal in every part. */
      equals(served: never, loaded: never): boolean;
    };

/** A cached thing: a decorated method of one class, or a key given to `getOrSet`. */
export interface CacheTarget {
  /** For logs and errors, e.g. `UsersService.find`. */
  readonly name: string;
  /** Log lines appear once for each topic. All keys cached by hand share one. */
  readonly topic: string;
  readonly store: CacheStore;
  readonly policy: CachePolicy;
  readonly values: ValueHandling;
  /** Counts its calls by status. */
  readonly counters: MethodCounters;
  readonly seat?: BatchSeat | undefined;
  /** Set if its entries depend on the tables that their loads read. */
  readonly tableTags?: TableTags | undefined;
  /** True if rules by hand drop its entries. */
  readonly hasRules?: boolean | undefined;
  /** True if its loads may learn tags: those are fenced from its first load on. */
  readonly learnsTags?: boolean | undefined;
  /** True once a load of it wrote to a database: it is never repeated only to compare values. */
  writes?: boolean | undefined;
  /** Compares the value of a hit with a repeated load; `false`: never repeated. Default: the values must be equal. */
  readonly verify?: VerifyMethod | undefined;
  /** True if another call with the same key may carry other tags. */
  readonly hasOwnTags?: boolean | undefined;
  /** Tags that follow from the value, without those of {@link tags}. */
  valueTags?(call: Call, value: unknown): readonly string[];
  /** All tags of the call's entry, computed from the arguments. */
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

/** One call of a cached target: its key, its tags and, once it is answered, its status and entry. */
export class Call implements StoreQuery, KeySource {
  key = '';
  /** Index in the key at which the arguments, or the values of the request, begin. */
  argumentsAt = 0;
  /** End of the key that selects a variant of the response (`Vary`). */
  variant = '';
  /** The ambient values that its key holds; `undefined` without `keyContext`, and where only tags are asked for. */
  ambient: CallContext | undefined = undefined;
  status: CacheStatus = CacheStatus.MISS;
  /** The entry that was served or stored. */
  entry: Entry | undefined = undefined;
  /** The entry that a load of this call replaces: past its lifetime, or expired. */
  previous: Entry | undefined = undefined;
  /** Joined loads that gave no usable value. */
  retries = 0;
  /** A load of the key that ended while the store was read. */
  endedLoad: Load | undefined = undefined;
  /** Why the tags are not known, or that there are too many: then the call has no stamp, and nothing is stored. */
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

  /** Never throws, since stores call it: an error here must not count as a failure of the store. See {@link tagsError}. */
  tags(): readonly string[] {
    return (this.#tags ??= this.#readTags());
  }

  #readTags(): readonly string[] {
    try {
      const tags = this.target.tags(this);
      if (tags.length <= MAX_TAGS) return tags;
      this.tagsError = new CacheUsageError(
        'CACHE_TAG_COUNT',
        `it has ${tags.length} tags, and an entry carries at most ${MAX_TAGS}. Name the whole, as in tags: ['orders'], in place of each ` +
          `part, and invalidate that.`,
      );
    } catch (error) {
      this.tagsError = new CacheUsageError('CACHE_TAGS', `its tags are not known. ${describeError(error)}`);
    }
    return [];
  }

  /** False if the arguments have no key: then the call bypasses the cache. */
  get isKeyed(): boolean {
    return this.key !== '';
  }

  get metadata(): CacheMetadata {
    return metadataOf(this.status, this.entry);
  }

  get context(): ValueContext {
    return { method: this.target.name, key: this.key, args: this.args, request: this.request };
  }

  /** The same call without an answer. */
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
 * Second argument of the callbacks of a policy, after the value.
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

/** Policy of a method: what is stored, for how long, and how it is loaded. Defaults are filled in. */
export interface CachePolicy {
  /** Milliseconds, `Infinity` for no expiry, or a function that decides after the load. */
  readonly ttl: number | ((value: unknown, context: ValueContext) => Duration);
  /** Milliseconds after its lifetime during which an entry is served while it is refreshed. 0: never. */
  readonly staleWhileRevalidate: number;
  /** Milliseconds after its lifetime during which an entry is served when its load fails. 0: never. */
  readonly staleIfError: number;
  /** A hit after this fraction of the lifetime starts a refresh in the background. 0: never. */
  readonly refreshAhead: number;
  /** Lifetimes are shortened at random by up to this fraction, so that entries stored together do not expire together. */
  readonly jitter: number;
  /** Callers that share one load: those of this process, of all processes, or none. */
  readonly lock: 'local' | 'distributed' | false;
  /** Milliseconds after which the stale entry is served instead of the value of the load, if there is one. */
  readonly softTimeout: number;
  /** Milliseconds after which the call fails if there is no stale entry to serve. */
  readonly hardTimeout: number;
  /** True if a value may be stored. */
  readonly condition: ((value: unknown, context: ValueContext) => MaybePromise<boolean>) | undefined;
}

export function hasTimeouts({ softTimeout, hardTimeout }: CachePolicy): boolean {
  return softTimeout !== Infinity || hardTimeout !== Infinity;
}

/** Milliseconds for which a stale entry is kept. */
export function staleWindow(policy: CachePolicy): number {
  return Math.max(policy.staleWhileRevalidate, policy.staleIfError);
}

/** True if a fresh entry is old enough to be refreshed in the background (refresh-ahead). */
export function isRefreshDue(
  { refreshAhead }: CachePolicy,
  { cachedAt, freshUntil }: Entry,
  now: number,
): boolean {
  return refreshAhead > 0 && now >= cachedAt + (freshUntil - cachedAt) * refreshAhead;
}
