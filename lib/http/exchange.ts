import type { CallHandler } from '@nestjs/common';
import type { Call } from '../cache/engine/call.js';
import type { KeyRequest } from '../keys/key.interface.js';
import type { StatusCounter } from '../observability/metrics.js';
import type { Entry, MaybePromise } from '../stores/store.interface.js';
import type { Stamp } from '../stores/stamp.js';
import type { ForwardReason } from './answer/cache-status-header.js';
import type { CachedRoute } from './route/cached-route.js';
import type { Explanation } from './explain.js';
import type { RequestDirectives } from './request/directives.js';
import type { StoredUris } from './route/stored-uris.js';

/** Why a request bypasses the cache, as Cache-Status and the log name it. */
export type BypassReason =
  | 'disabled' // the cache is switched off
  | 'transaction' // one is open where the request is handled
  | 'body' // it has a body that the key does not hold
  | 'option' // `bypass` of the route says so
  | 'unkeyed' // its key could not be made
  | 'method' // the route does not cache it
  | 'no-store' // it says so, and the route obeys request directives
  | 'range' // no stored response has the part that it wants
  | 'condition' // it has a condition that only the handler can judge
  | 'authenticated' // it carries credentials, and the key does not identify users
  | 'unidentified' // it carries credentials, and the key holds none of them
  | 'cookie' // it carries cookies that may matter, and the key holds none
  | 'unwatched' // code may have read the request unseen, before the cache was asked
  | 'target' // its target is no path on this host
  | 'excluded'; // by `cacheEverything`

/** Finds the cached route of a handler; `undefined` for handlers that are not decorated. */
export interface RouteLookup {
  find(handler: Function, controller: Function): CachedRoute | undefined;
  /** Finds what unsafe requests drop; `undefined` where nothing is cached. */
  readonly storedUris: StoredUris | undefined;
}

/** One request on its way through a cached route. */
export interface Exchange {
  readonly route: CachedRoute;
  readonly request: KeyRequest & { headers: Record<string, string | string[] | undefined> };
  readonly response: object;
  readonly next: CallHandler;
  /** Counts the status of the answer, once. */
  readonly counter: StatusCounter;
  /** Explains the answer, where the route or a signed header asks for it. */
  readonly explanation: Explanation | undefined;
  /** Cache-Control of the request, parsed once; none where the route does not obey it. */
  readonly directives: RequestDirectives;
  /** A background request of this cache: nothing stored may answer it. */
  readonly isRefresh: boolean;
  /** Why it is forwarded to the handler, where there is a stored response. */
  readonly forwarded?: ForwardReason;
}

/** The cache's findings on a request: its call, or why it bypasses the cache, and the reading of the store. */
export interface Lookup extends Pick<Exchange, 'explanation' | 'directives' | 'isRefresh'> {
  readonly call: Call | BypassReason;
  readonly reading: MaybePromise<Entry | Stamp | undefined>;
}
