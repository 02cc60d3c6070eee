import { isoTime, type CacheMetadata } from '../../cache/engine/call.js';
import { addHeaders, type HeaderTarget } from '../headers/vary.js';
import type { AddedHeaders } from '../platform.interface.js';
import { cacheStatusHeader, type CacheStatusParameters } from './cache-status-header.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { Explanation } from '../explain.js';

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

/** Decides which clients see what the cache did: all clients of a route, or those that asked for an explanation. */
export interface ReportedExchange {
  readonly route: CachedRoute;
  readonly explanation?: Explanation | undefined;
}

/**
 * Makes `Cache-Status` and the `X-Cache-…` headers, if the route or an explanation sends them.
 *
 * @param before `Cache-Status` as the handler sent it
 * @param reason a sentence for the log of an explained request
 */
export function statusHeaders(
  { route, explanation }: ReportedExchange,
  metadata: Partial<CacheMetadata>,
  said: CacheStatusParameters,
  before?: Parameters<typeof cacheStatusHeader>[1],
  reason?: string,
): AddedHeaders {
  if (explanation !== undefined)
    return { ...metadataHeaders(metadata), ...explanation.headers(said, before, reason) };
  return route.setCacheHeaders ? { ...metadataHeaders(metadata), ...cacheStatusHeader(said, before) } : {};
}

/**
 * Makes the headers for outer caches, on every answer of a route. A route with rules sends `no-cache`, unless its handler sends
 * Cache-Control: a browser or CDN would go on serving entries that were dropped here. Headers that select between answers here are added to
 * Vary.
 */
export function standingHeaders(
  route: CachedRoute,
  cacheControl: string | undefined,
  isPrivate = false,
  variedBy: readonly string[] = [],
): AddedHeaders {
  const { options, choosingHeaders } = route;
  const headers: Record<string, string> = {};
  if (cacheControl === undefined && !options.cacheControl) {
    const directives = [...(isPrivate ? ['private'] : []), ...(route.hasRules ? ['no-cache'] : [])];
    if (directives.length > 0) headers['Cache-Control'] = directives.join(', ');
  }
  const vary = variedBy.length === 0 ? choosingHeaders : [...choosingHeaders, ...variedBy];
  if (vary.length > 0) headers['Vary'] = vary.join(', ');
  return headers;
}

/**
 * Makes the headers of Django's `cache_page`: `max-age` and `Expires` of the whole lifetime, from which `Age` is subtracted on hits (RFC
 * 9111 §4.2). An answer whose key identifies users is `private`.
 */
export function lifetimeHeaders(
  route: CachedRoute,
  cacheControl: string | undefined,
  cachedAt: number,
  freshUntil: number,
  isPrivate = false,
): AddedHeaders {
  if (!route.options.cacheControl || cacheControl !== undefined || isoTime(freshUntil) === null) return {};
  const seconds = Math.max(0, Math.floor((freshUntil - cachedAt) / 1000));
  const isOfUser = route.target.key.hasIdentity && !route.options.shared;
  const scope = isOfUser || isPrivate ? 'private, ' : '';
  return {
    'Cache-Control': `${scope}max-age=${seconds}`,
    Expires: new Date(cachedAt + seconds * 1000).toUTCString(),
  };
}
