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
import { defaultApplication, deployedVersion } from './application.js';
import { CacheEverything, type CacheEverythingOptions } from './cache-everything.js';
import type { DispatcherProvider } from './dispatchers.js';

/**
 * Options of `RestflowCacheModule.forRoot`. Everything has a default.
 *
 * @publicApi
 */
export interface RestflowCacheOptions {
  /** Where values live. Default `memoryStore()`: in this process. */
  store?: CacheStore | undefined;
  /** More stores, chosen by name: `@CacheResult({ store: 'bulk' })`. */
  stores?: Readonly<Record<string, CacheStore>> | undefined;
  /** Lifetime of what says none: whole **seconds** or a string with a unit. Default 3600. */
  ttl?: Duration | undefined;
  /** What every key of this application begins with. Default `'restflow'`. */
  namespace?: string | undefined;
  /**
   * Whose entries these are: processes that are to share them set the same. Default: the name of the package that the process was started
   * from, and the path of its entry file below it, e.g. `'shop/dist/main'`. Invalidations reach every application of the namespace.
   */
  application?: string | undefined;
  /**
   * Another build of the application reads another cache. Default: what the platform says of the deployment, in `GIT_SHA`,
   * `HEROKU_BUILD_COMMIT`, `K_REVISION` and others; none where no such variable is set.
   */
  version?: string | undefined;
  /**
   * Ambient values that belong in every key, of both decorators and of `getOrSet`, each member a partition of every cached method: a tenant
   * or locale that middleware put into a context. Asked once per call; where it throws, the call bypasses the cache. Default: none.
   * @example keyContext: () => ({ tenant: storage.getStore()?.tenant })
   */
  keyContext?: KeyContextFunction | undefined;
  /** Whether the cache is used; a function is asked on every call. Default `true`. */
  enabled?: boolean | (() => boolean) | undefined;
  /** Default of `setCacheHeaders` of every `@CacheResponse`. Default `false`. */
  setCacheHeaders?: boolean | undefined;
  /** Default of `keyLimit` of every `@CacheResponse`. Default `{ keys: 10_000, window: '1m' }`; `false` for none. */
  keyLimit?: KeyLimitOption | undefined;
  /**
   * Whether answers say why they are as they are, in `Cache-Status` and in the log: `true` for all, in development;
   * `{ secret }` for requests with an `X-Cache-Explain` header of `explainToken(secret)`. Default `false`.
   */
  explain?: boolean | ExplainSecret | undefined;
  /**
   * Caches every handler with `@Get()` that has neither `@CacheResponse()` nor `@NoCache()`: `{ ttl: '1m', exclude: ['/admin/*'] }`.
   * Requests with cookies or credentials bypass it. Default: only what is decorated is cached.
   */
  cacheEverything?: CacheEverythingOptions | undefined;
  /**
   * Whether a request carries credentials. Default: Authorization, x-api-key, user, session user, client certificate. TypeScript does
   * not know the platform: annotate the request, `(request: Request) => …`.
   */
  isAuthenticated?: ((request: never) => boolean) | undefined;
  /**
   * Cookies that choose no answer: requests that bring no others are cached. Names beside those of analytics scripts and load
   * balancers, which are ignored by default, `['promo', 'ab_*']`, or `{ allBut: ['sid', 'lang'] }`.
   */
  ignoreCookies?: IgnoreCookiesOption | undefined;
  /** Request headers that choose no answer, although code reads them: `['x-trace-state']`. Default: none beside the usual ones. */
  ignoreHeaders?: readonly string[] | undefined;
  /**
   * Members that middleware and guards leave on the request (`'requestTime'`) or in `response.locals` (`'locals.now'`) and that choose
   * no answer. Default: none.
   */
  ignoreProperties?: readonly string[] | undefined;
  /**
   * Classes of interceptors that only log: what they read synchronously in `intercept()`, outside of `next.handle()`, chooses no
   * answer. Default: none.
   */
  unwatched?: readonly Function[] | undefined;
  /** A digest of `node:crypto`, or a function, for parts of keys that are too long. Default `'sha256'`. */
  keyHashAlgorithm?: string | KeyHash | undefined;
  /** Longer key suffixes are hashed. Characters; default 250. */
  maxKeySuffixLength?: number | undefined;
  /** How many loads may run at one time while the store does not answer; the others wait in line. Default 64. */
  maxLoadsWhenDown?: number | undefined;
  /** The dispatcher of rules that name none. Default `'inline'`. */
  defaultDispatcher?: string | undefined;
  /** Settings of dispatchers, by name; `raiseException` is read here, the rest is handed to the dispatcher. */
  dispatcherSettings?: DispatcherSettings | undefined;
  /** Dispatchers beside `inline` and `background`: classes, instances, or providers of them; only in `forRoot`. */
  dispatchers?: readonly DispatcherProvider[] | undefined;
  /**
   * Signs what jobs of rules with `rewarm: true` want computed anew, and refuses what is not signed, for queues that others can write to.
   * At least 32 characters; of a list the first one signs, and all are accepted. Default: not signed.
   */
  jobSecret?: string | readonly string[] | undefined;
  /** Whether a failing invalidation rejects the write that caused it. Default `false`: it is logged. */
  raiseException?: boolean | undefined;
  /** `'auto'` (default): every TypeORM DataSource that Nest provides; or a list; or `false` to go without. */
  dataSources?: 'auto' | false | readonly object[] | undefined;
  /**
   * How far replicas may be behind, for DataSources with `replication`: what changed is invalidated again after it.
   * Whole **seconds** or a string with a unit. Default 0: once.
   */
  replicaLag?: Duration | undefined;
  /**
   * Whether bulk statements (`update(criteria)`, `delete(criteria)`, query builders) on PostgreSQL report the rows they change,
   * so that only those partitions drop. The account must be allowed to read the tables. Default false: they drop everything of a method.
   */
  exactStatements?: boolean | undefined;
  /** Sources of changes that the DataSources do not see, e.g. `postgresChanges(…)`. Default none. */
  changeSources?: readonly ChangeSource[] | undefined;
  /** The source of time; for tests. */
  clock?: Clock | undefined;
}

/**
 * A class that makes the options, for `forRootAsync({ useClass })`.
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
  /** What `useFactory` is called with. */
  inject?: readonly (Type | string | symbol | Function)[] | undefined;
  /** Makes the options. */
  useFactory?: ((...args: never[]) => RestflowCacheOptions | Promise<RestflowCacheOptions>) | undefined;
  /** A provider that makes the options; it is created for that. */
  useClass?: Type<RestflowCacheOptionsFactory> | undefined;
  /** The same, of a provider that is there already. */
  useExisting?: Type<RestflowCacheOptionsFactory> | undefined;
  /** Dispatchers; they are providers, so they must be known before the options are. */
  dispatchers?: readonly DispatcherProvider[] | undefined;
}

/** The options, each decided; what the rooms get. */
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
  readonly dataSources: 'auto' | false | readonly object[];
  /** Milliseconds. */
  readonly replicaLag: number;
  readonly exactStatements: boolean;
  readonly changeSources: readonly ChangeSource[];
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
    replicaLag: parsed,
    exactStatements: flag,
    changeSources: [
      (value) => Array.isArray(value) && value.every(isChangeSource),
      'a list of change sources, e.g. [postgresChanges({ client })]',
    ],
    clock: [isClock, 'a clock: { now(): number; after(ms, callback): () => void }'],
  },
  example: `an object: { ttl: '5m' }`,
};

/** Checks and completes the options. @throws CacheConfigurationError or TypeError that says what to write instead */
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
  return {
    runtime: {
      namespace: options.namespace ?? 'restflow',
      application: options.application ?? defaultApplication() ?? '',
      version: options.version ?? deployedVersion(),
      keyContext: options.keyContext,
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
    dataSources: options.dataSources ?? 'auto',
    replicaLag: parseDuration(options.replicaLag ?? 0, `replicaLag of ${WHERE}`, hint),
    exactStatements: options.exactStatements ?? false,
    changeSources: options.changeSources ?? [],
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
    `${WHERE}: stores has one called 'default'. Give that one as store: …; stores are those chosen by other names.`,
  );
}

/** One that a user wrote may hang or fail: it is asked behind a guard, as the tiers of a tiered one are already. */
function usable(name: string, store: CacheStore): CacheStore {
  if (typeof store?.get === 'function' && typeof store.bump === 'function')
    return store instanceof TieredStore ? store : guardStore(store);
  const isObject = typeof store === 'object' && store !== null;
  throw new CacheConfigurationError(
    'CACHE_STORE',
    `${WHERE}: the store '${name}' is ${isObject ? 'no CacheStore' : describe(store)}. Write memoryStore(), or another ` +
      `store of this library; a cache-manager cache is none.`,
  );
}
