import {
  type CacheControlDirectives,
  deltaSeconds,
  parseDelta,
  parseHttpDate,
  splitList,
} from '../headers/cache-control.js';
import { directivesOf, HEURISTICALLY_CACHEABLE, type JudgedFields } from './judged-fields.js';

/** When a response was asked for and when it came; milliseconds since the epoch. */
export interface ExchangeTimes {
  readonly requestedAt: number;
  readonly receivedAt: number;
}

/** On what terms a stored response may be reused; durations in milliseconds. */
export interface ReuseTerms {
  readonly lifetime: number;
  /** How old it was when it came. */
  readonly initialAge: number;
  readonly receivedAt: number;
  /** `no-cache`: never without asking the handler. */
  readonly mustAskAlways: boolean;
  /** It must not be served stale, whatever allows it otherwise. */
  readonly mustAskWhenStale: boolean;
  /** How long past its lifetime it may be served while it is validated, or instead of an error (RFC 5861). */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
}

/** Part of the time since its last change that a response without a lifetime is taken to be good for (RFC 9111 §4.2.2). */
const HEURISTIC_FRACTION = 0.1;
const MAX_HEURISTIC_LIFETIME = 24 * 3600 * 1000;

export function reuseTermsOf(status: number, fields: JudgedFields, times: ExchangeTimes): ReuseTerms {
  const { directives, isTargeted } = directivesOf(fields);
  const explicit = explicitLifetime(directives, isTargeted ? undefined : fields.expires, fields, times);
  return {
    lifetime: explicit ?? heuristicLifetime(status, directives, fields, times),
    initialAge: initialAge(fields, times),
    receivedAt: times.receivedAt,
    mustAskAlways: directives.has('no-cache') && directives.get('no-cache') === undefined,
    mustAskWhenStale: FORBIDDING_STALE.some((name) => directives.has(name)),
    staleWhileRevalidate: 1000 * (deltaSeconds(directives, 'stale-while-revalidate') ?? 0),
    staleIfError: 1000 * (deltaSeconds(directives, 'stale-if-error') ?? 0),
  };
}

/** RFC 9111 §4.2.4: what forbids a shared cache to serve a stale response. */
const FORBIDDING_STALE = ['must-revalidate', 'proxy-revalidate', 's-maxage', 'no-cache'];

/** RFC 9111 §4.2.3: by its Date or by its Age, whichever says more. */
function initialAge(fields: JudgedFields, { requestedAt, receivedAt }: ExchangeTimes): number {
  const date = parseHttpDate(fields.date);
  // Dates know no parts of a second.
  const apparent =
    date === undefined ? 0 : Math.max(0, Math.floor(receivedAt / 1000) - Math.floor(date / 1000));
  const age = parseDelta(splitList(fields.age ?? '')[0]) ?? 0;
  return Math.max(1000 * apparent, 1000 * age + Math.max(0, receivedAt - requestedAt));
}

/** RFC 9111 §4.2.1: the first of these that there is, malformed or not. */
function explicitLifetime(
  directives: CacheControlDirectives,
  expires: string | undefined,
  { date }: JudgedFields,
  { receivedAt }: ExchangeTimes,
): number | undefined {
  const seconds = deltaSeconds(directives, 's-maxage') ?? deltaSeconds(directives, 'max-age');
  if (seconds !== undefined) return seconds * 1000;
  if (expires === undefined) return undefined;
  // What is no date, `0` above all, is in the past (§5.3).
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

/** How old a response is now (RFC 9111 §4.2.3, current_age). */
export function ageOf({ initialAge, receivedAt }: ReuseTerms, now: number): number {
  return initialAge + Math.max(0, now - receivedAt);
}
