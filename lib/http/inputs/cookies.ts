import { CacheConfigurationError } from '../../common/errors.js';
import { isIgnorable } from './ignorable-cookies.js';

/**
 * Cookies on which no answer depends: names in addition to those of analytics scripts and load balancers, which are always ignored, or `{
 * allBut: [...] }` for all cookies except those that the application reads. A name may end in `*`.
 *
 * @publicApi
 */
export type IgnoreCookiesOption = readonly string[] | { readonly allBut: readonly string[] };

/** Tells by its name whether a cookie is ignored. */
export type IsIgnoredCookie = (name: string) => boolean;

/** @throws CacheConfigurationError for an invalid {@link IgnoreCookiesOption} */
export function ignoredCookies(option: IgnoreCookiesOption | undefined, where: string): IsIgnoredCookie {
  if (option === undefined) return isIgnorable;
  const isList = Array.isArray(option);
  const names: unknown = isList ? option : (option as { allBut?: unknown } | null)?.allBut;
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string' && name !== ''))
    throw new CacheConfigurationError(
      'CACHE_OPTION',
      `ignoreCookies of ${where} is ${JSON.stringify(option)}. Write names of cookies that choose no answer, ['promo', 'ab_*'], or ` +
        `{ allBut: ['sid', 'lang'] } for the names that the application reads.`,
    );
  const isNamed = nameMatcher(names as string[]);
  return isList ? (name) => isIgnorable(name) || isNamed(name) : (name) => !isNamed(name);
}

function nameMatcher(names: readonly string[]): (name: string) => boolean {
  const whole = new Set(names.filter((name) => !name.endsWith('*')));
  const prefixes = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1));
  return (name) => whole.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
}

/**
 * Names of the cookies in a Cookie header (RFC 6265, section 4.2.1), each once, in one pass over the header. A pair
 * without `=` counts as a name: servers differ in how they read it.
 */
export function cookieNames(header: string | readonly string[]): ReadonlySet<string> {
  const text = typeof header === 'string' ? header : header.join(';');
  const names = new Set<string>();
  for (const pair of text.split(';')) {
    const equals = pair.indexOf('=');
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim();
    if (name !== '') names.add(name);
  }
  return names;
}
