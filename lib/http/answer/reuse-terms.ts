import {
  type CacheControlDirectives,
  deltaSeconds,
  parseCacheControl,
  parseDelta,
  parseHttpDate,
  splitList,
} from '../headers/cache-control.js';
import { parseTargeted } from '../headers/targeted-cache-control.js';
import type { ResponseHead } from '../platform.interface.js';

/** Status codes that are heuristically cacheable (RFC 9110 §15.1), without 206, which is never stored here. */
export const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** Headers whose lines form one list. Of the others only the first line counts (RFC 9111 §4.2.1, §5.1). */
const LISTS = ['cache-control', 'cdn-cache-control'] as const;
const SINGLES = ['age', 'date', 'etag', 'expires', 'last-modified'] as const;

type JudgedName = (typeof LISTS)[number] | (typeof SINGLES)[number];

/** Headers that decide whether, how long and how a response may be reused. Stored with it, since a 304 changes some of them. */
export type JudgedFields = Readonly<Partial<Record<JudgedName, string>>>;

export function judgedFieldsOf(headers: ResponseHead['headers']): JudgedFields {
  const fields: Partial<Record<JudgedName, string>> = {};
  for (const name of LISTS) {
    const value = headers[name];
    if (value !== undefined) fields[name] = String(value);
  }
  for (const name of SINGLES) {
    const value = headers[name];
    if (value !== undefined) fields[name] = String(Array.isArray(value) ? value[0] : value);
  }
  return fields;
}

/** Directives of a response for this cache. */
export interface ResponseDirectives {
  readonly directives: CacheControlDirectives;
  /** True if they come from CDN-Cache-Control, which replaces Cache-Control and Expires (RFC 9213 §2.2). */
  readonly isTargeted: boolean;
}

export function directivesOf(fields: JudgedFields): ResponseDirectives {
  const targeted = parseTargeted(fields['cdn-cache-control']);
  if (targeted !== undefined) return { directives: targeted, isTargeted: true };
  return { directives: parseCacheControl(fields['cache-control']), isTargeted: false };
}

/** Times of the request and of the response. Milliseconds since the epoch. */
export interface ExchangeTimes {
  readonly requestedAt: number;
  readonly receivedAt: number;
}

/** Terms for the reuse of a stored response. Durations in milliseconds. */
export interface ReuseTerms {
  readonly lifetime: number;
  /** Age of the response when it was received. */
  readonly initialAge: number;
  readonly receivedAt: number;
  /** True for `no-cache`: it must be validated before each reuse. */
  readonly alwaysValidate: boolean;
  /** True if it must not be served stale, even if other directives allow it. */
  readonly validateWhenStale: boolean;
  /** Time past its lifetime during which it may be served while it is validated, or instead of an error (RFC 5861). */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
}

/** Heuristic freshness: this fraction of the time since the last change (RFC 9111 §4.2.2). */
const HEURISTIC_FRACTION = 0.1;
const MAX_HEURISTIC_LIFETIME = 24 * 3600 * 1000;

export function reuseTermsOf(status: number, fields: JudgedFields, times: ExchangeTimes): ReuseTerms {
  const { directives, isTargeted } = directivesOf(fields);
  const explicit = explicitLifetime(directives, isTargeted ? undefined : fields.expires, fields, times);
  return {
    lifetime: explicit ?? heuristicLifetime(status, directives, fields, times),
    initialAge: initialAge(fields, times),
    receivedAt: times.receivedAt,
    alwaysValidate: directives.has('no-cache') && directives.get('no-cache') === undefined,
    validateWhenStale: FORBIDDING_STALE.some((name) => directives.has(name)),
    staleWhileRevalidate: 1000 * (deltaSeconds(directives, 'stale-while-revalidate') ?? 0),
    staleIfError: 1000 * (deltaSeconds(directives, 'stale-if-error') ?? 0),
  };
}

/** Directives that forbid a shared cache to serve a stale response (RFC 9111 §4.2.4). */
const FORBIDDING_STALE = ['must-revalidate', 'proxy-revalidate', 's-maxage', 'no-cache'];

/** The age from Date or from the Age header, whichever is larger (RFC 9111 §4.2.3). */
function initialAge(fields: JudgedFields, { requestedAt, receivedAt }: ExchangeTimes): number {
  const date = parseHttpDate(fields.date);
  // Date has a resolution of one second.
  const apparent =
    date === undefined ? 0 : Math.max(0, Math.floor(receivedAt / 1000) - Math.floor(date / 1000));
  const age = parseDelta(splitList(fields.age ?? '')[0]) ?? 0;
  return Math.max(1000 * apparent, 1000 * age + Math.max(0, receivedAt - requestedAt));
}

/** The lifetime from the first of these that is present, even if it is malformed (RFC 9111 §4.2.1). */
function explicitLifetime(
  directives: CacheControlDirectives,
  expires: string | undefined,
  { date }: JudgedFields,
  { receivedAt }: ExchangeTimes,
): number | undefined {
  const seconds = deltaSeconds(directives, 's-maxage') ?? deltaSeconds(directives, 'max-age');
  if (seconds !== undefined) return seconds * 1000;
  if (expires === undefined) return undefined;
  // An invalid date, such as `0`, counts as past (§5.3).
  return Math.max(0, (parseHttpDate(expires) ?? 0) - (parseHttpDate(date) ?? receivedAt));
}

function heuristicLifetime(
  status: number,
  directives: CacheControlDirectives,
  fields: JudgedFields,
  { receivedAt }: ExchangeTimes,
): number {
  if (!HEURISTICALLY_CACHEABLE.has(status) && !directives.has('public')) return 0;
  const modified = parseHttpDate(fields['last-modified']);
  if (modified === undefined) return 0;
  const unchanged = Math.max(0, (parseHttpDate(fields.date) ?? receivedAt) - modified);
  return Math.min(unchanged * HEURISTIC_FRACTION, MAX_HEURISTIC_LIFETIME);
}

/** Current age of a response (RFC 9111 §4.2.3, current_age). */
export function ageOf({ initialAge, receivedAt }: ReuseTerms, now: number): number {
  return initialAge + Math.max(0, now - receivedAt);
}
