import { CacheStatus, metadataOf } from '../../cache/engine/call.js';
import type { Entry } from '../../stores/store.interface.js';
import { partOf, type AskingExchange } from './byte-range.js';
import type { CacheStatusParameters } from './cache-status-header.js';
import { conditionsOf, isNotModified } from '../request/preconditions.js';
import type { AddedHeaders, RecordedResponse, Replacement } from '../platform.interface.js';
import { hitHeaders, reuseHeaders, secondsLeft, statusHeaders, type Told } from './response-headers.js';
import type { Reuse } from './stale-response.js';
import { responseOf } from './stored-response.js';

/**
 * What a stored response answers a request: all of it, a part, or that the client has it already.
 *
 * @param said for `Cache-Status`, where there is more to say than that it was stored
 */
export function reusedAnswer(
  asking: AskingExchange & Told,
  { entry, status, asked }: Reuse,
  now: number,
  said: CacheStatusParameters | undefined = saidOf(entry, status, asked, now),
): Replacement {
  const stored = responseOf(entry);
  const { method, headers } = asking.request;
  const notModified = stored.status === 200 && isNotModified(conditionsOf(headers), stored);
  const part = notModified || headers['range'] === undefined ? undefined : partOfEntry(asking, entry);
  return {
    recorded: part ?? stored.recorded,
    add:
      part?.status === 416
        ? noPart(asking, entry, status, now, said)
        : added(asking, entry, status, now, said),
    notModified,
    headOnly: method === 'HEAD',
  };
}

function added(
  told: Told,
  entry: Entry,
  status: CacheStatus,
  now: number,
  said: CacheStatusParameters | undefined,
): AddedHeaders {
  if (said === undefined && told.explanation === undefined) return hitHeaders(told.route, entry, now);
  return reuseHeaders(told, entry, now, status, said ?? hitOf(entry, now));
}

/** A 416 is no answer to those who want the whole: it has neither its validators nor its lifetime. */
function noPart(
  told: Told,
  entry: Entry,
  status: CacheStatus,
  now: number,
  said: CacheStatusParameters = hitOf(entry, now),
): AddedHeaders {
  return statusHeaders(told, metadataOf(status, entry), said, responseOf(entry).headers['cache-status']);
}

function partOfEntry(asking: AskingExchange, entry: Entry): RecordedResponse | undefined {
  const { recorded, etag, lastModified } = responseOf(entry);
  return partOf(asking, recorded, { etag, lastModified, date: entry.cachedAt });
}

function hitOf(entry: Entry, now: number): CacheStatusParameters {
  return { hit: true, ttl: secondsLeft(entry, now) };
}

/** What there is to say of a stored response that is no plain hit. */
function saidOf(
  { freshUntil }: Entry,
  status: CacheStatus,
  asked: number | undefined,
  now: number,
): CacheStatusParameters | undefined {
  if (asked === undefined && status !== CacheStatus.STALE) return undefined;
  const ttl = (freshUntil - now) / 1000;
  return asked === undefined ? { hit: true, ttl } : { fwd: 'stale', fwdStatus: asked, ttl };
}
