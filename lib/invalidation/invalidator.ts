import { CacheConfigurationError } from '../common/errors.js';
import type { MaybePromise } from '../stores/store.interface.js';
import type { Change } from './change.interface.js';

/**
 * What a custom invalidator may drop of the method its rule stands on. It records: what it names becomes tags, which
 * every process and dispatcher handles like those of any other rule.
 *
 * @publicApi
 */
export interface InvalidationHandle {
  /** Name of the method, e.g. `UsersService.find`. */
  readonly name: string;
  /** Drops the partition with these values. */
  deleteByPrefix(values: Readonly<Record<string, unknown>>): void;
  /** Drops everything the method cached. */
  invalidateAll(): void;
  /** Drops everything that carries one of these tags of yours. */
  invalidateTags(tags: readonly string[]): void;
}

/**
 * A change as custom invalidators and listeners see it.
 *
 * @publicApi
 */
export interface EntityChange {
  /** Its class; `undefined` for tables without one. */
  readonly entity: Function | undefined;
  /** Its name in TypeORM. */
  readonly entityName: string;
  /** What was done to the row. */
  readonly type: Change['type'];
  /** The primary key: a value, or an object where there are several; `undefined` if the rows are unknown. */
  readonly id: unknown;
  /** The row before, as far as it is known; `null` if it did not exist, `undefined` if the rows are unknown. */
  readonly before: Readonly<Record<string, unknown>> | null | undefined;
  /** The row now; `null` if it is gone, `undefined` if the rows are unknown. */
  readonly after: Readonly<Record<string, unknown>> | null | undefined;
  /** Properties that an update wrote; `undefined` where that is unknown, or it was no update. */
  readonly updatedColumns: readonly string[] | undefined;
}

/**
 * What an invalidator is told: one change or, with `batch: true`, all changes of its entity in a transaction.
 *
 * @publicApi
 */
export type InvalidatorChange<Batch extends boolean> = Batch extends true
  ? readonly EntityChange[]
  : EntityChange;

/**
 * Decides what a change drops. If it throws, everything the method cached is dropped.
 *
 * @publicApi
 */
export type Invalidator<Batch extends boolean = false> = (
  cached: InvalidationHandle,
  change: InvalidatorChange<Batch>,
) => MaybePromise<void>;

/**
 * An invalidator that needs other providers: a class that is a provider itself, and a singleton.
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
  /** Says on the handle what the change drops. If it throws, everything the method cached is dropped. */
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

/** An invalidator as a rule calls it, whatever it was given as. */
export type BoundInvalidator = Invalidator<boolean>;

/** Finds the instance of an invalidator's class. @throws CacheConfigurationError where there is none */
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

/** What is wrong with what was given as `invalidator`, and what to write; `undefined` where nothing is. */
export function invalidatorProblem(given: unknown): string | undefined {
  const example = `(cached, change) => cached.deleteByPrefix({ user: change.id })`;
  if (typeof given !== 'function')
    return `invalidator is ${String(given)}. Write a function, ${example}, or a class with a method invalidate.`;
  if (!isClass(given) || hasInvalidate(given.prototype)) return undefined;
  return `the invalidator ${given.name} has no method invalidate. Write invalidate(cached, change) { … } in the class, or a function: ${example}.`;
}

/** The function that a rule calls: the one it was given, or the method of the provider whose class it was given. */
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
      `${where} has the invalidator ${given.name}, whose provider is no such class: it has no method invalidate.`,
    );
  }
  return (cached, change) => instance.invalidate(cached, change);
}

/** Outside of Nest: the instances that were made by hand. */
export function invalidatorsAmong(instances: readonly object[]): ResolveInvalidator {
  return (type, where) => {
    const found = instances.find((instance) => instance instanceof type);
    if (found !== undefined) return found;
    throw new CacheConfigurationError(
      'INVALIDATOR',
      `${where} has the invalidator ${type.name}, which Nest would provide. Outside of Nest write ` +
        `attachInvalidation(dataSource, { invalidators: [new ${type.name}(…)], … }).`,
    );
  };
}
