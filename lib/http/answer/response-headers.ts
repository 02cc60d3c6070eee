import { CacheStatus, isoTime, metadataOf, type CacheMetadata } from '../../cache/engine/call.js';
import type { Entry } from '../../stores/store.interface.js';
import { addHeaders, type HeaderTarget } from '../headers/vary.js';
import type { AddedHeaders } from '../platform.interface.js';
import { cacheStatusHeader, type CacheStatusParameters } from './cache-status-header.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { Explanation } from '../explain.js';
import { ageOf, responseOf, type StoredResponse } from './stored-response.js';

const NAMES = {
  cacheStatus: 'X-Cache-Status',
  cachedAt: 'X-Cached-At',
  resetAt: 'X-Cache-Reset-At',
} as const;

/**
 * Writes `X-Cache-Status`, `X-Cached-At` and `X-Cache-Reset-At` on a response. Missing fields are skipped; empty or
 * absent metadata does nothing.
 *
 * @param response an Express response or a Fastify reply
 * @param metadata from `getWithMetadata` or `getCachedMetadata`
 * @returns the response
 * @example
 * const [user, metadata] = await this.cache.for(UsersService, 'find').getWithMetadata(42);
 * setResponseCacheHeaders(response, metadata);
 *
 * Source: drf-restflow, `set_response_cache_header`.
 * @publicApi
 */
export function setResponseCacheHeaders<T extends HeaderTarget>(
  response: T,
  metadata: Partial<CacheMetadata> | null | undefined,
): T {
  addHeaders(response, metadataHeaders(metadata ?? {}));
  return response;
}

export function metadataHeaders(metadata: Partial<CacheMetadata>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const field of Object.keys(NAMES) as (keyof typeof NAMES)[]) {
    const value = metadata[field];
    if (value !== undefined && value !== null) headers[NAMES[field]] = value;
  }
  return headers;
}

/** What a hit adds to what was stored. The same for every hit of an entry within a second, unless it says how old it is. */
export function hitHeaders(route: CachedRoute, entry: Entry, now: number): AddedHeaders {
  const stored = responseOf(entry);
  const ttl = route.setCacheHeaders ? secondsLeft(entry, now) : undefined;
  if (stored.hitHeaders === undefined || stored.hitTtl !== ttl) {
    stored.hitHeaders = constantHeaders(route, entry, ttl);
    stored.hitTtl = ttl;
  }
  if (!route.options.cacheControl && !stored.tellsLifetime) return stored.hitHeaders;
  return { ...stored.hitHeaders, ...timedHeaders(route, entry, now) };
}

/** What a stored response is given of which there is more to say: it is stale, somebody else loaded it, or it is explained. */
export function reuseHeaders(
  told: ReportedExchange,
  entry: Entry,
  now: number,
  status: CacheStatus,
  said: CacheStatusParameters,
): AddedHeaders {
  const { route } = told;
  const stored = responseOf(entry);
  const isOld = status === CacheStatus.STALE || said.fwdStatus !== undefined;
  const tellsAge = isOld || route.options.cacheControl || stored.tellsLifetime;
  return {
    ...validators(route, stored),
    ...(tellsAge ? timedHeaders(route, entry, now) : undefined),
    ...statusHeaders(told, metadataOf(status, entry), said, stored.headers['cache-status']),
  };
}

function timedHeaders(route: CachedRoute, entry: Entry, now: number): AddedHeaders {
  const { cacheControl, headers } = responseOf(entry);
  return {
    ...lifetimeHeaders(route, cacheControl, entry.cachedAt, entry.freshUntil),
    Age: String(ageOf(headers['age']) + Math.max(0, Math.ceil((now - entry.cachedAt) / 1000))),
  };
}

/** For `Cache-Status`: negative where it is stale, `undefined` where it never expires. */
export function secondsLeft({ freshUntil }: Entry, now: number): number | undefined {
  return Number.isFinite(freshUntil) ? Math.floor((freshUntil - now) / 1000) : undefined;
}

function constantHeaders(route: CachedRoute, entry: Entry, ttl: number | undefined): AddedHeaders {
  const stored = responseOf(entry);
  const metadata = metadataOf(CacheStatus.HIT, entry);
  return {
    ...validators(route, stored),
    ...statusHeaders({ route }, metadata, { hit: true, ttl }, stored.headers['cache-status']),
  };
}

function validators(route: CachedRoute, stored: StoredResponse): AddedHeaders {
  return { ETag: stored.etag!, ...standingHeaders(route, stored.cacheControl) };
}

/** Who is told what the cache did: every client of a route, or one that asked why. */
export interface ReportedExchange {
  readonly route: CachedRoute;
  readonly explanation?: Explanation | undefined;
}

/**
 * What an answer says of the cache, where it does.
 *
 * @param before `Cache-Status` as it came from the handler
 * @param because a sentence for the log, where it is explained
 */
export function statusHeaders(
  { route, explanation }: ReportedExchange,
  metadata: Partial<CacheMetadata>,
  said: CacheStatusParameters,
  before?: Parameters<typeof cacheStatusHeader>[1],
  because?: string,
): AddedHeaders {
  if (explanation !== undefined)
    return { ...metadataHeaders(metadata), ...explanation.headers(said, before, because) };
  return route.setCacheHeaders ? { ...metadataHeaders(metadata), ...cacheStatusHeader(said, before) } : {};
}

/**
 * What every answer of a route says to outer caches. Where changes invalidate it, they must ask before they reuse it: else
 * a browser or CDN would serve what was dropped here (the handler's own Cache-Control goes before). And the headers that
 * choose between answers here must choose there.
 */
export function standingHeaders(route: CachedRoute, cacheControl: string | undefined): AddedHeaders {
  const { options, choosingHeaders } = route;
  const headers: Record<string, string> = {};
  if (route.hasRules && cacheControl === undefined && !options.cacheControl)
    headers['Cache-Control'] = 'no-cache';
  if (choosingHeaders.length > 0) headers['Vary'] = choosingHeaders.join(', ');
  return headers;
}

/**
 * What Django's `cache_page` sends: `max-age` and `Expires` of the whole life; on hits `Age` takes off what is over of it
 * (RFC 9111 §4.2). An answer whose key tells users apart is for its user's own cache alone.
 */
export function lifetimeHeaders(
  route: CachedRoute,
  cacheControl: string | undefined,
  cachedAt: number,
  freshUntil: number,
): AddedHeaders {
  if (!route.options.cacheControl || cacheControl !== undefined || isoTime(freshUntil) === null) return {};
  const seconds = Math.max(0, Math.floor((freshUntil - cachedAt) / 1000));
  const scope = route.target.key.hasIdentity && !route.options.shared ? 'private, ' : '';
  return {
    'Cache-Control': `${scope}max-age=${seconds}`,
    Expires: new Date(cachedAt + seconds * 1000).toUTCString(),
  };
}
