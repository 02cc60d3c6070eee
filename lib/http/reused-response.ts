import { CacheStatus } from '../cache/cache-status.js';
import type { Entry } from '../stores/entry.js';
import type { CacheStatusParameters } from './cache-status-header.js';
import { conditionsOf, isNotModified } from './conditional.js';
import type { ReplayOptions } from './http-platform.interface.js';
import { hitHeaders, reuseHeaders, secondsLeft, type Told } from './response-headers.js';
import type { Reuse } from './stale-response.js';
import { responseOf } from './stored-response.js';

/** What of a request decides how a stored response is sent. */
interface AskingRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/**
 * How a stored response answers a request.
 *
 * @param said for `Cache-Status`, where there is more to say than that it was stored
 */
export function replayOptions(
  told: Told,
  { method, headers }: AskingRequest,
  { entry, status, asked }: Reuse,
  now: number,
  said: CacheStatusParameters | undefined = saidOf(entry, status, asked, now),
): ReplayOptions {
  const stored = responseOf(entry);
  const isPlain = said === undefined && told.explanation === undefined;
  return {
    add: isPlain
      ? hitHeaders(told.route, entry, now)
      : reuseHeaders(told, entry, now, status, said ?? { hit: true, ttl: secondsLeft(entry, now) }),
    notModified: stored.status === 200 && isNotModified(conditionsOf(headers), stored),
    headOnly: method === 'HEAD',
  };
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
