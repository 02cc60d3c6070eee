import 'reflect-metadata';
import { CacheConfigurationError } from '../../common/errors.js';
import { flag, isList, isSync, isWholeFrom, oneOf, type OptionRows, parsed } from '../../common/options.js';
import { methodsOf } from './cacheable-methods.js';
import { type ExcludedPaths, QueryFilter, type QueryOption } from './query-filter.js';
import { type FastLaneOptions, fastLaneOf, type FastLaneSettings } from './fast-lane-option.js';
import { keyLimitOf, type KeyLimitOption, type KeyLimitSettings } from './key-limit.js';

/** Checked options of a cached handler. `setCacheHeaders` is undefined if the module's default applies. */
export interface ResponseOptions {
  /** Source of the lifetime: the TTL of the decorator, or the headers of the response (RFC 9111). */
  readonly freshness: 'ttl' | 'headers';
  readonly statuses: ReadonlySet<number>;
  /** Upper case. GET includes HEAD. */
  readonly methods: ReadonlySet<string>;
  /** The query parameters that count; `undefined` if all do. */
  readonly query: QueryFilter | undefined;
  /** Lower-case names. */
  readonly vary: readonly string[];
  readonly shared: boolean;
  /** Evaluates If-None-Match and the like: the cache, or the handler. */
  readonly conditional: 'cache' | 'handler';
  /** True if Cache-Control of requests is obeyed; always with `freshness: 'headers'`. */
  readonly honourRequestDirectives: boolean;
  readonly bypass: ((request: object) => boolean) | undefined;
  readonly maxBodyBytes: number;
  readonly setCacheHeaders: boolean | undefined;
  readonly cacheControl: boolean;
  /** `undefined` if the module's default applies. */
  readonly explain: boolean | undefined;
  /** `undefined` if the module's default applies. */
  readonly keyLimit: KeyLimitSettings | undefined;
  /** `undefined` if hits take the way through the framework. */
  readonly fastLane: FastLaneSettings | undefined;
  /** Set if the handler is not decorated, but cached by `cacheEverything`. */
  readonly everything?: { readonly paths: ExcludedPaths | undefined };
}

export interface GivenResponseOptions {
  freshness?: 'ttl' | 'headers';
  statuses?: readonly number[];
  methods?: readonly string[];
  query?: QueryOption;
  keyConstructor?: unknown;
  vary?: readonly string[];
  shared?: boolean;
  conditional?: 'cache' | 'handler';
  honourRequestDirectives?: boolean;
  bypass?: (request: never) => boolean;
  maxBodyBytes?: number;
  setCacheHeaders?: boolean;
  cacheControl?: boolean;
  explain?: boolean;
  keyLimit?: KeyLimitOption;
  fastLane?: boolean | FastLaneOptions;
}

const DEFAULT_STATUSES = [200, 203, 301, 308];

/** Status codes of partial answers and of answers to a condition: without their request they mean nothing. */
const NEVER_STORED = [206, 304];

const MAX_BODY_BYTES = 1024 * 1024;

const CODE = 'CACHE_RESPONSE_OPTION';

/** Options of handlers only. The members of lists are checked where they are read. */
export const RESPONSE_OPTIONS: OptionRows<Omit<GivenResponseOptions, 'keyConstructor'>> = {
  setCacheHeaders: flag,
  statuses: [isList, 'a list of statuses: [200, 404]'],
  methods: parsed,
  query: parsed,
  vary: [isList, `a list of names of request headers: ['accept-language']`],
  shared: flag,
  conditional: oneOf(['cache', 'handler'], CODE),
  bypass: [isSync, 'a function that answers at once: (request) => boolean'],
  maxBodyBytes: [isWholeFrom(1), 'a positive whole number of bytes', CODE],
  cacheControl: flag,
  freshness: oneOf(['ttl', 'headers'], CODE),
  honourRequestDirectives: [flag[0], 'true, or leave it out', CODE],
  keyLimit: parsed,
  explain: flag,
  fastLane: parsed,
};

/**
 * @param options checked against {@link RESPONSE_OPTIONS} by the decorator
 * @throws CacheConfigurationError with the handler and what to write
 */
export function normaliseResponseOptions(options: GivenResponseOptions, where: string): ResponseOptions {
  const { statuses = DEFAULT_STATUSES, vary = [], maxBodyBytes = MAX_BODY_BYTES } = options;
  const freshness = freshnessOf(options, where);
  for (const status of statuses) {
    if (!Number.isInteger(status) || status < 200 || status > 599 || NEVER_STORED.includes(status)) {
      throw invalid(
        `statuses of ${where} holds ${String(status)}. Write final statuses such as 200 or 404; 206 and 304 are never stored.`,
      );
    }
  }
  assertHeaderNames(vary, `vary of ${where}`);
  return Object.freeze({
    freshness,
    statuses: new Set(statuses),
    methods: methodsOf(options.methods, where),
    query: queryOf(options, where),
    vary: [...new Set(vary.map((name) => name.toLowerCase()))].sort(),
    shared: options.shared ?? false,
    conditional: options.conditional ?? 'cache',
    honourRequestDirectives: freshness === 'headers' || (options.honourRequestDirectives ?? false),
    bypass: options.bypass as ResponseOptions['bypass'],
    maxBodyBytes,
    setCacheHeaders: options.setCacheHeaders,
    cacheControl: options.cacheControl ?? false,
    explain: options.explain,
    keyLimit: keyLimitOf(options.keyLimit, where),
    fastLane: fastLaneOf(options.fastLane, where),
  });
}

/** @throws CacheConfigurationError for anything but names of request headers */
export function assertHeaderNames(names: readonly string[], what: string): void {
  for (const name of names) {
    if (typeof name === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(name) && name !== '*') continue;
    throw invalid(
      `${what} holds ${JSON.stringify(name)}. Write names of request headers, e.g. 'accept-language'.`,
    );
  }
}

function queryOf({ query, keyConstructor }: GivenResponseOptions, where: string): QueryFilter | undefined {
  if (query === undefined || keyConstructor === undefined) return QueryFilter.of(query, where);
  throw invalid(
    `${where} has query and a keyConstructor, which says what of the query is in the key: new QueryParamsKeyField(['page']). Keep one.`,
  );
}

/** Options that have no meaning with `freshness: 'headers'`. */
const DECIDED_BY_HEADERS = [
  ...[
    'ttl',
    'keyConstructor',
    'query',
    'statuses',
    'methods',
    'vary',
    'shared',
    'conditional',
    'cacheControl',
    'fastLane',
  ],
  ...['staleWhileRevalidate', 'staleIfError', 'refreshAhead', 'jitter', 'lock', 'softTimeout', 'hardTimeout'],
];

function freshnessOf(options: GivenResponseOptions, where: string): ResponseOptions['freshness'] {
  const { freshness = 'ttl', honourRequestDirectives } = options;
  if (freshness === 'ttl') return freshness;
  if (honourRequestDirectives !== undefined)
    throw invalid(
      `${where} has freshness: 'headers' and honourRequestDirectives. What clients ask for is always obeyed there: remove ` +
        `honourRequestDirectives. It is for routes with a ttl.`,
    );
  const given = DECIDED_BY_HEADERS.filter(
    (name) => options[name as keyof GivenResponseOptions] !== undefined,
  );
  if (given.length === 0) return freshness;
  throw invalid(
    `${where} has freshness: 'headers' and ${given.join(', ')}. The URI is the key, and the headers that the handler sends ` +
      `say what is stored and for how long: remove ${given.join(', ')}, or freshness.`,
  );
}

function invalid(message: string): CacheConfigurationError {
  return new CacheConfigurationError(CODE, message);
}

const VARY = 'restflow-cache:vary';

/** Adds names of request headers that the response of a handler depends on. */
export function declareVary(handler: object, names: readonly string[]): void {
  const all = new Set([...declaredVary(handler), ...names.map((name) => name.toLowerCase())]);
  Reflect.defineMetadata(VARY, [...all].sort(), handler);
}

/** Header names that `@Vary()` and `@VaryOnCookie()` declared for a handler. */
export function declaredVary(handler: object): readonly string[] {
  return (Reflect.getMetadata(VARY, handler) as readonly string[] | undefined) ?? [];
}
