import type { RequestDirectives } from '../request/directives.js';
import { ageOf, type ReuseTerms } from '../answer/reuse-terms.js';

/**
 * How a stored response may answer a request: as it is, though it is stale, though it is stale while it is validated behind
 * the back of the client, or only once it was validated.
 */
export type Reuse = 'fresh' | 'stale' | 'while-revalidating' | 'validated';

/** RFC 9111 §4, §4.2.4, §5.2.1; RFC 5861 §3. */
export function reuseOf(terms: ReuseTerms, asked: RequestDirectives, now: number): Reuse {
  if (terms.alwaysValidate || asked.noCache) return 'validated';
  const age = ageOf(terms, now);
  if (asked.maxAge === 0 || age > asked.maxAge) return 'validated';
  const remaining = terms.lifetime - age;
  if (remaining > 0) return remaining >= asked.minFresh ? 'fresh' : 'validated';
  if (terms.validateWhenStale || asked.minFresh > 0) return 'validated';
  if (asked.maxStale > 0 && -remaining <= asked.maxStale) return 'stale';
  return -remaining < terms.staleWhileRevalidate ? 'while-revalidating' : 'validated';
}

const SERVER_ERRORS = new Set([500, 502, 503, 504]);

/** Whether a stale response may stand in for an error (RFC 5861 §4), by what it or the request says. */
export function mayStandInForError(
  terms: ReuseTerms,
  asked: RequestDirectives,
  status: number,
  now: number,
): boolean {
  if (!SERVER_ERRORS.has(status) || asked.noCache || terms.alwaysValidate || terms.validateWhenStale)
    return false;
  const allowed = Math.max(terms.staleIfError, asked.staleIfError);
  return allowed > 0 && ageOf(terms, now) - terms.lifetime < allowed;
}
