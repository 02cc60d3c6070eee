import { deltaSeconds, parseCacheControl } from '../headers/cache-control.js';
import type { Load } from '../../cache/engine/loads.js';
import type { ResponseHead } from '../platform.interface.js';
import type { ResponseOptions } from '../route/response-options.js';
import { varyMembers } from '../headers/vary.js';
import { isLocalStamp } from '../../cache/engine/outage.js';

/** Why an answer must not be stored. */
export interface Refusal {
  /** For the log: the cause, and what to write. Nothing is logged without it. */
  readonly reason?: string | undefined;
  /** A word for `Cache-Status`: for all clients, or only for those that asked for an explanation. */
  readonly detail?: string | undefined;
  readonly why?: string | undefined;
}

/**
 * Members of the Vary of a whole response that choose between stored answers. Those of CORS and compression do not: their
 * effect is made anew for each request, hits included.
 */
export function varyOf(headers: ResponseHead['headers']): readonly string[] {
  const { vary } = headers;
  if (vary === undefined) return [];
  const isLive = (name: string): boolean =>
    name === 'origin' || (name === 'accept-encoding' && headers['content-encoding'] === undefined);
  return varyMembers(vary).filter((name) => !isLive(name));
}

const VARIES_BY_EVERYTHING =
  'it says Vary: *, so no other request may be answered with it; name the request headers that it depends on';

const IF_FOR_ALL = '; leave that out if all may have the answer, else @CacheResponse()';

const FORBIDDING = ['no-store', 'private', 'no-cache'];

/**
 * Judges a response by its status and its own Cache-Control, which can only shorten or forbid.
 *
 * @param cacheControl as the handler and the middleware before it left it
 * @param age seconds of its lifetime that are over, by its own account
 * @param vary request headers that it varies by
 * @returns for how many milliseconds it may be stored, or why it may not
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
    return { reason: `the handler says Cache-Control: ${forbidding}${IF_FOR_ALL}`, why: forbidding };
  const name = directives.has('s-maxage') ? 's-maxage' : 'max-age';
  const seconds = deltaSeconds(directives, name) ?? Infinity;
  if (seconds > age) return (seconds - age) * 1000;
  const aged = age > 0 ? ` and Age: ${age}` : '';
  return { reason: `the handler says Cache-Control: ${name}=${seconds}${aged}${IF_FOR_ALL}`, why: name };
}

/** Whether an answer can be stored if its own headers allow it, as far as is known when its head goes out. */
export function isStorable({ stamp, context }: Load, head: ResponseHead, maxBodyBytes: number): boolean {
  const { headers } = head;
  const hasStore = stamp !== undefined && !isLocalStamp(stamp);
  const isWhole = headers['trailer'] === undefined && !isTooLarge(head, maxBodyBytes);
  return hasStore && isWhole && context.refusal === undefined && headers['set-cookie'] === undefined;
}

/** Whether a body is larger than the bound, as far as its length is known. */
export function isTooLarge({ body, headers }: ResponseHead, maxBodyBytes: number): boolean {
  return (body?.length ?? Number(headers['content-length'] ?? 0)) > maxBodyBytes;
}
