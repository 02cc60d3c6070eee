import { directivesOf, HEURISTICALLY_CACHEABLE, type JudgedFields } from '../answer/reuse-terms.js';

/** Final statuses whose caching is as this cache does it (RFC 9111 §5.2.2.3, `must-understand`). */
const UNDERSTOOD = new Set([...HEURISTICALLY_CACHEABLE, 302, 303, 307]);

/** A part, and the answer to a condition, say nothing without the request they answer. */
const NEVER_STORED = new Set([206, 304]);

/** An answer to a request with credentials is shared only if it says one of these (RFC 9111 §3.5). */
const ALLOWING_CREDENTIALS = ['public', 's-maxage', 'must-revalidate'];

const ALLOWING = ['public', 's-maxage', 'max-age'];

/**
 * Why a shared cache must not store the answer to a GET (RFC 9111 §3); `undefined` if it may.
 *
 * @param isAuthenticated whether the request carried credentials
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
