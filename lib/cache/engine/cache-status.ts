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
