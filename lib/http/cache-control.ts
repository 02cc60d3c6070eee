/** Directives of a Cache-Control header; lower-case names, without their quotes. */
export type CacheControlDirectives = ReadonlyMap<string, string | undefined>;

const DIRECTIVE = /([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?/g;

/**
 * Parses Cache-Control as RFC 9111 §5.2 says: names without regard to case, quoted and bare arguments alike; of a
 * directive that stands more than once the first counts (§4.2.1).
 */
export function parseCacheControl(value: string | readonly string[] | undefined): CacheControlDirectives {
  const directives = new Map<string, string | undefined>();
  if (value === undefined) return directives;
  const text = typeof value === 'string' ? value : value.join(',');
  for (const [, name, quoted, bare] of text.matchAll(DIRECTIVE)) {
    const key = name!.toLowerCase();
    if (!directives.has(key)) directives.set(key, quoted?.replace(/\\(.)/g, '$1') ?? bare);
  }
  return directives;
}

/** Larger values are taken as this many seconds (RFC 9111 §1.2.2). */
const MAX_DELTA_SECONDS = 2 ** 31;

/** The seconds of a directive such as `max-age`; malformed ones count as 0, the stale side (RFC 9111 §4.2.1). */
export function deltaSeconds(directives: CacheControlDirectives, name: string): number | undefined {
  if (!directives.has(name)) return undefined;
  const text = directives.get(name) ?? '';
  return /^\d+$/.test(text) ? Math.min(Number(text), MAX_DELTA_SECONDS) : 0;
}
