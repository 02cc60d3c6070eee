import { metadataOf, type CacheStatus } from '../../cache/cache-status.js';
import { cacheStatusHeader, type CacheStatusParameters } from '../cache-status-header.js';
import type { CachedRoute } from '../cached-route.js';
import { isNotModified, type Conditions } from '../conditional.js';
import type { Replacement } from '../http-platform.interface.js';
import { metadataHeaders } from '../response-headers.js';
import type { StoredResponse } from '../stored-response.js';
import { partOf } from './byte-range.js';
import { ageOf } from './reuse-terms.js';
import type { SharedExchange } from './shared-exchange.js';

/**
 * What a stored response answers a request: all of it, a part, or that the client has it already; with its Age (RFC 9111 §4,
 * §4.3.2, §5.1; RFC 9110 §13.2.2).
 *
 * @param conditions of the client
 * @param fwd where the handler was asked before
 */
export function storedAnswer(
  route: CachedRoute,
  request: SharedExchange['request'],
  conditions: Conditions,
  stored: StoredResponse,
  status: CacheStatus,
  now: number,
  fwd?: CacheStatusParameters,
): Replacement {
  const { etag, lastModified, recorded, terms } = stored;
  const headOnly = request.method === 'HEAD';
  const notModified = stored.status === 200 && isNotModified(conditions, { etag, lastModified });
  const isWhole = headOnly || notModified || request.headers['range'] === undefined;
  const age = ageOf(terms, now);
  return {
    recorded:
      (isWhole ? undefined : partOf(request.headers, recorded, stored.told.shared!.fields)) ?? recorded,
    add: {
      Age: String(Math.floor(age / 1000)),
      ...(route.setCacheHeaders ? metadataHeaders(metadata(stored, status)) : undefined),
      ...(route.setCacheHeaders
        ? cacheStatusHeader(
            { ...(fwd ?? { hit: true }), ttl: (terms.lifetime - age) / 1000 },
            stored.headers['cache-status'],
          )
        : undefined),
    },
    notModified,
    headOnly,
  };
}

function metadata({ terms }: StoredResponse, status: CacheStatus): Parameters<typeof metadataHeaders>[0] {
  const { receivedAt, lifetime, initialAge } = terms;
  return metadataOf(status, { cachedAt: receivedAt, freshUntil: receivedAt + lifetime - initialAge });
}
