import 'reflect-metadata';
import {
  METHOD_OPTIONS,
  type MethodDefinition,
  normalisePolicy,
  ONE_CONDITION,
  VALUE_OPTIONS,
} from '../cache/definition.js';
import { CacheConfigurationError } from '../common/errors.js';
import { checkOptions, isBoolean, type OptionTable } from '../common/options.js';
import type { Duration } from '../common/time.js';
import { createPatchedMethod, injectRuntime } from '../cache/patched-method.js';
import { declareCachedMethod } from '../cache/method-names.js';
import { toRules } from '../invalidation/rules/invalidation-rule.js';
import { DefaultKeyConstructor, KeyPlan, type MethodShape } from '../keys/index.js';
import type { AsyncMethod, AsyncMethodDecorator, CacheResultOptions } from './cache-options.interface.js';
import { copyMetadata, methodOf, optionsOf, shapeOf, whereOf } from './decorator-options.js';

export const CACHE_RESULT_OPTIONS: OptionTable<CacheResultOptions> = {
  rows: { ...VALUE_OPTIONS, ...METHOD_OPTIONS, shared: [isBoolean, 'true or false'] },
  example: `an object: { ttl: '5m' }`,
  exclusive: [ONE_CONDITION],
};

/**
 * Caches the result of an async method by its arguments. Works on any provider, resolver or controller that Nest
 * creates: singletons, request-scoped and transient ones, inherited methods, calls through `this`.
 *
 * @param options a lifetime (seconds, `'15m'`, `null`) or {@link CacheResultOptions}
 * @throws TypeError for an invalid lifetime
 * @throws CacheConfigurationError (or KeyDefinitionError) for invalid options, with class and method
 * @example
 * @CacheResult('5m')
 * async find(id: number): Promise<User> { … }
 *
 * Source: drf-restflow, `cache_result`.
 * @publicApi
 */
export function CacheResult(options: Duration | CacheResultOptions = {}): AsyncMethodDecorator {
  return <T extends AsyncMethod>(
    target: object,
    methodName: string | symbol,
    descriptor: TypedPropertyDescriptor<T>,
  ) => {
    const definition = define(
      target,
      methodName,
      methodOf(
        'CacheResult',
        'only methods can be cached, not accessors or properties',
        target,
        methodName,
        descriptor,
      ) as AsyncMethod,
      optionsOf(options, `@CacheResult() on ${whereOf(target, methodName)}`),
    );
    const patched = createPatchedMethod(definition);
    copyMetadata(definition.original, patched);
    declareCachedMethod(target, definition);
    injectRuntime(target);
    descriptor.value = patched as AsyncMethod as T;
  };
}

/** The function that a definition caches, and its shape. */
interface CachedFunction {
  readonly original: MethodDefinition['original'];
  readonly items?: MethodDefinition['items'];
  readonly shape: MethodShape;
}

function define(
  target: object,
  methodKey: string | symbol,
  original: AsyncMethod,
  options: CacheResultOptions,
): MethodDefinition {
  const where = whereOf(target, methodKey);
  checkOptions(CACHE_RESULT_OPTIONS, options, `@CacheResult() on ${where}`);
  assertReturnsPromise(target, methodKey, original, where);
  const shape = shapeOf('result', target, String(methodKey), original);
  return defineResult(target, methodKey, { original, shape }, options);
}

/** Completes the checked options of a cached method. */
export function defineResult(
  target: object,
  methodKey: string | symbol,
  { original, items, shape }: CachedFunction,
  options: CacheResultOptions,
): MethodDefinition {
  const where = whereOf(target, methodKey);
  const hints: string[] = [];
  const keyConstructor = options.keyConstructor ?? DefaultKeyConstructor;
  const plan = KeyPlan.bind(keyConstructor, shape);
  return Object.freeze({
    kind: 'result',
    methodName: String(methodKey),
    methodKey,
    declaredIn: target.constructor,
    where,
    original,
    items,
    keyConstructor,
    plan: () => plan,
    policy: normalisePolicy(options, where, hints),
    name: options.name,
    store: options.store,
    valueTags: options.valueTags as MethodDefinition['valueTags'],
    tags: options.tags as MethodDefinition['tags'],
    isolation: options.isolation ?? 'clone',
    maxValueBytes: options.maxValueBytes,
    values: undefined,
    type: options.type,
    verify: options.verify,
    shared: options.shared,
    ...toRules(options.invalidatesOn, where),
    response: undefined,
    hints,
  });
}

/** The type of the decorator rejects synchronous methods. Where it is not checked (JavaScript, any), the emitted metadata tells. */
function assertReturnsPromise(
  target: object,
  methodKey: string | symbol,
  original: AsyncMethod,
  where: string,
): void {
  if (/Generator/.test(Object.prototype.toString.call(original))) {
    throw new CacheConfigurationError(
      'CACHE_NOT_ASYNC',
      `@CacheResult() on ${where}: the method is a generator, whose result can be read only once. Return a list from an async method.`,
    );
  }
  const type = Reflect.getMetadata('design:returntype', target, methodKey) as Function | undefined;
  if (type === undefined || type === Promise || type === Object) return;
  throw new CacheConfigurationError(
    'CACHE_NOT_ASYNC',
    `@CacheResult() on ${where}: the method returns ${type.name}, not a Promise. Make it async: reading a store can take a network request.`,
  );
}
