// The decisions of a shared cache, in the order of RFC 9111: may it store a response (§3), may it reuse it (§4).
import type { RequestDirectives } from '../request/directives.js';
import {
  ageOf,
  directivesOf,
  HEURISTICALLY_CACHEABLE,
  type JudgedFields,
  type ReuseTerms,
} from '../answer/reuse-terms.js';

/** Final status codes that this cache understands (RFC 9111 §5.2.2.3, `must-understand`). */
const UNDERSTOOD = new Set([...HEURISTICALLY_CACHEABLE, 302, 303, 307]);

/** Status codes of a partial answer and of the answer to a condition: without their request they mean nothing. */
const NEVER_STORED = new Set([206, 304]);

/** Directives that allow sharing the answer to a request with credentials (RFC 9111 §3.5). */
const ALLOWING_CREDENTIALS = ['public', 's-maxage', 'must-revalidate'];

const ALLOWING = ['public', 's-maxage', 'max-age'];

/**
 * The reason why a shared cache must not store the answer to a GET (RFC 9111 §3); `undefined` if it may.
 *
 * @param isAuthenticated true if the request carried credentials
 * @param vary the members of its Vary
 */
export function storingRefusal(
  status: number,
  fields: JudgedFields,
  vary: readonly string[],
  isAuthenticated: boolean,
): string | undefined {
  const { directives, isTargeted } = directivesOf(fields);
  const says = (name: string): boolean => directives.has(name);
  if (status < 200 || NEVER_STORED.has(status)) return `status ${status}`;
  if (says('must-understand') ? !UNDERSTOOD.has(status) : says('no-store')) return 'no-store';
  if (says('private') && directives.get('private') === undefined) return 'private';
  if (vary.includes('*')) return 'Vary: *';
  if (isAuthenticated && !ALLOWING_CREDENTIALS.some(says)) return 'authorization';
  const hasExpires = fields.expires !== undefined && !isTargeted;
  return ALLOWING.some(says) || hasExpires || HEURISTICALLY_CACHEABLE.has(status) ? undefined : 'no lifetime';
}

/** How a stored response may answer a request: fresh, stale, stale while a background request validates it, or only after validation. */
export type Reusability = 'fresh' | 'stale' | 'while-revalidating' | 'validated';

/** Decides how a stored response may answer a request (RFC 9111 §4, §4.2.4, §5.2.1; RFC 5861 §3). */
export function reusabilityOf(terms: ReuseTerms, directives: RequestDirectives, now: number): Reusability {
  if (terms.alwaysValidate || directives.noCache) return 'validated';
  const age = ageOf(terms, now);
  if (directives.maxAge === 0 || age > directives.maxAge) return 'validated';
  const remaining = terms.lifetime - age;
  if (remaining > 0) return remaining >= directives.minFresh ? 'fresh' : 'validated';
  if (terms.validateWhenStale || directives.minFresh > 0) return 'validated';
  if (directives.maxStale > 0 && -remaining <= directives.maxStale) return 'stale';
  return -remaining < terms.staleWhileRevalidate ? 'while-revalidating' : 'validated';
}

const SERVER_ERRORS = new Set([500, 502, 503, 504]);

/** True if a stale response may be served instead of an error (RFC 5861 §4): it or the request must allow it. */
export function mayReplaceError(
  terms: ReuseTerms,
  directives: RequestDirectives,
  status: number,
  now: number,
): boolean {
  if (!SERVER_ERRORS.has(status) || directives.noCache || terms.alwaysValidate || terms.validateWhenStale)
    return false;
  const allowed = Math.max(terms.staleIfError, directives.staleIfError);
  return allowed > 0 && ageOf(terms, now) - terms.lifetime < allowed;
}
