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
