import { CacheStatus, metadataOf } from '../../cache/engine/call.js';
import type { Entry } from '../../stores/store.interface.js';
import type { AddedHeaders, Replacement } from '../platform.interface.js';
import { conditionsOf, isNotModified } from '../request/preconditions.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { CacheStatusParameters } from './cache-status-header.js';
import {
  lifetimeHeaders,
  type ReportedExchange,
  standingHeaders,
  statusHeaders,
} from './response-headers.js';
import type { Reuse } from './stale-responses.js';
import { ageOf, mayBeEncoded, responseOf, type StoredResponse, weak } from './stored-response.js';
import { partOf, type RangeExchange } from './synthetic-answer.js';

/**
 * The answer to a request from a stored response: all of it, a part, or 304.
 *
 * @param reported parameters of `Cache-Status`, unless this is a plain hit
 */
export function hitAnswer(
  exchange: RangeExchange & ReportedExchange,
  reuse: Reuse,
  now: number,
  reported?: CacheStatusParameters,
): Replacement {
  const { entry, status, handlerStatus } = reuse;
  const stored = responseOf(entry);
  const { recorded, etag, lastModified } = stored;
  const { method, headers } = exchange.request;
  const notModified = recorded.status === 200 && isNotModified(conditionsOf(headers), stored);
  const part =
    notModified || headers['range'] === undefined
      ? undefined
      : partOf(exchange, recorded, { etag, lastModified, date: entry.cachedAt });
  const isPlain =
    reported === undefined &&
    handlerStatus === undefined &&
    status !== CacheStatus.STALE &&
    exchange.explanation === undefined &&
    part?.status !== 416;
  const added = isPlain
    ? hitHeaders(exchange.route, entry, now)
    : reportedHeaders(exchange, reuse, now, reported, part?.status === 416);
  const { ETag: tag } = added;
  return {
    recorded: part ?? recorded,
    add:
      tag !== undefined && part === undefined && mayBeEncoded(exchange)
        ? { ...added, ETag: weak(tag) }
        : added,
    notModified,
    headOnly: method === 'HEAD',
  };
}

/** Headers that a plain hit adds. All hits of an entry within a second share the object, unless the answer states its age. */
export function hitHeaders(route: CachedRoute, entry: Entry, now: number): AddedHeaders {
  const stored = responseOf(entry);
  const ttl = route.setCacheHeaders ? secondsLeft(entry, now) : undefined;
  if (stored.hitHeaders === undefined || stored.hitTtl !== ttl) {
    const metadata = metadataOf(CacheStatus.HIT, entry);
    stored.hitHeaders = {
      ...validators(route, stored),
      ...statusHeaders({ route }, metadata, { hit: true, ttl }, stored.headers['cache-status']),
    };
    stored.hitTtl = ttl;
  }
  if (!route.options.cacheControl && !stored.tellsLifetime) return stored.hitHeaders;
  return { ...stored.hitHeaders, ...agedHeaders(route, entry, now) };
}

/** Headers of an answer that reports more than a plain hit: stale, loaded for another request, explained, or 416. */
function reportedHeaders(
  exchange: ReportedExchange,
  { entry, status, handlerStatus }: Reuse,
  now: number,
  reported: CacheStatusParameters | undefined,
  isUnsatisfiable: boolean,
): AddedHeaders {
  const { route } = exchange;
  const stored = responseOf(entry);
  const parameters: CacheStatusParameters = reported ?? {
    ...(handlerStatus === undefined ? { hit: true } : { fwd: 'stale', fwdStatus: handlerStatus }),
    ttl: secondsLeft(entry, now),
  };
  const metadata = metadataOf(status, entry);
  const headers = statusHeaders(exchange, metadata, parameters, stored.headers['cache-status']);
  // A 416 does not describe the whole response: it carries neither validators nor a lifetime.
  if (isUnsatisfiable) return headers;
  const isOld = status === CacheStatus.STALE || parameters.fwdStatus !== undefined;
  const tellsAge = isOld || route.options.cacheControl || stored.tellsLifetime;
  return {
    ...validators(route, stored),
    ...(tellsAge ? agedHeaders(route, entry, now) : undefined),
    ...headers,
  };
}

function validators(route: CachedRoute, stored: StoredResponse): AddedHeaders {
  const { etag, cacheControl, judged } = stored;
  return {
    ...(etag !== undefined && { ETag: etag }),
    ...standingHeaders(route, cacheControl, judged.isPrivate),
  };
}

function agedHeaders(route: CachedRoute, entry: Entry, now: number): AddedHeaders {
  const { cacheControl, headers, judged } = responseOf(entry);
  return {
    ...lifetimeHeaders(route, cacheControl, entry.cachedAt, entry.freshUntil, judged.isPrivate),
    Age: String(ageOf(headers['age']) + Math.max(0, Math.ceil((now - entry.cachedAt) / 1000))),
  };
}

/** Remaining lifetime in whole seconds, for `Cache-Status`: negative if the entry is stale, `undefined` if it never expires. */
function secondsLeft({ freshUntil }: Entry, now: number): number | undefined {
  return Number.isFinite(freshUntil) ? Math.floor((freshUntil - now) / 1000) : undefined;
}
