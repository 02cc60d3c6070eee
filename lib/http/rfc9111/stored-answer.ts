import { metadataOf, type CacheStatus } from '../../cache/engine/call.js';
import { partOf, type PartValidators } from '../answer/byte-range.js';
import type { CacheStatusParameters } from '../answer/cache-status-header.js';
import { isNotModified, type Conditions } from '../request/preconditions.js';
import { parseHttpDate } from '../headers/http-date.js';
import type { Replacement } from '../platform.interface.js';
import { type metadataHeaders, statusHeaders } from '../answer/response-headers.js';
import type { StoredResponse } from '../answer/stored-response.js';
import { ageOf } from '../answer/reuse-terms.js';
import type { SharedExchange } from './shared-exchange.js';

/**
 * What a stored response answers a request: all of it, a part, or that the client has it already; with its Age (RFC 9111 §4,
 * §4.3.2, §5.1; RFC 9110 §13.2.2).
 *
 * @param conditions of the client
 * @param fwd where the handler was asked before
 */
export function storedAnswer(
  exchange: SharedExchange,
  conditions: Conditions,
  stored: StoredResponse,
  status: CacheStatus,
  now: number,
  fwd?: CacheStatusParameters,
): Replacement {
  const { request } = exchange;
  const { etag, lastModified, recorded, terms } = stored;
  const headOnly = request.method === 'HEAD';
  const notModified = stored.status === 200 && isNotModified(conditions, { etag, lastModified });
  const isWhole = notModified || request.headers['range'] === undefined;
  const age = ageOf(terms, now);
  return {
    recorded: (isWhole ? undefined : partOf(exchange, recorded, validatorsOf(stored))) ?? recorded,
    add: {
      Age: String(Math.floor(age / 1000)),
      ...statusHeaders(
        exchange,
        metadata(stored, status),
        { ...(fwd ?? { hit: true }), ttl: (terms.lifetime - age) / 1000 },
        stored.headers['cache-status'],
      ),
    },
    notModified,
    headOnly,
  };
}

/** Those of the handler alone: what it did not say is no strong validator. */
function validatorsOf(stored: StoredResponse): PartValidators {
  const { etag, date, 'last-modified': lastModified } = stored.told.shared!.fields;
  return { etag, lastModified, date: parseHttpDate(date) };
}

function metadata({ terms }: StoredResponse, status: CacheStatus): Parameters<typeof metadataHeaders>[0] {
  const { receivedAt, lifetime, initialAge } = terms;
  return metadataOf(status, { cachedAt: receivedAt, freshUntil: receivedAt + lifetime - initialAge });
}
