import type { Duration } from '../common/time.js';
import type { ValueContext } from '../cache/engine/call.js';
import type { Isolation } from '../cache/values/isolation.js';
import type { TypeOption } from '../cache/values/classes.js';
import type { CacheableMethod } from '../http/route/cacheable-methods.js';
import type { KeyLimitOption } from '../http/route/key-limit.js';
import type { QueryOption } from '../http/route/query-filter.js';
import type { ResponseView } from '../http/answer/stored-response.js';
import type { InvalidatesOn } from '../invalidation/rules/invalidation-rule.js';
import type { EntityChange } from '../invalidation/invalidator.js';
import type { RewarmRequest } from '../invalidation/rewarm/rewarm.js';
import type { KeyConstructorInput } from '../keys/index.js';
import type { MaybePromise } from '../stores/store.interface.js';

interface CacheOptions {
  /** How the key is built: a `KeyConstructor` class or instance, a record of fields, or a function of the arguments. */
  keyConstructor?: KeyConstructorInput | undefined;
  /** Which changes of which entities invalidate what this method cached. */
  invalidatesOn?: readonly InvalidatesOn[] | undefined;
  /**
   * Tags of your own, to be dropped with `CacheService.invalidateTags`; made from the arguments (on a handler: from the
   * request), never from the value.
   */
  tags?: readonly string[] | ((...args: never[]) => readonly string[]) | undefined;
  /** One of `forRoot({ stores })`. Default: the module's `store`. */
  store?: string | undefined;
  /** The name under which this method caches. Default: `ClassName.methodName`. */
  name?: string | undefined;
  /** How long past its lifetime a value is served while it reloads in the background. Default: not at all. */
  staleWhileRevalidate?: Duration | undefined;
  /** How long past its lifetime a value is served when the method throws, or the handler answers 5xx. Default: not at all. */
  staleIfError?: Duration | undefined;
  /**
   * After this fraction of its lifetime, e.g. `0.8`, a value that is read is loaded anew in the background, so that
   * nobody waits when it ends. Default `0`: never.
   */
  refreshAhead?: number | undefined;
  /** Takes up to this fraction off each lifetime at random, e.g. `0.1`, so that values do not all end at once. Default `0`. */
  jitter?: number | undefined;
  /**
   * Who waits for a load instead of loading too: all callers in this process (`'local'`, the default), in all processes on
   * the store (`'distributed'`, one more wait on a miss), or nobody (`false`).
   */
  lock?: 'local' | 'distributed' | false | undefined;
  /**
   * A load that takes longer is no longer waited for if there is a stale value within `staleWhileRevalidate` or
   * `staleIfError`: it is served, and the load goes on in the background. Default: none.
   */
  softTimeout?: Duration | undefined;
  /**
   * A load that takes longer rejects with `CacheTimeoutError` and goes on; on a handler the answer is 503, and what the handler
   * still brings is dropped. With a stale value that one is served. Default: none.
   */
  hardTimeout?: Duration | undefined;
}

/**
 * Options of `@CacheResult`.
 *
 * @publicApi
 */
export interface CacheResultOptions extends CacheOptions {
  /**
   * Lifetime: whole **seconds**, a string with a unit (`'500ms'`, `'15m'`), `null` for no expiry, or a function of the
   * value. Default: the module's `ttl` (3600 seconds).
   */
  ttl?: Duration | ((value: never, context: ValueContext) => Duration) | undefined;
  /**
   * Stores a value only if this answers true; may be async. Excludes `cacheUnless`. Annotate the value, which a decorator cannot know:
   * `(user: User | null) => user !== null`.
   */
  cacheIf?: ((value: never, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** Stores a value unless this answers true; may be async. Excludes `cacheIf`. */
  cacheUnless?: ((value: never, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** The classes of the instances in the value, where they are no entities: `type: () => UserDto`. */
  type?: TypeOption | undefined;
  /**
   * The value is the same for every caller, so that it is stored too where the class is made for each request. Default `false`: then
   * it is stored only with `keyContext`, or with a key field that identifies users.
   */
  shared?: boolean | undefined;
  /** How callers are kept from changing what is cached. Default `'clone'`. */
  isolation?: Isolation | undefined;
}

/**
 * Options of `@CacheResponse`.
 *
 * @publicApi
 */
export interface CacheResponseOptions extends CacheOptions {
  /** Lifetime, as for `@CacheResult`; a function gets the response. */
  ttl?: Duration | ((response: ResponseView, context: ValueContext) => Duration) | undefined;
  /** Stores a response only if this answers true. Excludes `cacheUnless`. */
  cacheIf?: ((response: ResponseView, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** Stores a response unless this answers true. Excludes `cacheIf`. */
  cacheUnless?: ((response: ResponseView, context: ValueContext) => MaybePromise<boolean>) | undefined;
  /** Adds `X-Cache-Status`, `X-Cached-At` and `X-Cache-Reset-At` to every response. Default: the module's. */
  setCacheHeaders?: boolean | undefined;
  /** Statuses that are stored. Default 200, 203, 301, 308; never 206 or 304. */
  statuses?: readonly number[] | undefined;
  /**
   * Methods whose answers are cached. Default `['GET']`, which HEAD goes with; `'POST'`, `'QUERY'` and other methods only where
   * the handler changes nothing. Then the body is part of the key, and a custom key must hold it.
   */
  methods?: readonly CacheableMethod[] | undefined;
  /**
   * Query parameters that choose between responses: `'*'` (default), names, or `{ ignore: ['utm_*'] }`. The others reach
   * neither the key nor the handler's `request.query`.
   */
  query?: QueryOption | undefined;
  /** Request headers whose values choose between stored responses, as with Django's `vary_on_headers`. */
  vary?: readonly string[] | undefined;
  /**
   * The answer is the same for every user, so that authenticated requests are cached too. Default `false`: they bypass
   * the cache unless the key reads the user.
   */
  shared?: boolean | undefined;
  /**
   * Who judges the conditions of requests (If-None-Match, If-Modified-Since, If-Match, If-Unmodified-Since): `'cache'` (default), which
   * hides the first two from the handler and answers with 304 on hits and misses; or `'handler'`: then such requests bypass the cache.
   *
   * Source: RFC 9110, section 13.
   */
  conditional?: 'cache' | 'handler' | undefined;
  /**
   * Who says how long a response is good: `'ttl'` (default), the decorator; or `'headers'`, what the handler sends, as in a
   * shared cache (RFC 9111) in front of it. Then the URI is the key, and stale responses are validated by the handler.
   */
  freshness?: 'ttl' | 'headers' | undefined;
  /**
   * Obeys what clients say in `Cache-Control` (or `Pragma: no-cache`): `no-store`, `no-cache`, `max-age`, `min-fresh`, `max-stale`,
   * `only-if-cached`. Default `false`: any client could have the handler run for each of its requests. `freshness: 'headers'` always
   * obeys them, so that there it is an error.
   *
   * Source: RFC 9111, section 5.2.1.
   */
  honourRequestDirectives?: boolean | undefined;
  /**
   * Decides before the lookup whether a request skips the cache. TypeScript does not know the platform: annotate the request,
   * `(request: Request) => request.query['preview'] === '1'`.
   */
  bypass?: ((request: never) => boolean) | undefined;
  /** Larger bodies are sent but not stored. Default 1 MiB. */
  maxBodyBytes?: number | undefined;
  /**
   * What to ask this handler for after a change, for its rules with `rewarm: true`: one request, several or none. It is called where
   * the change is seen, and must answer at once; `before` and `after` are undefined where the rows are unknown. The request carries
   * the headers that it names and no others.
   */
  rewarmRequest?:
    ((change: EntityChange) => RewarmRequest | readonly RewarmRequest[] | null | undefined) | undefined;
  /** Sends `Cache-Control: max-age` and `Expires` of the remaining life, as Django's `cache_page` does. Default `false`. */
  cacheControl?: boolean | undefined;
  /**
   * How many different keys the handler may make within a window, in each process: `{ keys: 10_000, window: '1m' }`, or `false`.
   * What is beyond is answered, and not stored. Default: the module's.
   */
  keyLimit?: KeyLimitOption | undefined;
  /**
   * Every answer says why it is as it is, in `Cache-Status` and in the log: key, tags, what dropped it, what kept it from being
   * stored. For development: clients see what users' keys hold. Default: the module's.
   */
  explain?: boolean | undefined;
}

/**
 * A method that returns a promise.
 *
 * @publicApi
 */
export type AsyncMethod = (...args: never[]) => Promise<unknown>;

/**
 * A decorator for async methods alone: on any other TypeScript reports an error.
 *
 * @publicApi
 */
export type AsyncMethodDecorator = <T extends AsyncMethod>(
  target: object,
  methodName: string | symbol,
  descriptor: TypedPropertyDescriptor<T>,
) => void;
