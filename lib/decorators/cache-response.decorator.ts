import { markForOpenApi } from './open-api.js';
import 'reflect-metadata';
import {
  METHOD_OPTIONS,
  type MethodDefinition,
  normalisePolicy,
  ONE_CONDITION,
  VALUE_OPTIONS,
} from '../cache/definition.js';
import { expectRuntime } from '../cache/patched-method.js';
import { declareCachedMethod, definitionOf, memberKeysOf, memberOf } from '../cache/method-names.js';
import { CacheConfigurationError } from '../common/errors.js';
import { checkOptions, isFunction, type OptionTable } from '../common/options.js';
import type { Duration } from '../common/time.js';
import { responseValues } from '../http/answer/stored-response.js';
import { defaultKeyOf } from '../http/route/cached-route.js';
import { isCacheableHandler } from '../http/route/handler-shape.js';
import { normaliseResponseOptions, RESPONSE_OPTIONS } from '../http/route/response-options.js';
import { withUriTag } from '../http/route/stored-uris.js';
import { type InvalidationRule, toRules } from '../invalidation/rules/invalidation-rule.js';
import { KeyPlan, type MethodShape } from '../keys/index.js';
import type { CacheResponseOptions } from './cache-options.interface.js';
import { methodOf, optionsOf, shapeOf, whereOf } from './decorator-options.js';
import { isItselfNoCache, isNoCache } from './no-cache.decorator.js';

const { type: _type, isolation: _isolation, maxValueBytes: _maxValueBytes, ...ofHandlers } = METHOD_OPTIONS;

/** The options of `@CacheResponse`. */
export const CACHE_RESPONSE_OPTIONS: OptionTable<CacheResponseOptions> = {
  rows: {
    ...VALUE_OPTIONS,
    ...ofHandlers,
    rewarmRequest: [isFunction, `a function: (change) => ({ url: '/articles' })`, 'CACHE_REWARM'],
    ...RESPONSE_OPTIONS,
  },
  example: `an object: { ttl: '5m' }`,
  exclusive: [ONE_CONDITION],
};

/**
 * Caches what a controller handler sends: status, headers and bytes. A hit runs the guards and nothing behind them:
 * no pipes, no interceptors, no handler, no serialization.
 *
 * By default the key is method, host, route, route parameters (each a partition) and query; requests that carry
 * credentials bypass the cache; GET with 200, 203, 301 and 308 is stored.
 *
 * On a controller class it applies to every handler that answers GET, including inherited ones, except handlers that have
 * `@CacheResponse()` themselves or `@NoCache()`.
 *
 * @param options a lifetime (seconds, `'15m'`, `null`) or {@link CacheResponseOptions}
 * @throws TypeError for an invalid lifetime
 * @throws CacheConfigurationError for invalid options, with class and method
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
    if (methodKey === undefined) return declareAll(target as Function, options);
    const what = 'only controller handlers can be cached';
    declare(target, methodKey, methodOf('CacheResponse', what, target, methodKey, descriptor), options);
  };
  return decorate as ClassDecorator & MethodDecorator;
}

/**
 * Checks the options of a cached handler and completes them.
 *
 * @throws CacheConfigurationError or TypeError for invalid options
 */
export function defineResponse(
  target: object,
  methodKey: string | symbol,
  original: MethodDefinition['original'],
  where: string,
  options: CacheResponseOptions,
): MethodDefinition {
  checkOptions(CACHE_RESPONSE_OPTIONS, options, `@CacheResponse() on ${where}`);
  const methodName = String(methodKey);
  const hints: string[] = [];
  const response = normaliseResponseOptions(options, where);
  const byHeaders = response.freshness === 'headers';
  const keyConstructor = options.keyConstructor ?? defaultKeyOf(response);
  const { rules, isAuto } = toRules(options.invalidatesOn, where);
  const shape = shapeOf('response', target, methodName, original);
  return Object.freeze({
    kind: 'response',
    methodName,
    methodKey,
    declaredIn: target.constructor,
    where,
    original,
    keyConstructor,
    plan: (route?: Partial<MethodShape>) => KeyPlan.bind(keyConstructor, { ...shape, ...route }),
    // With freshness: 'headers' the stored headers hold the lifetime, so the entry itself does not expire.
    policy: normalisePolicy(byHeaders ? { ...options, ttl: null } : options, where, hints),
    name: options.name,
    store: options.store,
    valueTags: options.valueTags as MethodDefinition['valueTags'],
    tags: (byHeaders ? withUriTag(options.tags) : options.tags) as MethodDefinition['tags'],
    isolation: 'clone',
    values: responseValues,
    type: undefined,
    // With freshness: 'headers' a response is as old as its headers allow: another one is no fault.
    verify: byHeaders ? false : options.verify,
    rules,
    isAuto,
    rewarmRequest: rewarmRequestOf(options, rules, where),
    response,
    hints,
  });
}

/** @throws CacheConfigurationError if no rule calls the function */
function rewarmRequestOf(
  { rewarmRequest }: CacheResponseOptions,
  rules: readonly InvalidationRule[],
  where: string,
): CacheResponseOptions['rewarmRequest'] {
  if (rewarmRequest === undefined || rules.some(({ options }) => options.rewarm === true))
    return rewarmRequest;
  throw new CacheConfigurationError(
    'CACHE_REWARM',
    `@CacheResponse() on ${where}: no rule calls rewarmRequest. Write rewarm: true in a rule of invalidatesOn.`,
  );
}

function declare(
  target: object,
  methodKey: string | symbol,
  handler: Function,
  given: Duration | CacheResponseOptions,
): void {
  const where = whereOf(target, methodKey);
  const original = handler as MethodDefinition['original'];
  const options = optionsOf(given, `@CacheResponse() on ${where}`);
  declareCachedMethod(target, defineResponse(target, methodKey, original, where, options));
  // An inherited handler is that of other classes too.
  if (Object.hasOwn(target, methodKey))
    markForOpenApi(handler, (options as CacheResponseOptions).setCacheHeaders);
  expectRuntime(target, where);
}

/** Decorates every handler of a class that answers GET and has no caching decorator. */
function declareAll(controller: Function, given: Duration | CacheResponseOptions): void {
  const prototype = controller.prototype as object;
  const options = optionsOf(given, `@CacheResponse() on ${controller.name}`) as CacheResponseOptions;
  if (options.name !== undefined) throw nameOfClass(controller);
  if (options.methods !== undefined) throw methodsOfClass(controller);
  if (options.rewarmRequest !== undefined) throw rewarmRequestOfClass(controller);
  if (isItselfNoCache(controller)) throw bothOnClass(controller);
  for (const methodKey of memberKeysOf(controller) as readonly (string | symbol)[]) {
    const handler = memberOf(prototype, methodKey);
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

function bothOnClass({ name }: Function): CacheConfigurationError {
  return new CacheConfigurationError(
    'CACHE_METHOD',
    `${name} has @CacheResponse() and @NoCache(). Keep one on the class; its handlers may have the other.`,
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
