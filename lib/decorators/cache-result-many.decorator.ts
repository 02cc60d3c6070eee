import 'reflect-metadata';
import { ONE_CONDITION } from '../cache/definition.js';
import { answerMany, itemsOf } from '../cache/item-target.js';
import { declareCachedMethod } from '../cache/method-names.js';
import { createPatchedMethod, injectRuntime } from '../cache/patched-method.js';
import { checkOptions, type OptionTable, text } from '../common/options.js';
import { ArgsKeyField } from '../keys/index.js';
import type { AsyncMethodDecorator, CacheResultOptions } from './cache-options.interface.js';
import { CACHE_RESULT_OPTIONS, defineResult } from './cache-result.decorator.js';
import { copyMetadata, methodOf, shapeOf, whereOf } from './decorator-options.js';

/**
 * Options of `@CacheResultMany`: those of `@CacheResult` for each item, without `keyConstructor`.
 *
 * @publicApi
 */
export interface CacheResultManyOptions extends Omit<CacheResultOptions, 'keyConstructor'> {
  /** Property of an item that holds its id; also the name of the partition by which rules drop an item. */
  key: string;
}

const { keyConstructor: _, ...itemRows } = CACHE_RESULT_OPTIONS.rows;
const OPTIONS: OptionTable<CacheResultManyOptions> = {
  rows: { ...itemRows, key: text },
  example: `{ key: 'id' }`,
  required: ['key'],
  exclusive: [ONE_CONDITION],
};

/**
 * Caches each item of a method that takes a list of ids first and returns the items that it found. Each item has an entry, rules and a
 * lifetime of its own; the method runs once for the ids that are missing. The items are returned in the order of the ids, without those that
 * do not exist.
 *
 * @param options `key`, and the options of `@CacheResult`
 * @throws CacheConfigurationError for invalid options, with class and method
 * @example
 * @CacheResultMany({ key: 'id', ttl: '5m', invalidatesOn: [invalidates(User, { fieldMapping: { id: 'id' } })] })
 * async findMany(ids: number[]): Promise<User[]> {
 *   return this.users.findBy({ id: In(ids) });
 * }
 *
 * @publicApi
 */
export function CacheResultMany(options: CacheResultManyOptions): AsyncMethodDecorator {
  return (target, methodName, descriptor) => {
    const where = whereOf(target, methodName);
    checkOptions(OPTIONS, options, `@CacheResultMany() on ${where}`);
    const { key, ...own } = options;
    const what = 'only methods can be cached, not accessors or properties';
    const loadAll = methodOf('CacheResultMany', what, target, methodName, descriptor) as (
      ...args: never[]
    ) => Promise<unknown>;
    const items = { key, loadAll };
    /** Loads one item: for rewarming. */
    const original = async function (this: object, ...args: never[]): Promise<unknown> {
      const [id, ...rest] = args;
      return itemsOf(
        items,
        where,
        [id],
        await loadAll.call(this as never, ...([[id], ...rest] as never[])),
      )[0];
    };
    Object.defineProperty(original, 'name', { value: loadAll.name, configurable: true });
    const shape = shapeOf('result', target, String(methodName), loadAll);
    const [, ...others] = shape.parameters;
    const keyConstructor = {
      [key]: new ArgsKeyField(0, { partition: true }),
      ...Object.fromEntries(others.map((name) => [name, new ArgsKeyField(name)])),
    };
    const definition = defineResult(
      target,
      methodName,
      { original, items, shape },
      { ...own, keyConstructor },
    );
    const patched = createPatchedMethod(definition, (runtime, self, args) =>
      answerMany(runtime, definition, self, args),
    );
    copyMetadata(loadAll, patched);
    declareCachedMethod(target, definition);
    injectRuntime(target);
    descriptor.value = patched as never;
  };
}
