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
 * Options of `@InvalidatesCache`: tags to drop, or the cached method whose entries are dropped.
 *
 * @publicApi
 */
export interface InvalidatesCacheOptions<T extends object = object> {
  /** The class of the cached method, or `() => Class` if imports are circular. */
  of?: Type<T> | (() => Type<T>) | undefined;
  /** The cached method. */
  method?: MethodName<T> | undefined;
  /** The partition to drop, made from the arguments of the decorated method. Default: all entries of the cached method. */
  partition?: ((...args: never[]) => PartitionValues) | undefined;
  /** Tags to drop: a list, or a function of the arguments. */
  tags?: readonly string[] | ((...args: never[]) => readonly string[]) | undefined;
  /** `'purge'` (default) drops entries, `'expire'` makes them stale. */
  mode?: InvalidationMode | undefined;
}

/**
 * Invalidates after a method succeeded, for writes that no ORM sees: another service, a file, a queue. Works on any provider or
 * controller that Nest creates. A method that throws invalidates nothing. The caller gets the result after the invalidation.
 *
 * @param options the tags or the cached method; a method may have several of these decorators
 * @throws CacheConfigurationError if the options name neither a method nor tags
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
        `for one partition, or { tags: […] }. A class that is undefined is usually a circular import: write of: () => Class.`,
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
