import { deltaSeconds, parseCacheControl } from '../headers/cache-control.js';
import type { Load } from '../../cache/engine/loads.js';

import type { ResponseHead } from '../platform.interface.js';
import type { ResponseOptions } from '../route/response-options.js';
import { varyMembers } from '../headers/vary.js';
import { isLocalStamp } from '../../cache/engine/outage.js';

/** Whether a response may be stored: for at most so many milliseconds, or why not and what to write. */
export type Judgement = { readonly lifetime: number; readonly refusal?: undefined } | Refusal;

export interface Refusal {
  /** What is wrong with it, and what to write. */
  readonly refusal: string;
  readonly lifetime?: undefined;
  /** A word for `Cache-Status`: for all, or for those alone who asked why. */
  readonly detail?: string;
  readonly why?: string;
}

/**
 * What a whole response says in `Vary`, middleware included, as far as it concerns what is stored. CORS and compression
 * vary by headers whose effect is made anew for each request, hits included: they choose between no stored answers.
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
 * @param age the seconds that it has been good for already, by its own account
 * @param vary what the response varies by
 */
export function judgeResponse(
  status: number,
  cacheControl: string | undefined,
  age: number,
  vary: readonly string[],
  options: ResponseOptions,
): Judgement {
  if (!options.statuses.has(status))
    return { refusal: `its status is ${status}; statuses: [${status}] would store it`, why: 'status' };
  if (vary.includes('*')) return { refusal: VARIES_BY_EVERYTHING, why: 'vary' };
  if (cacheControl === undefined) return { lifetime: Infinity };
  const directives = parseCacheControl(cacheControl);
  const forbidding = FORBIDDING.find((name) => directives.has(name));
  if (forbidding !== undefined)
    return { refusal: `the handler says Cache-Control: ${forbidding}${IF_FOR_ALL}`, why: forbidding };
  const name = directives.has('s-maxage') ? 's-maxage' : 'max-age';
  const seconds = deltaSeconds(directives, name) ?? Infinity;
  if (seconds > age) return { lifetime: (seconds - age) * 1000 };
  const told = age > 0 ? ` and Age: ${age}` : '';
  return { refusal: `the handler says Cache-Control: ${name}=${seconds}${told}${IF_FOR_ALL}`, why: name };
}

/** Whether nothing but what an answer says of itself keeps it from being stored, as far as is known when its head goes out. */
export function isStorable({ stamp, context }: Load, head: ResponseHead, maxBodyBytes: number): boolean {
  const { headers } = head;
  const hasStore = stamp !== undefined && !isLocalStamp(stamp);
  const isWhole = headers['trailer'] === undefined && !isTooLarge(head, maxBodyBytes);
  return hasStore && isWhole && context.refusal === undefined && headers['set-cookie'] === undefined;
}

/** As far as its length is known. */
export function isTooLarge({ body, headers }: ResponseHead, maxBodyBytes: number): boolean {
  return (body?.length ?? Number(headers['content-length'] ?? 0)) > maxBodyBytes;
}
