import { deltaSeconds, parseCacheControl } from '../headers/cache-control.js';
import type { Load } from '../../cache/engine/loads.js';
import type { ResponseHead } from '../platform.interface.js';
import type { ResponseOptions } from '../route/response-options.js';
import { varyMembers } from '../headers/vary.js';
import { isLocalStamp } from '../../cache/engine/outage.js';

/** The reason why an answer must not be stored. */
export interface Refusal {
  /** Reason and remedy for the log. Without it nothing is logged. */
  readonly reason?: string | undefined;
  /** Detail for `Cache-Status`: for all clients, or only for those that asked for an explanation. */
  readonly detail?: string | undefined;
  readonly why?: string | undefined;
}

const VARIES_BY_EVERYTHING =
  'it has Vary: *, so no other request may be answered with it; name the request headers that it depends on';

const IF_FOR_ALL = '; remove it if every client may get the answer, else remove @CacheResponse()';

const FORBIDDING = ['no-store', 'private', 'no-cache'];

/**
 * Judges a response by its status and its Cache-Control, which can only shorten the lifetime or forbid storing.
 *
 * @param cacheControl Cache-Control after the handler and the middleware before it
 * @param age age of the response in seconds, by its own headers
 * @param vary request headers that the response varies by
 * @returns the lifetime in milliseconds, or the reason why it must not be stored
 */
export function judgeResponse(
  status: number,
  cacheControl: string | undefined,
  age: number,
  vary: readonly string[],
  options: ResponseOptions,
): number | Refusal {
  if (!options.statuses.has(status))
    return { reason: `its status is ${status}; statuses: [${status}] would store it`, why: 'status' };
  if (vary.includes('*')) return { reason: VARIES_BY_EVERYTHING, why: 'vary' };
  if (cacheControl === undefined) return Infinity;
  const directives = parseCacheControl(cacheControl);
  const forbidding = FORBIDDING.find((name) => directives.has(name));
  if (forbidding !== undefined)
    return { reason: `the handler sends Cache-Control: ${forbidding}${IF_FOR_ALL}`, why: forbidding };
  const name = directives.has('s-maxage') ? 's-maxage' : 'max-age';
  const seconds = deltaSeconds(directives, name) ?? Infinity;
  if (seconds > age) return (seconds - age) * 1000;
  const aged = age > 0 ? ` and Age: ${age}` : '';
  return { reason: `the handler sends Cache-Control: ${name}=${seconds}${aged}${IF_FOR_ALL}`, why: name };
}

/**
 * Members of Vary that select between stored answers. Those of CORS and compression are left out: their headers are set again for each
 * request, hits included.
 */
export function varyOf(headers: ResponseHead['headers']): readonly string[] {
  const { vary } = headers;
  if (vary === undefined) return [];
  const isLive = (name: string): boolean =>
    name === 'origin' || (name === 'accept-encoding' && headers['content-encoding'] === undefined);
  return varyMembers(vary).filter((name) => !isLive(name));
}

/** True if an answer can be stored as far as its headers do not forbid it. Judged when the head is sent. */
export function isStorable({ stamp, context }: Load, head: ResponseHead, maxBodyBytes: number): boolean {
  const { headers } = head;
  const hasStore = stamp !== undefined && !isLocalStamp(stamp);
  const isWhole = headers['trailer'] === undefined && !isTooLarge(head, maxBodyBytes);
  return hasStore && isWhole && context.refusal === undefined && headers['set-cookie'] === undefined;
}

/** True if a body is known to be larger than the limit. */
export function isTooLarge({ body, headers }: ResponseHead, maxBodyBytes: number): boolean {
  return (body?.length ?? Number(headers['content-length'] ?? 0)) > maxBodyBytes;
}
