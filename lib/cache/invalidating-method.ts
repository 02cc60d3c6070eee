import 'reflect-metadata';
import { concat, concatMap, defer, ignoreElements, isObservable, of, type Observable } from 'rxjs';
import type { PartitionValues } from '../keys/key.interface.js';
import type { InvalidationMode } from '../stores/store.interface.js';
import { INVALIDATIONS_METADATA } from './method-names.js';
import type { CacheRuntime } from './cache-runtime.js';
import { CacheConfigurationError, CacheUsageError } from '../common/errors.js';
import type { MethodTarget } from './method-target.js';
import { isText } from '../common/options.js';
import { isThenable } from '../common/async.js';
import { runtimeOf, warnOnceUnmanaged } from './patched-method.js';

/** What a method invalidates after success, from `@InvalidatesCache`. */
export interface Invalidation {
  /** The class of the cached method, or a function that returns it. */
  readonly of?: Function;
  readonly method?: string;
  readonly partition?: (...args: readonly unknown[]) => PartitionValues;
  readonly tags?: readonly string[] | ((...args: readonly unknown[]) => readonly string[]);
  readonly mode: InvalidationMode;
}

interface Declared {
  readonly invalidation: Invalidation;
  /** Class and method. */
  readonly where: string;
}

/** Stores an invalidation in the metadata of its class, for {@link assertInvalidations}. */
export function declareInvalidation(prototype: object, declared: Declared): void {
  const others = (Reflect.getOwnMetadata(INVALIDATIONS_METADATA, prototype) ?? []) as readonly Declared[];
  Reflect.defineMetadata(INVALIDATIONS_METADATA, [...others, declared], prototype);
}

/** @throws CacheConfigurationError, at boot, if a method of the class invalidates a method that is not cached */
export function assertInvalidations(runtime: CacheRuntime, owner: Function): void {
  const declared = (Reflect.getMetadata(INVALIDATIONS_METADATA, owner.prototype as object) ??
    []) as readonly Declared[];
  for (const { invalidation, where } of declared) {
    if (invalidation.of !== undefined) targetOf(runtime, invalidation, labelOf(where));
  }
}

/**
 * Wraps a method whose writes no ORM sees: it returns after the invalidation. A method that throws invalidates nothing, and a failed
 * invalidation does not fail the method.
 */
export function createInvalidating(
  original: Function,
  invalidations: readonly Invalidation[],
  where: string,
): Function {
  const unmanaged = warnOnceUnmanaged(`${where} invalidates nothing`);
  return function (this: object, ...args: readonly unknown[]): unknown {
    const runtime = runtimeOf(this);
    const answer: unknown = original.apply(this, args);
    if (runtime === undefined) {
      unmanaged();
      return answer;
    }
    const drop = (): Promise<void> => dropAll(runtime, invalidations, args, where);
    if (isThenable(answer)) return Promise.resolve(answer).then(async (value) => (await drop(), value));
    if (isObservable(answer)) return dropAround(answer, drop);
    void drop();
    return answer;
  };
}

/** Invalidates before the first value, which may be the only one a subscriber takes, and at the end, since more may be written by then. */
function dropAround(values: Observable<unknown>, drop: () => Promise<void>): Observable<unknown> {
  const first = async (value: unknown): Promise<unknown> => (await drop(), value);
  return concat(
    values.pipe(concatMap((value, index) => (index === 0 ? first(value) : of(value)))),
    defer(drop).pipe(ignoreElements()),
  );
}

async function dropAll(
  runtime: CacheRuntime,
  invalidations: readonly Invalidation[],
  args: readonly unknown[],
  where: string,
): Promise<void> {
  for (const invalidation of invalidations) {
    try {
      await runtime.invalidate(tagsOf(runtime, invalidation, args, labelOf(where)), invalidation.mode);
    } catch (error) {
      runtime.log.error(`invalidates ${where}`, `${labelOf(where)} failed`, error);
    }
  }
}

const labelOf = (where: string): string => `@InvalidatesCache() on ${where}`;

/**
 * The tags that an invalidation drops.
 *
 * @param label the decorator and where it stands, for messages
 * @throws CacheUsageError if its function returns no tags; PartitionError if it names no declared partition
 */
export function tagsOf(
  runtime: CacheRuntime,
  invalidation: Invalidation,
  args: readonly unknown[],
  label: string,
): readonly string[] {
  const { tags = [], partition } = invalidation;
  const names: unknown = typeof tags === 'function' ? tags(...args) : tags;
  if (!Array.isArray(names) || !names.every(isText)) {
    throw new CacheUsageError(
      'CACHE_TAGS',
      `The tags function of ${label} did not return a list of texts. Write (id) => [\`user:\${id}\`].`,
    );
  }
  const own = names.map((name) => runtime.space.userTag(name));
  if (invalidation.of === undefined) return own;
  const target = targetOf(runtime, invalidation, label);
  return [...own, partition === undefined ? target.methodTag : target.partitionTag(partition(...args))];
}

/** @throws CacheConfigurationError when no such method is cached in this application */
export function targetOf(
  runtime: CacheRuntime,
  { of, method }: Pick<Invalidation, 'of' | 'method'>,
  label: string,
): MethodTarget {
  const owner = of!.prototype === undefined ? (of as () => Function | undefined)() : of!;
  const target = owner === undefined ? undefined : runtime.find(owner, method!);
  if (target !== undefined) return target;
  throw new CacheConfigurationError(
    'CACHE_INVALIDATES',
    `${label} names ${owner?.name}.${method!}, which is not cached in this application. Decorate it with ` +
      `@CacheResult() or @CacheResponse(), and provide its class.`,
  );
}
