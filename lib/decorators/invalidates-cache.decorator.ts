import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import type { MethodName } from '../cache/cache.service.js';
import { CacheConfigurationError } from '../common/errors.js';
import { createInvalidating, declareInvalidation, type Invalidation } from '../cache/invalidating-method.js';
import { injectRuntime } from '../cache/patched-method.js';
import type { PartitionValues } from '../keys/key.interface.js';
import type { InvalidationMode } from '../stores/store.interface.js';
import {
  checkOptions,
  isClassOrFunction,
  isFunction,
  isText,
  oneOf,
  type OptionTable,
  tags,
} from '../common/options.js';
import { copyMetadata, methodOf, whereOf } from './decorator-options.js';

/**
 * What `@InvalidatesCache` drops: tags of your own, or what a method cached.
 *
 * @publicApi
 */
export interface InvalidatesCacheOptions<T extends object = object> {
  /** The class whose cached method is meant, or `() => Class` where imports are circular. */
  of?: Type<T> | (() => Type<T>) | undefined;
  /** The cached method. */
  method?: MethodName<T> | undefined;
  /** Drops one partition of it, made from the arguments of the decorated method. Default: all that it cached. */
  partition?: ((...args: never[]) => PartitionValues) | undefined;
  /** Drops what carries these tags. */
  tags?: readonly string[] | ((...args: never[]) => readonly string[]) | undefined;
  /** Default `'purge'`. */
  mode?: InvalidationMode | undefined;
}

/**
 * Invalidates after a handler or method succeeded, for writes that no ORM sees: another service, a file, a queue. Works on any
 * provider or controller that Nest creates; what it throws invalidates nothing. The caller gets the answer after the
 * invalidation.
 *
 * @param options what to drop; several decorators may stand on one method
 * @throws CacheConfigurationError when it names neither a method nor tags
 * @example
 * @Put(':sku')
 * @InvalidatesCache({ of: StockController, method: 'find', partition: (sku: string) => ({ sku }) })
 * async update(@Param('sku') sku: string) { … }
 *
 * @publicApi
 */
export function InvalidatesCache<T extends object>(options: InvalidatesCacheOptions<T>): MethodDecorator {
  return (target, propertyKey, descriptor) => {
    const what = 'only methods can invalidate, not accessors or properties';
    const original = methodOf('InvalidatesCache', what, target, propertyKey, descriptor);
    const where = whereOf(target, propertyKey);
    const invalidation = normalise(options, where);
    const wrapper = createInvalidating(original, [invalidation], where);
    Object.defineProperty(wrapper, 'name', { value: original.name, configurable: true });
    Object.defineProperty(wrapper, 'length', { value: original.length, configurable: true });
    copyMetadata(original, wrapper);
    declareInvalidation(target, { invalidation, where });
    injectRuntime(target);
    (descriptor as PropertyDescriptor).value = wrapper;
  };
}

const OPTIONS: OptionTable<InvalidatesCacheOptions> = {
  rows: {
    of: [isClassOrFunction, 'the class, or () => Class'],
    method: [isText, 'the name of its cached method'],
    partition: [isFunction, `a function of the arguments: (id) => ({ user: id })`],
    tags,
    mode: oneOf(['purge', 'expire'], 'CACHE_INVALIDATES'),
  },
  example: `an object: { of: UsersController, method: 'find' }`,
};

function normalise<T extends object>(options: InvalidatesCacheOptions<T>, where: string): Invalidation {
  checkOptions(OPTIONS, options, `@InvalidatesCache() on ${where}`);
  const { of, method, partition, tags: given, mode = 'purge' } = options;
  if (
    (of === undefined) !== (method === undefined) ||
    (of === undefined && (given === undefined || partition !== undefined))
  ) {
    throw new CacheConfigurationError(
      'CACHE_INVALIDATES',
      `@InvalidatesCache() on ${where} does not say what to drop. Write { of: Class, method: 'name' }, with partition: (…args) => ({ … }) ` +
        `for a part of it, or { tags: […] }. A class that is undefined is usually a circular import: of: () => Class.`,
    );
  }
  return {
    of,
    method,
    partition: partition as Invalidation['partition'],
    tags: given as Invalidation['tags'],
    mode,
  };
}
