import type { Entry } from '../../stores/store.interface.js';
import { deltaSeconds, parseCacheControl, parseDelta } from '../headers/cache-control.js';

/** Cache-Control of a request (RFC 9111 §5.2.1). Durations in milliseconds. */
export interface RequestDirectives {
  /** True for `no-cache`: stored responses must be confirmed by the handler. */
  readonly noCache: boolean;
  /**
   * True for `no-cache` and `max-age=0`: no response that began before the request may answer it, neither a stored one nor one that is
   * being loaded.
   */
  readonly reload: boolean;
  readonly noStore: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAge: number;
  readonly minFresh: number;
  readonly maxStale: number;
  readonly staleIfError: number;
}

/** Directives of requests without Cache-Control, and of all requests to routes that do not obey it. */
export const NO_DIRECTIVES: RequestDirectives = Object.freeze({
  noCache: false,
  reload: false,
  noStore: false,
  onlyIfCached: false,
  maxAge: Infinity,
  minFresh: 0,
  maxStale: 0,
  staleIfError: 0,
});

/** Directives of an end-to-end reload. */
const RELOAD: RequestDirectives = Object.freeze({ ...NO_DIRECTIVES, noCache: true, reload: true });

/** Pragma counts only without Cache-Control (RFC 9111 §5.4). */
export function requestDirectives(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): RequestDirectives {
  const value = headers['cache-control'];
  if (value === undefined) return saysNoCache(headers['pragma']) ? RELOAD : NO_DIRECTIVES;
  const directives = parseCacheControl(value);
  const milliseconds = (name: string, otherwise: number): number => {
    const seconds = deltaSeconds(directives, name);
    return seconds === undefined ? otherwise : seconds * 1000;
  };
  const noCache = directives.has('no-cache');
  const maxAge = milliseconds('max-age', Infinity);
  return {
    noCache,
    reload: noCache || maxAge === 0,
    noStore: directives.has('no-store'),
    onlyIfCached: directives.has('only-if-cached'),
    maxAge,
    minFresh: milliseconds('min-fresh', 0),
    maxStale: directives.has('max-stale') ? maxStale(directives.get('max-stale')) : 0,
    staleIfError: milliseconds('stale-if-error', 0),
  };
}

function saysNoCache(pragma: string | string[] | undefined): boolean {
  return pragma !== undefined && parseCacheControl(pragma).has('no-cache');
}

/** Without an argument, a response of any age is accepted. */
function maxStale(argument: string | undefined): number {
  return argument === undefined ? Infinity : 1000 * (parseDelta(argument) ?? 0);
}

/** True if a stored response meets `max-age`, `min-fresh` and `no-cache` of a request (RFC 9111 §5.2.1.1, §5.2.1.3, §5.2.1.4). */
export function satisfies(directives: RequestDirectives, stored: Entry, now: number): boolean {
  const { cachedAt, freshUntil, expired } = stored;
  if (directives.reload || now - cachedAt > directives.maxAge) return false;
  return directives.minFresh === 0 || (!expired && freshUntil - now >= directives.minFresh);
}

/**
 * True if a request accepts a response past its lifetime (RFC 9111 §5.2.1.2). Not an entry that a change has expired: its age since the
 * change is unknown.
 */
export function acceptsStale({ maxStale }: RequestDirectives, stored: Entry, now: number): boolean {
  const { freshUntil, keepUntil, expired } = stored;
  return maxStale > 0 && !expired && now < keepUntil && now - freshUntil <= maxStale;
}
