import type { Duration } from '../common/time.js';
import type { ValueContext, VerifyMethod } from '../cache/engine/call.js';
import type { Isolation } from '../cache/values/isolation.js';
import type { TypeOption } from '../cache/values/classes.js';
import type { CacheableMethod } from '../http/route/cacheable-methods.js';
import type { FastLaneOptions } from '../http/route/fast-lane-option.js';
import type { KeyLimitOption } from '../http/route/key-limit.js';
import type { QueryOption } from '../http/route/query-filter.js';
import type { ResponseView } from '../http/answer/stored-response.js';
import type { InvalidatesOnOption } from '../invalidation/rules/invalidation-rule.js';
import type { EntityChange } from '../invalidation/invalidator.js';
import type { RewarmRequest } from '../invalidation/rewarm/rewarm.js';
import type { KeyConstructorInput } from '../keys/index.js';
import type { MaybePromise } from '../stores/store.interface.js';

interface CacheOptions {
  /** Builds the key: a `KeyConstructor` class or instance, a record of fields, or a function of the arguments. */
  keyConstructor?: KeyConstructorInput | undefined;
  /**
   * Changes that invalidate the entries of this method: `'auto'` (committed changes of the tables that the load read), rules on
   * entities, or both in one list.
   */
  invalidatesOn?: InvalidatesOnOption | undefined;
  /**
   * Tags that `CacheService.invalidateTags` drops: a list, or a function of the arguments (on a handler: of the request). For tags that
   * depend on the value see `valueTags` and `CacheService.tag`.
   */
  tags?: readonly string[] | ((...args: never[]) => readonly string[]) | undefined;
  /** Name of a store of `forRoot({ stores })`. Default: the module's `store`. */
  store?: string | undefined;
  /** Name of the method in keys, logs and metrics. Default: `ClassName.methodName`. */
  name?: string | undefined;
  /** How long past its lifetime a value is served while it is loaded again in the background. Default: 0. */
  staleWhileRevalidate?: Duration | undefined;
  /** How long past its lifetime a value is served if the method throws or the handler answers 5xx. Default: 0. */
  staleIfError?: Duration | undefined;
  /**
   * After this fraction of its lifetime, e.g. `0.8`, a value that is read is loaded again in the background, so that no
   * caller waits when it expires. Default `0`: never.
   */
  refreshAhead?: number | undefined;
  /** Shortens each lifetime by a random part of this fraction, e.g. `0.1`, so that values do not expire together. Default `0`. */
  jitter?: number | undefined;
  /**
   * Single-flight: callers that wait for a running load instead of loading too. `'local'` (default): callers in this process.
   * `'distributed'`: callers in all processes on the store; a miss waits for the store once more. `false`: every caller loads.
   */
  lock?: 'local' | 'distributed' | false | undefined;
  /**
   * If a load takes longer and there is a stale value within `staleWhileRevalidate` or `staleIfError`, that value is served and
   * the load goes on in the background. Default: no limit.
   */
  softTimeout?: Duration | undefined;
  /**
   * If a load takes longer, the call gets the stale value, or else rejects with `CacheTimeoutError`; a handler answers 503, and
   * its late answer is dropped. The load itself goes on. Default: no limit.
   */
  hardTimeout?: Duration | undefined;
  /**
   * How hits of this method are verified, where `forRoot({ verify })` is set. `false`: never, for a method with effects outside of the
   * database. `{ equals }`: compares the served value with the one that was loaded again (of a handler: responses).
   */
  verify?: VerifyMethod | undefined;
}

/**
 * Options of `@CacheResult`.
 *
 * @publicApi
 */
export interface CacheResultOptions extends CacheOptions {
  /**
   * Lifetime: whole **seconds**, a string with a unit (`'500ms'`, `'15m'`), `null` for no expiry, or a function of the loaded
   * value. Default: the module's `ttl` (3600 seconds).
   */
  ttl?: Duration | ((value: never, context: ValueContext) => Duration) | undefined;
  /**
   * Stores a value only if this function returns true; may be async. Excludes `cacheUnless`. TypeScript does not know the type of the
   * value: annotate it, `(user: User | null) => user !== null`.
   */
  cacheIf?: ((value: never, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** Stores a value unless this function returns true; may be async. Excludes `cacheIf`. */
  cacheUnless?: ((value: never, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /**
   * Further tags, made from the loaded value: a list is dropped with any of the rows that it shows. TypeScript does not know the type of
   * the value: annotate it, `(orders: Order[]) => orders.map(({ id }) => `order:${id}`)`.
   */
  valueTags?: ((value: never, context: ValueContext) => readonly string[]) | undefined;
  /** Classes of the instances in the value that are not entities: `type: () => UserDto`. */
  type?: TypeOption | undefined;
  /**
   * The value is the same for every caller, so it is stored even if the class is request-scoped. Default `false`: values of
   * request-scoped classes are stored only with `keyContext` or a key field that identifies users.
   */
  shared?: boolean | undefined;
  /** Protects the cached value from callers that change it. Default `'clone'`. */
  isolation?: Isolation | undefined;
  /**
   * Larger values are returned and not stored, with a line in the log: copying 1 MB blocks the event loop for about ten milliseconds.
   * Estimated bytes in memory. Default 4 MiB.
   */
  maxValueBytes?: number | undefined;
}

/**
 * Options of `@CacheResponse`.
 *
 * @publicApi
 */
export interface CacheResponseOptions extends CacheOptions {
  /** Lifetime, as for `@CacheResult`; a function receives the response. */
  ttl?: Duration | ((response: ResponseView, context: ValueContext) => Duration) | undefined;
  /** Stores a response only if this function returns true. Excludes `cacheUnless`. */
  cacheIf?: ((response: ResponseView, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** Stores a response unless this function returns true. Excludes `cacheIf`. */
  cacheUnless?: ((response: ResponseView, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** Further tags, made from the response; a handler may also call `cache.tag(…)`. */
  valueTags?: ((response: ResponseView, context: ValueContext) => readonly string[]) | undefined;
  /** Adds `X-Cache-Status`, `X-Cached-At` and `X-Cache-Reset-At` to every response. Default: the module's. */
  setCacheHeaders?: boolean | undefined;
  /** Status codes of responses that are stored. Default 200, 203, 301, 308; never 206 or 304. */
  statuses?: readonly number[] | undefined;
  /**
   * Methods whose answers are cached. Default `['GET']`, which includes HEAD. Name `'POST'`, `'QUERY'` or other methods only if
   * the handler changes nothing: then the body is part of the key, and a custom key must contain it.
   */
  methods?: readonly CacheableMethod[] | undefined;
  /**
   * Query parameters that the response depends on: `'*'` (default), names, or `{ ignore: ['utm_*'] }`. The key and the
   * handler's `request.query` contain only these.
   */
  query?: QueryOption | undefined;
  /** Request headers that the response depends on, as with Django's `vary_on_headers`. */
  vary?: readonly string[] | undefined;
  /**
   * The response is the same for every user, so authenticated requests are cached too. Default `false`: they bypass
   * the cache unless the key identifies the user.
   */
  shared?: boolean | undefined;
  /**
   * Evaluates conditional requests (If-None-Match, If-Modified-Since, If-Match, If-Unmodified-Since). `'cache'` (default): the cache hides
   * the first two headers from the handler, and answers 304 on hits and misses. `'handler'`: such requests bypass the cache.
   *
   * Source: RFC 9110, section 13.
   */
  conditional?: 'cache' | 'handler' | undefined;
  /**
   * Source of the lifetime. `'ttl'` (default): the decorator. `'headers'`: the headers that the handler sends, as in a shared
   * cache (RFC 9111) in front of it; then the URI is the key, and the handler revalidates stale responses.
   */
  freshness?: 'ttl' | 'headers' | undefined;
  /**
   * Obeys the request's `Cache-Control` (or `Pragma: no-cache`): `no-store`, `no-cache`, `max-age`, `min-fresh`, `max-stale`,
   * `only-if-cached`. Default `false`, because a client could make the handler run for each of its requests. An error with
   * `freshness: 'headers'`, which always obeys them.
   *
   * Source: RFC 9111, section 5.2.1.
   */
  honourRequestDirectives?: boolean | undefined;
  /**
   * Requests for which this function returns true bypass the cache. TypeScript does not know the platform: annotate the
   * request, `(request: Request) => request.query['preview'] === '1'`.
   */
  bypass?: ((request: never) => boolean) | undefined;
  /** Responses with a larger body are sent, but not stored. Default 1 MiB. */
  maxBodyBytes?: number | undefined;
  /**
   * Requests that rewarm this handler after a change, for its rules with `rewarm: true`: one, several or none. The function runs
   * in the process that sees the change and must be synchronous; `before` and `after` are undefined if the rows are unknown. A
   * request carries only the headers that the function names.
   */
  rewarmRequest?:
    ((change: EntityChange) => RewarmRequest | readonly RewarmRequest[] | null | undefined) | undefined;
  /** Sends `Cache-Control: max-age` and `Expires` with the remaining lifetime, as Django's `cache_page` does. Default `false`. */
  cacheControl?: boolean | undefined;
  /**
   * Number of different keys that the handler may make within a window, in each process: `{ keys: 10_000, window: '1m' }`, or
   * `false` for no limit. Responses beyond it are sent, but not stored. Default: the module's.
   */
  keyLimit?: KeyLimitOption | undefined;
  /**
   * Explains every answer in `Cache-Status` and in the log: key, tags, the invalidation that dropped it, the reason why it was not
   * stored. For development only: clients see the keys of users. Default: the module's.
   */
  explain?: boolean | undefined;
  /**
   * Answers hits when the HTTP server receives the request, before the framework: no middleware, no hook and no logger of the framework
   * runs for them. For public routes without guards. `{ skip, headers }` names middleware that need not run, and its response headers that
   * hits repeat. Default `false`.
   */
  fastLane?: boolean | FastLaneOptions | undefined;
}

/**
 * A method that returns a promise.
 *
 * @publicApi
 */
export type AsyncMethod = (...args: never[]) => Promise<unknown>;

/**
 * A decorator of async methods. TypeScript reports an error on any other member.
 *
 * @publicApi
 */
export type AsyncMethodDecorator = <T extends AsyncMethod>(
  target: object,
  methodName: string | symbol,
  descriptor: TypedPropertyDescriptor<T>,
) => void;
