import type { KeyRequest } from '../../keys/key.interface.js';
import type { Entry } from '../../stores/store.interface.js';
import { deltaSeconds, parseCacheControl, parseDelta } from '../headers/cache-control.js';
import type { CachedRoute } from '../route/cached-route.js';

/** What a request demands of a cache (RFC 9111 §5.2.1); durations in milliseconds. */
export interface RequestDirectives {
  /** It wants what the handler says now. */
  readonly noCache: boolean;
  readonly noStore: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAge: number;
  readonly minFresh: number;
  readonly maxStale: number;
  readonly staleIfError: number;
}

/** What most requests demand. */
export const NO_DIRECTIVES: RequestDirectives = Object.freeze({
  noCache: false,
  noStore: false,
  onlyIfCached: false,
  maxAge: Infinity,
  minFresh: 0,
  maxStale: 0,
  staleIfError: 0,
});

/** End to end: nothing stored will do. */
export const RELOAD: RequestDirectives = Object.freeze({ ...NO_DIRECTIVES, noCache: true });

/** Pragma counts only where there is no Cache-Control (RFC 9111 §5.4). */
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
  return {
    noCache: directives.has('no-cache'),
    noStore: directives.has('no-store'),
    onlyIfCached: directives.has('only-if-cached'),
    maxAge: milliseconds('max-age', Infinity),
    minFresh: milliseconds('min-fresh', 0),
    maxStale: directives.has('max-stale') ? maxStale(directives.get('max-stale')) : 0,
    staleIfError: milliseconds('stale-if-error', 0),
  };
}

function saysNoCache(pragma: string | string[] | undefined): boolean {
  return pragma !== undefined && parseCacheControl(pragma).has('no-cache');
}

/** Without an argument a response may be as stale as it is. */
function maxStale(argument: string | undefined): number {
  return argument === undefined ? Infinity : 1000 * (parseDelta(argument) ?? 0);
}

/** What a request demands of a route with a lifetime: nothing, unless the route listens. */
export function honouredDirectives(
  { options }: CachedRoute,
  { headers }: Pick<KeyRequest, 'headers'>,
): RequestDirectives {
  return options.honourRequestDirectives ? requestDirectives(headers) : NO_DIRECTIVES;
}

/** Whether a request takes nothing that began before it: what is stored, and what others load. */
export function demandsReload({ noCache, maxAge }: RequestDirectives): boolean {
  return noCache || maxAge === 0;
}

/** Whether a stored response is as young, and as far from its end, as a request demands (RFC 9111 §5.2.1.1, §5.2.1.3, §5.2.1.4). */
export function satisfies(asked: RequestDirectives, stored: Entry, now: number): boolean {
  const { cachedAt, freshUntil, expired } = stored;
  if (demandsReload(asked) || now - cachedAt > asked.maxAge) return false;
  return asked.minFresh === 0 || (!expired && freshUntil - now >= asked.minFresh);
}

/**
 * Whether a request takes what is past its lifetime, where it is still kept (RFC 9111 §5.2.1.2). What a change has expired is none
 * of that: how far it is behind is not known.
 */
export function acceptsStale({ maxStale }: RequestDirectives, stored: Entry, now: number): boolean {
  const { freshUntil, keepUntil, expired } = stored;
  return maxStale > 0 && !expired && now < keepUntil && now - freshUntil <= maxStale;
}
