import type { KeyRequest } from '../../keys/key.interface.js';
import type { Entry } from '../../stores/store.interface.js';
import type { CachedRoute } from '../route/cached-route.js';
import { NOTHING_ASKED, requestDirectives, type RequestDirectives } from './request-directives.js';

/** What a request demands of a route with a lifetime: nothing, unless the route listens. */
export function honouredDirectives(
  { options }: CachedRoute,
  { headers }: Pick<KeyRequest, 'headers'>,
): RequestDirectives {
  return options.honourRequestDirectives ? requestDirectives(headers) : NOTHING_ASKED;
}

/** Whether a request takes nothing that began before it: what is stored, and what others load. */
export function asksAnew({ noCache, maxAge }: RequestDirectives): boolean {
  return noCache || maxAge === 0;
}

/** Whether a stored response is as young, and as far from its end, as a request demands (RFC 9111 §5.2.1.1, §5.2.1.3, §5.2.1.4). */
export function satisfies(asked: RequestDirectives, stored: Entry, now: number): boolean {
  const { cachedAt, freshUntil, expired } = stored;
  if (asksAnew(asked) || now - cachedAt > asked.maxAge) return false;
  return asked.minFresh === 0 || (!expired && freshUntil - now >= asked.minFresh);
}

/**
 * Whether a request takes what is past its lifetime, where it is still kept (RFC 9111 §5.2.1.2). What a change has expired is none
 * of that: how far it is behind is not known.
 */
export function takesStale({ maxStale }: RequestDirectives, stored: Entry, now: number): boolean {
  const { freshUntil, keepUntil, expired } = stored;
  return maxStale > 0 && !expired && now < keepUntil && now - freshUntil <= maxStale;
}
