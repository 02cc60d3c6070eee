import 'reflect-metadata';
import { declareCachedMethod, definitionOf } from '../cache/cached-methods.js';
import { assertMethodOptions, normalisePolicy, type MethodDefinition } from '../cache/definition.js';
import type { Duration } from '../cache/duration.js';
import { CacheConfigurationError } from '../cache/errors.js';
import { defaultKeyOf } from '../http/default-key.js';
import { isCacheableHandler } from '../http/handler-shape.js';
import { responseValues } from '../http/stored-response.js';
import { normaliseResponseOptions } from '../http/response-options.js';
import { withUriTag } from '../http/shared-cache/uri-key.js';
import { toRule, type InvalidationRule } from '../invalidation/invalidation-rule.js';
import { KeyPlan, readParameters, type MethodShape } from '../keys/index.js';
import type { CacheResponseOptions } from './cache-options.interface.js';
import { optionsOf, whereOf } from './decorator-options.js';
import { isNoCache } from './no-cache.decorator.js';

const OPTIONS = new Set<string>([
  'ttl',
  'keyConstructor',
  'invalidatesOn',
  'cacheIf',
  'cacheUnless',
  'tags',
  'store',
  'name',
  'rewarmRequest',
  'setCacheHeaders',
  'statuses',
  'methods',
  'query',
  'vary',
  'shared',
  'bypass',
  'maxBodyBytes',
  'cacheControl',
  'freshness',
  'keyLimit',
  'explain',
  'staleWhileRevalidate',
  'staleIfError',
  'refreshAhead',
  'jitter',
  'lock',
  'softTimeout',
  'hardTimeout',
] satisfies (keyof CacheResponseOptions)[]);

/**
 * Caches what a controller handler sends: status, headers and bytes. A hit runs the guards and nothing behind them:
 * no pipes, no interceptors, no handler, no serialization.
 *
 * By default the key is method, host, route, route parameters (each a partition) and query; requests that carry
 * credentials bypass the cache; GET with 200, 203, 301 and 308 is stored.
 *
 * On a controller class it stands for every handler of its own that answers GET, but for those with a decorator of their own
 * and those with `@NoCache()`.
 *
 * @param options a lifetime (seconds, `'15m'`, `null`) or {@link CacheResponseOptions}
 * @throws TypeError for a lifetime that is no duration
 * @throws CacheConfigurationError for options that cannot work, naming class and method
 * @example
 * @Get(':slug')
 * @CacheResponse({ ttl: '5m', invalidatesOn: [invalidates(Article, { fieldMapping: { slug: 'slug' } })] })
 * findOne(@Param('slug') slug: string) { … }
 *
 * Source: drf-restflow, `cache_response`; Django, `cache_page`.
 * @publicApi
 */
export function CacheResponse(
  options: Duration | CacheResponseOptions = {},
): ClassDecorator & MethodDecorator {
  const decorate = (target: object, methodKey?: string | symbol, descriptor?: PropertyDescriptor): void => {
    if (methodKey === undefined) declareAll(target as Function, options);
    else declare(target, methodKey, descriptor?.value, options);
  };
  return decorate as ClassDecorator & MethodDecorator;
}

function declare(
  target: object,
  methodKey: string | symbol,
  handler: unknown,
  given: Duration | CacheResponseOptions,
): void {
  const where = whereOf(target, methodKey);
  if (typeof handler !== 'function') {
    throw new CacheConfigurationError(
      'CACHE_METHOD',
      `@CacheResponse() on ${where}: only controller handlers can be cached.`,
    );
  }
  const original = handler as MethodDefinition['original'];
  const options = optionsOf(given, `@CacheResponse() on ${where}`);
  declareCachedMethod(target, define(target, methodKey, original, where, options));
}

/** On a class: every handler of its own that answers GET and says nothing of caching itself. */
function declareAll(controller: Function, given: Duration | CacheResponseOptions): void {
  const prototype = controller.prototype as object;
  const options = optionsOf(given, `@CacheResponse() on ${controller.name}`) as CacheResponseOptions;
  if (options.name !== undefined) throw nameOfClass(controller);
  if (options.methods !== undefined) throw methodsOfClass(controller);
  if (options.rewarmRequest !== undefined) throw rewarmRequestOfClass(controller);
  for (const methodKey of Reflect.ownKeys(prototype)) {
    const handler = Reflect.getOwnPropertyDescriptor(prototype, methodKey)?.value as unknown;
    if (typeof handler !== 'function' || !isCacheableHandler(handler)) continue;
    if (isNoCache(handler) || definitionOf(controller, methodKey) !== undefined) continue;
    declare(prototype, methodKey, handler, options);
  }
}

function nameOfClass({ name }: Function): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_NAME',
    `@CacheResponse() on ${name} has a name, which its handlers would share. Remove it, or decorate the handlers.`,
  );
}

function methodsOfClass({ name }: Function): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_RESPONSE_OPTION',
    `@CacheResponse() on ${name} has methods, which would cache handlers that write. Write methods on the handlers that only read.`,
  );
}

function rewarmRequestOfClass({ name }: Function): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_REWARM',
    `@CacheResponse() on ${name} has a rewarmRequest, which its handlers would share. Remove it, or decorate the handlers.`,
  );
}

function define(
  target: object,
  methodKey: string | symbol,
  original: MethodDefinition['original'],
  where: string,
  options: CacheResponseOptions,
): MethodDefinition {
  assertMethodOptions(options, OPTIONS, `@CacheResponse() on ${where}`);
  const methodName = String(methodKey);
  const hints: string[] = [];
  const response = normaliseResponseOptions(options, where);
  const byHeaders = response.freshness === 'headers';
  const keyConstructor = options.keyConstructor ?? defaultKeyOf(response);
  const rules = (options.invalidatesOn ?? []).map((item) => toRule(item, where));
  const { names: parameters, rest: restParameter } = readParameters(original);
  const shape: MethodShape = {
    className: target.constructor.name,
    methodName,
    kind: 'response',
    parameters,
    restParameter,
  };
  return Object.freeze({
    kind: 'response',
    methodName,
    methodKey,
    declaredIn: target.constructor,
    where,
    original,
    keyConstructor,
    plan: (route?: Partial<MethodShape>) => KeyPlan.bind(keyConstructor, { ...shape, ...route }),
    // Where the headers decide, what the store keeps has no lifetime of its own.
    policy: normalisePolicy(byHeaders ? { ...options, ttl: null } : options, where, hints),
    name: options.name,
    store: options.store,
    tags: (byHeaders ? withUriTag(options.tags) : options.tags) as MethodDefinition['tags'],
    isolation: 'clone',
    values: responseValues,
    type: undefined,
    rules,
    rewarmRequest: rewarmRequestOf(options, rules, where),
    response,
    hints,
  });
}

/** @throws CacheConfigurationError for what is no function, or is asked by no rule */
function rewarmRequestOf(
  { rewarmRequest }: CacheResponseOptions,
  rules: readonly InvalidationRule[],
  where: string,
): CacheResponseOptions['rewarmRequest'] {
  if (rewarmRequest === undefined) return undefined;
  if (typeof rewarmRequest !== 'function')
    throw invalidRewarm(where, `is no function. Write (change) => ({ url: '/articles' })`);
  if (rules.some(({ options }) => options.rewarm === true)) return rewarmRequest;
  throw invalidRewarm(where, 'is asked by no rule. Write rewarm: true in a rule of invalidatesOn');
}

function invalidRewarm(where: string, problem: string): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_REWARM',
    `@CacheResponse() on ${where}: rewarmRequest ${problem}.`,
  );
}
