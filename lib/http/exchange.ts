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

/** Reasons why a request bypasses the cache, as Cache-Status and the log name them. */
export type BypassReason =
  | 'disabled' // the cache is switched off
  | 'transaction' // the request is handled inside an open transaction
  | 'body' // the key does not contain its body
  | 'option' // `bypass` of the route says so
  | 'unkeyed' // its key could not be built
  | 'method' // the route does not cache its method
  | 'no-store' // its Cache-Control, on a route that obeys it
  | 'range' // it wants a part, and no stored response contains it
  | 'condition' // it has a condition that only the handler can evaluate
  | 'authenticated' // it carries credentials, and the key does not identify users
  | 'unidentified' // it carries credentials, and the key contains none of them
  | 'cookie' // it carries cookies that may matter, and the key contains none
  | 'unwatched' // code may have read the request before the watch began
  | 'target' // its target is not a path of this host
  | 'excluded'; // `cacheEverything` excludes its path

/** Finds the cached route of a handler; `undefined` for handlers that are not cached. */
export interface RouteLookup {
  find(handler: Function, controller: Function): CachedRoute | undefined;
  /** Finds the entries that unsafe requests drop; `undefined` if no handler is cached. */
  readonly storedUris: StoredUris | undefined;
}

/** A request to a cached route, with its response. */
export interface Exchange {
  readonly route: CachedRoute;
  readonly request: KeyRequest & { headers: Record<string, string | string[] | undefined> };
  readonly response: object;
  readonly next: CallHandler;
  /** Counts the status of the answer once. */
  readonly counter: StatusCounter;
  /** Explains the answer, if the route or a signed header asks for it. */
  readonly explanation: Explanation | undefined;
  /** Cache-Control of the request, parsed once; empty if the route does not obey it. */
  readonly directives: RequestDirectives;
  /** True for a background request of this cache: no stored response may answer it. */
  readonly isRefresh: boolean;
  /** Reason why the request goes to the handler although a response is stored. */
  readonly forwarded?: ForwardReason;
}

/** Findings about a request: its call, or the reason why it bypasses the cache, and the reading of the store. */
export interface Lookup extends Pick<Exchange, 'explanation' | 'directives' | 'isRefresh'> {
  readonly call: Call | BypassReason;
  readonly reading: MaybePromise<Entry | Stamp | undefined>;
}
