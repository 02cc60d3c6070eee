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

/** Why a request goes past any cache, as Cache-Status and the log say it. */
export type GeneralReason =
  | 'disabled' // the cache is switched off
  | 'transaction' // one is open where the request is handled
  | 'body' // it has one, and the key does not hold it
  | 'option' // `bypass` of the route says so
  | 'unkeyed'; // its key could not be made

/** Why a request goes past the cache of a route with a lifetime. */
export type BypassReason =
  | GeneralReason
  | 'method' // the route does not cache it
  | 'no-store' // it says so, and the route listens
  | 'range' // no stored response has the part that it wants
  | 'condition' // it makes one that is the handler's to judge
  | 'authenticated' // it carries credentials, and the key tells no users apart
  | 'unidentified' // it carries credentials, of which the key sees nothing
  | 'cookie' // it carries cookies, the key holds none, and nobody said that they do not matter
  | 'excluded'; // by `cacheEverything`

/** Finds the cached route of a handler; `undefined` for handlers that are not decorated. */
export interface RouteLookup {
  find(handler: Function, controller: Function): CachedRoute | undefined;
  /** What unsafe requests drop; `undefined` where nothing is cached. */
  readonly storedUris: StoredUris | undefined;
}

/** One request on its way through a cached route. */
export interface Exchange {
  readonly route: CachedRoute;
  readonly request: KeyRequest & { headers: Record<string, string | string[] | undefined> };
  readonly response: object;
  readonly next: CallHandler;
  /** Counts what the client is told. */
  readonly counter: StatusCounter;
  /** Where the answer is to say why. */
  readonly explanation: Explanation | undefined;
  /** What it demands of this cache, where the route listens. */
  readonly directives: RequestDirectives;
  /** Why it goes to the handler, where that is not for want of a response. */
  readonly forwarded?: ForwardReason;
}

/** What the cache has for a request: the call that it makes, or why it makes none, and what the store said. */
export interface Lookup {
  readonly call: Call | BypassReason;
  readonly reading: MaybePromise<Entry | Stamp | undefined>;
  readonly explanation: Explanation | undefined;
}
