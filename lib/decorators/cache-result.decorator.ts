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
import { toRule } from '../invalidation/rules/invalidation-rule.js';
import { DefaultKeyConstructor, KeyPlan } from '../keys/index.js';
import type { AsyncMethod, AsyncMethodDecorator, CacheResultOptions } from './cache-options.interface.js';
import { copyMetadata, methodOf, optionsOf, shapeOf, whereOf } from './decorator-options.js';

const OPTIONS: OptionTable<CacheResultOptions> = {
  rows: { ...VALUE_OPTIONS, ...METHOD_OPTIONS, shared: [isBoolean, 'true or false'] },
  example: `an object: { ttl: '5m' }`,
  exclusive: [ONE_CONDITION],
};

/**
 * Caches what an async method returns, by its arguments. Works on any provider, resolver or controller that Nest
 * creates: singletons, request-scoped and transient ones, inherited methods, calls through `this`.
 *
 * @param options a lifetime (seconds, `'15m'`, `null`) or {@link CacheResultOptions}
 * @throws TypeError for a lifetime that is no duration
 * @throws CacheConfigurationError (or KeyDefinitionError) for options that cannot work, naming class and method
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
    const trampoline = createPatchedMethod(definition);
    copyMetadata(definition.original, trampoline);
    declareCachedMethod(target, definition);
    injectRuntime(target);
    descriptor.value = trampoline as AsyncMethod as T;
  };
}

function define(
  target: object,
  methodKey: string | symbol,
  original: AsyncMethod,
  options: CacheResultOptions,
): MethodDefinition {
  const methodName = String(methodKey);
  const where = whereOf(target, methodKey);
  checkOptions(OPTIONS, options, `@CacheResult() on ${where}`);
  assertReturnsPromise(target, methodKey, original, where);
  const hints: string[] = [];
  const keyConstructor = options.keyConstructor ?? DefaultKeyConstructor;
  const plan = KeyPlan.bind(keyConstructor, shapeOf('result', target, methodName, original));
  return Object.freeze({
    kind: 'result',
    methodName,
    methodKey,
    declaredIn: target.constructor,
    where,
    original,
    keyConstructor,
    plan: () => plan,
    policy: normalisePolicy(options, where, hints),
    name: options.name,
    store: options.store,
    tags: options.tags as MethodDefinition['tags'],
    isolation: options.isolation ?? 'clone',
    values: undefined,
    type: options.type,
    shared: options.shared,
    rules: (options.invalidatesOn ?? []).map((item) => toRule(item, where)),
    response: undefined,
    hints,
  });
}

/** TypeScript refuses methods that return no promise; for those it cannot see, the emitted type is asked. */
function assertReturnsPromise(
  target: object,
  methodKey: string | symbol,
  original: AsyncMethod,
  where: string,
): void {
  if (/Generator/.test(Object.prototype.toString.call(original))) {
    throw new CacheConfigurationError(
      'CACHE_NOT_ASYNC',
      `@CacheResult() on ${where}: the method is a generator, which can be run through once. Return a list from an async method.`,
    );
  }
  const type = Reflect.getMetadata('design:returntype', target, methodKey) as Function | undefined;
  if (type === undefined || type === Promise || type === Object) return;
  throw new CacheConfigurationError(
    'CACHE_NOT_ASYNC',
    `@CacheResult() on ${where}: the method returns ${type.name}, not a Promise. Make it async: a cache may have to ask a store.`,
  );
}
