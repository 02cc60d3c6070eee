import type { ModuleMetadata, Type } from '@nestjs/common';
import type { RuntimeSettings } from '../cache/cache-runtime.js';
import type { KeyContextFunction } from '../cache/key-context.js';
import { CacheConfigurationError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import {
  checkOptions,
  flag,
  isBoolean,
  isFunction,
  isList,
  isRecord,
  isSync,
  isText,
  isTextList,
  isWholeFrom,
  type OptionTable,
  parsed,
} from '../common/options.js';
import { type Clock, type Duration, parseDuration, systemClock } from '../common/time.js';
import { assertSecret } from '../http/explain.js';
import { type IgnoreCookiesOption, ignoredCookies } from '../http/inputs/cookies.js';
import type { InputRules } from '../http/inputs/input-rules.js';
import type { IsAuthenticated } from '../http/request/admission.js';
import { assertHeaderNames } from '../http/route/response-options.js';
import {
  DEFAULT_KEY_LIMIT,
  keyLimitOf,
  type KeyLimitOption,
  type KeyLimitSettings,
} from '../http/route/key-limit.js';
import type { ExplainSecret } from '../http/route/route-table.js';
import type { ChangeSource } from '../invalidation/index.js';
import type { DispatcherSettings } from '../invalidation/jobs/dispatcher-registry.js';
import type { KeyHash } from '../keys/key.interface.js';
import { OnceLog } from '../observability/once-log.js';
import { guardStore } from '../stores/guarded-store.js';
import { memoryStore } from '../stores/memory-store.js';
import type { CacheStore } from '../stores/store.interface.js';
import { TieredStore } from '../stores/tiered-store.js';
import { type VerifyOptions, type VerifySettings, verifySettings } from '../verify/verify-options.js';
import { defaultApplication, deployedVersion } from './application.js';
import { CacheEverything, type CacheEverythingOptions } from './cache-everything.js';
import type { DispatcherProvider } from './dispatchers.js';

/**
 * Options of `RestflowCacheModule.forRoot`. All are optional.
 *
 * @publicApi
 */
export interface RestflowCacheOptions {
  /** The store of the entries. Default `memoryStore()`: in this process. */
  store?: CacheStore | undefined;
  /** More stores, chosen by name: `@CacheResult({ store: 'bulk' })`. */
  stores?: Readonly<Record<string, CacheStore>> | undefined;
  /** Lifetime of values whose method has no `ttl`: whole **seconds** or a string with a unit. Default 3600. */
  ttl?: Duration | undefined;
  /** Prefix of every key. Default `'restflow'`. */
  namespace?: string | undefined;
  /**
   * Owner of the entries: processes share entries only if they set the same application. Default: the name of the package that the process
   * was started from and the path of its entry file in it, e.g. `'shop/dist/main'`. Invalidations reach every application of the namespace.
   */
  application?: string | undefined;
  /**
   * Build of the application: builds with different versions do not share entries. Default: the variable in which the platform names the
   * deployment, such as `GIT_SHA`, `HEROKU_BUILD_COMMIT` or `K_REVISION`; no version if no such variable is set.
   */
  version?: string | undefined;
  /**
   * Ambient values that every key contains, such as a tenant or locale that middleware put into a context: keys of both decorators and of
   * `getOrSet`. Each member is a partition of every cached method. Called once per call; if it throws, the call bypasses the cache.
   * Default: none.
   * @example keyContext: () => ({ tenant: storage.getStore()?.tenant })
   */
  keyContext?: KeyContextFunction | undefined;
  /**
   * `'auto'`: whatever says nothing of `invalidatesOn` itself depends on the tables that its loads read, and is dropped by committed
   * changes of them. Off by default.
   */
  invalidatesOn?: 'auto' | undefined;
  /** Switches the cache off if false; a function is called on every call. Default `true`. */
  enabled?: boolean | (() => boolean) | undefined;
  /** Default of `setCacheHeaders` of every `@CacheResponse`. Default `false`. */
  setCacheHeaders?: boolean | undefined;
  /** Default of `keyLimit` of every `@CacheResponse`. Default `{ keys: 10_000, window: '1m' }`; `false` for none. */
  keyLimit?: KeyLimitOption | undefined;
  /**
   * Explains answers in `Cache-Status` and in the log. `true`: all answers, for development. `{ secret }`: answers to requests with an
   * `X-Cache-Explain` header of `explainToken(secret)`. Default `false`.
   */
  explain?: boolean | ExplainSecret | undefined;
  /**
   * Caches every handler with `@Get()` that has neither `@CacheResponse()` nor `@NoCache()`: `{ ttl: '1m', exclude: ['/admin/*'] }`.
   * Requests with cookies or credentials bypass it. Default: only decorated handlers are cached.
   */
  cacheEverything?: CacheEverythingOptions | undefined;
  /**
   * Tells whether a request carries credentials. Default: Authorization, x-api-key, user, session user, client certificate. TypeScript
   * does not know the platform: annotate the request, `(request: Request) => …`.
   */
  isAuthenticated?: ((request: never) => boolean) | undefined;
  /**
   * Cookies on which no answer depends: requests that carry no other cookies are cached. Names in addition to those of analytics
   * scripts and load balancers, which are always ignored: `['promo', 'ab_*']`; or all except some: `{ allBut: ['sid', 'lang'] }`.
   */
  ignoreCookies?: IgnoreCookiesOption | undefined;
  /** Request headers that code reads but on which no answer depends: `['x-trace-state']`. Default: only the usual ones. */
  ignoreHeaders?: readonly string[] | undefined;
  /**
   * Members that middleware and guards put on the request (`'requestTime'`) or in `response.locals` (`'locals.now'`) and on which no
   * answer depends. Default: none.
   */
  ignoreProperties?: readonly string[] | undefined;
  /**
   * Classes of interceptors that only log: no answer depends on what they read synchronously in `intercept()`, outside of
   * `next.handle()`. Default: none.
   */
  unwatched?: readonly Function[] | undefined;
  /** Hashes key parts that are too long: a digest of `node:crypto`, or a function. Default `'sha256'`. */
  keyHashAlgorithm?: string | KeyHash | undefined;
  /** Longest key suffix that is not hashed, in characters. Default 250. */
  maxKeySuffixLength?: number | undefined;
  /** Number of loads that may run at the same time while the store does not answer; further loads wait. Default 64. */
  maxLoadsWhenDown?: number | undefined;
  /**
   * Time that a shutdown may take: queued jobs, refreshes and connections that have not ended by then are left, and the log says what is
   * lost. Default `'5s'`; `docker stop` kills after ten.
   */
  shutdownTimeout?: Duration | undefined;
  /** The dispatcher of rules without `dispatcher`. Default `'inline'`. */
  defaultDispatcher?: string | undefined;
  /** Settings of dispatchers by name. The module reads `raiseException`; the dispatcher gets the others. */
  dispatcherSettings?: DispatcherSettings | undefined;
  /** Dispatchers in addition to `inline` and `background`: classes, instances, or providers of them; only in `forRoot`. */
  dispatchers?: readonly DispatcherProvider[] | undefined;
  /**
   * Signs the rewarm requests in jobs of rules with `rewarm: true`, and rejects unsigned ones: for queues that others can write to.
   * At least 32 characters. A list rotates secrets: the first one signs, all are accepted. Default: not signed.
   */
  jobSecret?: string | readonly string[] | undefined;
  /** Rejects the write whose invalidation failed. Default `false`: the failure is logged. */
  raiseException?: boolean | undefined;
  /** TypeORM DataSources whose changes invalidate: `'auto'` (default), all of the process; a list; or `false` for none. */
  dataSources?: 'auto' | false | readonly object[] | undefined;
  /**
   * Tells databases apart where there are several with the same tables, e.g. one for each tenant: a change in one concerns no rule on
   * the entities of another, and rules may map the id, as `'@dataSource'`. Default: all DataSources are of one database.
   * @example dataSourceId: ({ options }: DataSource) => String(options.database)
   */
  dataSourceId?: ((dataSource: never) => string) | undefined;
  /**
   * Replication lag of DataSources with `replication`: changes are invalidated a second time after it. Whole **seconds** or a
   * string with a unit. Default 0: only once.
   */
  replicaLag?: Duration | undefined;
  /**
   * Bulk statements (`update(criteria)`, `delete(criteria)`, query builders) on PostgreSQL report the rows they change, so only the
   * partitions of those rows are dropped. The database user must be allowed to read the tables. Default false: they drop all entries of a
   * method.
   */
  exactStatements?: boolean | undefined;
  /** Sources of changes that no DataSource sees, e.g. `postgresChanges(…)`. Default: none. */
  changeSources?: readonly ChangeSource[] | undefined;
  /**
   * Verifies hits: a sample of them is loaded again in the background and compared with what was served. `true`: one hit in a thousand,
   * in at most 1 % of the time spent loading. Default `false`.
   */
  verify?: boolean | VerifyOptions | undefined;
  /** Replaces the system clock, for tests. */
  clock?: Clock | undefined;
}

/**
 * Makes the options for `forRootAsync({ useClass })`.
 *
 * @publicApi
 */
export interface RestflowCacheOptionsFactory {
  /** Called once, while the application boots. */
  createRestflowCacheOptions(): RestflowCacheOptions | Promise<RestflowCacheOptions>;
}

/**
 * Options of `RestflowCacheModule.forRootAsync`.
 *
 * @publicApi
 */
export interface RestflowCacheAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Providers that are the arguments of `useFactory`. */
  inject?: readonly (Type | string | symbol | Function)[] | undefined;
  /** Makes the options. */
  useFactory?: ((...args: never[]) => RestflowCacheOptions | Promise<RestflowCacheOptions>) | undefined;
  /** A class that makes the options; the module provides it. */
  useClass?: Type<RestflowCacheOptionsFactory> | undefined;
  /** A class that makes the options; one of `imports` provides it. */
  useExisting?: Type<RestflowCacheOptionsFactory> | undefined;
  /** Dispatchers. They are providers, so Nest must know them before the options are made. */
  dispatchers?: readonly DispatcherProvider[] | undefined;
}

/** The checked options, with defaults filled in. */
export interface ModuleSettings {
  readonly runtime: RuntimeSettings;
  readonly setCacheHeaders: boolean;
  readonly keyLimit: KeyLimitSettings;
  readonly cacheEverything: CacheEverything | undefined;
  readonly explain: boolean | ExplainSecret;
  readonly isAuthenticated: IsAuthenticated | undefined;
  readonly inputs: InputRules;
  readonly unwatched: readonly Function[];
  readonly defaultDispatcher: string;
  readonly dispatcherSettings: DispatcherSettings;
  readonly jobSecrets: readonly string[];
  readonly raiseException: boolean;
  /** Milliseconds. */
  readonly shutdownTimeout: number;
  readonly dataSources: 'auto' | false | readonly object[];
  readonly dataSourceId: ((dataSource: never) => string) | undefined;
  /** Milliseconds. */
  readonly replicaLag: number;
  readonly exactStatements: boolean;
  readonly changeSources: readonly ChangeSource[];
  /** `undefined`: hits are not verified. */
  readonly verify: VerifySettings | undefined;
}

const WHERE = 'RestflowCacheModule';

const isClock = (value: unknown): boolean =>
  isFunction((value as Clock | null)?.now) && isFunction((value as Clock).after);
const isInterceptors = (value: unknown): boolean =>
  Array.isArray(value) &&
  value.every((one: { prototype?: { intercept?: unknown } } | null) => isFunction(one?.prototype?.intercept));
const isChangeSource = (value: Partial<ChangeSource> | null): boolean => isFunction(value?.start);

const OPTIONS: OptionTable<RestflowCacheOptions> = {
  rows: {
    store: parsed,
    stores: [
      (value) => isRecord(value) && !Object.hasOwn(value, ''),
      'an object of stores by name: { bulk: memoryStore() }',
    ],
    ttl: parsed,
    namespace: parsed,
    application: [isText, `a text that is not empty, e.g. 'orders-api'`],
    version: [isText, `a text that is not empty, e.g. process.env.GIT_SHA ?? 'dev'`],
    invalidatesOn: [(value) => value === 'auto', `'auto', or leave it out; rules are written at methods`],
    keyContext: [isSync, 'a synchronous function: () => ({ tenant: storage.getStore()?.tenant })'],
    enabled: [
      (value) => isBoolean(value) || isSync(value),
      'true, false or a synchronous function that returns one of them',
    ],
    setCacheHeaders: flag,
    keyLimit: parsed,
    cacheEverything: parsed,
    explain: parsed,
    isAuthenticated: [isSync, 'a synchronous function: (request) => boolean'],
    ignoreCookies: parsed,
    ignoreHeaders: [isTextList, `a list of names of request headers: ['x-trace-state']`],
    unwatched: [isInterceptors, 'a list of classes of interceptors: [LoggingInterceptor]'],
    ignoreProperties: [isTextList, `a list of members of requests: ['requestTime']`],
    keyHashAlgorithm: [
      (value) => isText(value) || typeof value === 'function',
      `the name of a digest of node:crypto, e.g. 'sha256', or a function`,
    ],
    maxKeySuffixLength: [isWholeFrom(64), 'a whole number of characters, at least 64'],
    maxLoadsWhenDown: [isWholeFrom(1), 'a whole number of loads, at least 1'],
    shutdownTimeout: parsed,
    defaultDispatcher: [(value) => typeof value === 'string', `the name of a dispatcher, e.g. 'inline'`],
    dispatcherSettings: [
      (value) => isRecord(value) && Object.values(value).every(isRecord),
      'an object of settings by name of a dispatcher: { background: { concurrency: 4 } }',
    ],
    dispatchers: [
      isList,
      'a list of dispatchers: classes with @InvalidationDispatcher(), or outboxDispatcher()',
    ],
    jobSecret: parsed,
    raiseException: flag,
    dataSources: [
      (value) => value === 'auto' || value === false || isList(value),
      `'auto', false or a list of DataSources`,
    ],
    dataSourceId: [
      isSync,
      'a synchronous function that returns a text: (dataSource) => dataSource.options.database',
    ],
    replicaLag: parsed,
    exactStatements: flag,
    changeSources: [
      (value) => Array.isArray(value) && value.every(isChangeSource),
      'a list of change sources, e.g. [postgresChanges({ client })]',
    ],
    verify: [(value) => isBoolean(value) || isRecord(value), 'true, false or an object: { sample: 0.001 }'],
    clock: [isClock, 'a clock: { now(): number; after(ms, callback): () => void }'],
  },
  example: `an object: { ttl: '5m' }`,
};

/** Checks the options and fills in defaults. @throws CacheConfigurationError or TypeError that says what to write instead */
export function normaliseOptions(
  options: RestflowCacheOptions = {},
  log = new OnceLog(),
  defaultStore = memoryStore,
): ModuleSettings {
  checkOptions(OPTIONS, options, WHERE);
  const hint = (text: string): void => log.warn(text, text);
  const stores = new Map<string, CacheStore>();
  stores.set('default', usable('default', options.store === undefined ? defaultStore() : options.store));
  for (const [name, store] of Object.entries(options.stores ?? {})) {
    if (name === 'default') throw twoDefaults();
    stores.set(name, usable(name, store));
  }
  const replicaLag = parseDuration(options.replicaLag ?? 0, `replicaLag of ${WHERE}`, hint);
  return {
    runtime: {
      namespace: options.namespace ?? 'restflow',
      application: options.application ?? defaultApplication() ?? '',
      version: options.version ?? deployedVersion(),
      keyContext: options.keyContext,
      isAuto: options.invalidatesOn === 'auto',
      ttl: parseDuration(options.ttl === undefined ? 3600 : options.ttl, `ttl of ${WHERE}`, hint),
      enabled: options.enabled ?? true,
      keyHashAlgorithm: options.keyHashAlgorithm ?? 'sha256',
      maxKeySuffixLength: options.maxKeySuffixLength ?? 250,
      maxLoadsWhenDown: options.maxLoadsWhenDown ?? 64,
      stores,
      clock: options.clock ?? systemClock,
      log,
    },
    setCacheHeaders: options.setCacheHeaders ?? false,
    keyLimit: keyLimitOf(options.keyLimit, WHERE) ?? DEFAULT_KEY_LIMIT,
    explain: explainOf(options.explain),
    cacheEverything:
      options.cacheEverything === undefined ? undefined : new CacheEverything(options.cacheEverything, log),
    isAuthenticated: options.isAuthenticated as IsAuthenticated | undefined,
    inputs: inputRulesOf(options),
    unwatched: options.unwatched ?? [],
    defaultDispatcher: options.defaultDispatcher ?? 'inline',
    dispatcherSettings: options.dispatcherSettings ?? {},
    jobSecrets: jobSecretsOf(options.jobSecret),
    raiseException: options.raiseException ?? false,
    shutdownTimeout: parseDuration(options.shutdownTimeout ?? '5s', `shutdownTimeout of ${WHERE}`, hint),
    dataSources: options.dataSources ?? 'auto',
    dataSourceId: options.dataSourceId,
    replicaLag,
    exactStatements: options.exactStatements ?? false,
    changeSources: options.changeSources ?? [],
    verify: verifySettings(options.verify, replicaLag, WHERE),
  };
}

function inputRulesOf(options: RestflowCacheOptions): InputRules {
  const { ignoreCookies, ignoreHeaders = [], ignoreProperties = [], isAuthenticated } = options;
  assertHeaderNames(ignoreHeaders, `ignoreHeaders of ${WHERE}`);
  return {
    isIgnoredCookie: ignoredCookies(ignoreCookies, WHERE),
    ignoredHeaders: new Set(ignoreHeaders.map((name) => name.toLowerCase())),
    ignoredProperties: new Set(ignoreProperties),
    hasOwnAuthentication: isAuthenticated !== undefined,
    hasKeyContext: options.keyContext !== undefined,
  };
}

function explainOf(explain: RestflowCacheOptions['explain'] = false): boolean | ExplainSecret {
  if (typeof explain === 'boolean') return explain;
  assertSecret(explain?.secret, `explain of ${WHERE}`);
  return explain;
}

function jobSecretsOf(given: RestflowCacheOptions['jobSecret']): readonly string[] {
  if (given === undefined) return [];
  const secrets = given.length === 0 ? [''] : [given].flat();
  for (const secret of secrets) assertSecret(secret, `jobSecret of ${WHERE}`, 'CACHE_OPTION');
  return secrets;
}

function twoDefaults(): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_STORE',
    `${WHERE}: stores contains the name 'default', which is the name of the option store. Pass that store as store: …, or rename it.`,
  );
}

/** Guards a store, because one that a user wrote may hang or fail. The tiers of a tiered store are guarded already. */
function usable(name: string, store: CacheStore): CacheStore {
  if (typeof store?.get === 'function' && typeof store.bump === 'function')
    return store instanceof TieredStore ? store : guardStore(store);
  const isObject = typeof store === 'object' && store !== null;
  throw new CacheConfigurationError(
    'CACHE_STORE',
    `${WHERE}: the store '${name}' is ${isObject ? 'not a CacheStore' : describe(store)}. Write memoryStore() or another store of ` +
      `this library; wrap a cache of cache-manager with cacheManagerStore(cache).`,
  );
}
