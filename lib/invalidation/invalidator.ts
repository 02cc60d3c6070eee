import { CacheConfigurationError } from '../common/errors.js';
import type { MaybePromise } from '../stores/store.interface.js';
import type { Change } from './change.interface.js';

/**
 * Records which entries of the rule's method a custom invalidator drops. The calls become tags, which every process and
 * dispatcher handles like those of any other rule.
 *
 * @publicApi
 */
export interface InvalidationHandle {
  /** Name of the method, e.g. `UsersService.find`. */
  readonly name: string;
  /** Drops the partition with these values. */
  deleteByPrefix(values: Readonly<Record<string, unknown>>): void;
  /** Drops all entries of the method. */
  invalidateAll(): void;
  /** Drops all entries, of any method, that carry one of these user tags. */
  invalidateTags(tags: readonly string[]): void;
}

/**
 * A committed change of an entity, as custom invalidators and listeners receive it.
 *
 * @publicApi
 */
export interface EntityChange {
  /** The entity class; `undefined` for tables without one. */
  readonly entity: Function | undefined;
  /** The entity's name in TypeORM. */
  readonly entityName: string;
  /** The kind of change. */
  readonly type: Change['type'];
  /** The primary key: a value, or an object where there are several; `undefined` if the rows are unknown. */
  readonly id: unknown;
  /** The known part of the row before the change; `null` if it did not exist, `undefined` if the rows are unknown. */
  readonly before: Readonly<Record<string, unknown>> | null | undefined;
  /** The row after the change; `null` if it was removed, `undefined` if the rows are unknown. */
  readonly after: Readonly<Record<string, unknown>> | null | undefined;
  /** Properties that an update wrote; `undefined` if unknown, or if the change is not an update. */
  readonly updatedColumns: readonly string[] | undefined;
}

/**
 * The argument of an invalidator: one change or, with `batch: true`, all changes of its entity in a transaction.
 *
 * @publicApi
 */
export type InvalidatorChange<Batch extends boolean> = Batch extends true
  ? readonly EntityChange[]
  : EntityChange;

/**
 * Decides which entries a change drops. If it throws, all entries of the method are dropped.
 *
 * @publicApi
 */
export type Invalidator<Batch extends boolean = false> = (
  cached: InvalidationHandle,
  change: InvalidatorChange<Batch>,
) => MaybePromise<void>;

/**
 * An invalidator that needs other providers: a singleton provider with a method `invalidate`.
 *
 * @example
 * @Injectable()
 * class FeedInvalidator implements InjectableInvalidator {
 *   constructor(private readonly followers: FollowersService) {}
 *   async invalidate(cached: InvalidationHandle, change: EntityChange): Promise<void> {
 *     for (const user of await this.followers.of(change.after?.['authorId'])) cached.deleteByPrefix({ user });
 *   }
 * }
 * invalidates(Article, { invalidator: FeedInvalidator })
 *
 * Source: drf-restflow, InvalidationRule (`invalidator`).
 * @publicApi
 */
export interface InjectableInvalidator<Batch extends boolean = false> {
  /** Names on the handle the entries that the change drops. If it throws, all entries of the method are dropped. */
  invalidate(cached: InvalidationHandle, change: InvalidatorChange<Batch>): MaybePromise<void>;
}

/**
 * The class of an {@link InjectableInvalidator}.
 *
 * @publicApi
 */
export type InvalidatorClass<Batch extends boolean = false> = abstract new (
  ...args: never[]
) => InjectableInvalidator<Batch>;

export function entityChange(change: Change): EntityChange {
  const { entity, entityName, type, id, before, after, updatedColumns } = change;
  return {
    entity,
    entityName,
    type,
    id,
    before: before && before.object,
    after: after && after.object,
    updatedColumns,
  };
}

/** The function that a rule calls, made from the function or class it was given. */
export type BoundInvalidator = Invalidator<boolean>;

/** Finds the instance of an invalidator's class. @throws CacheConfigurationError if there is none */
export type ResolveInvalidator = (type: Function, where: string) => object;

interface Invalidating {
  readonly invalidate: BoundInvalidator;
}

function isClass(given: unknown): given is InvalidatorClass<boolean> {
  return typeof given === 'function' && (hasInvalidate(given.prototype) || /^class\b/.test(sourceOf(given)));
}

function hasInvalidate(object: unknown): object is Invalidating {
  return typeof (object as Partial<Invalidating> | undefined)?.invalidate === 'function';
}

function sourceOf(given: Function): string {
  return Function.prototype.toString.call(given);
}

/** The problem with the value of the option `invalidator`, and its correction; `undefined` if it is valid. */
export function invalidatorProblem(given: unknown): string | undefined {
  const example = `(cached, change) => cached.deleteByPrefix({ user: change.id })`;
  if (typeof given !== 'function')
    return `invalidator is ${String(given)}. Write a function, ${example}, or a class with a method invalidate.`;
  if (!isClass(given) || hasInvalidate(given.prototype)) return undefined;
  return `the invalidator ${given.name} has no method invalidate. Write invalidate(cached, change) { … } in the class, or a function: ${example}.`;
}

/** Returns the function that a rule calls: the given one, or the method `invalidate` of the given class's provider. */
export function bindInvalidator(
  given: unknown,
  where: string,
  resolve: ResolveInvalidator,
): BoundInvalidator | undefined {
  if (given === undefined || !isClass(given)) return given as BoundInvalidator | undefined;
  const instance = resolve(given, where);
  if (!hasInvalidate(instance)) {
    throw new CacheConfigurationError(
      'INVALIDATOR',
      `${where} has the invalidator ${given.name}, but its provider returns an object without a method invalidate. Provide the class itself: ` +
        `providers: [${given.name}].`,
    );
  }
  return (cached, change) => instance.invalidate(cached, change);
}

/** Finds invalidators among instances that the caller created, for use outside of Nest. */
export function invalidatorsAmong(instances: readonly object[]): ResolveInvalidator {
  return (type, where) => {
    const found = instances.find((instance) => instance instanceof type);
    if (found !== undefined) return found;
    throw new CacheConfigurationError(
      'INVALIDATOR',
      `${where} has the invalidator ${type.name}, of which attachInvalidation() got no instance. Write ` +
        `attachInvalidation(dataSource, { invalidators: [new ${type.name}(…)], … }).`,
    );
  };
}
