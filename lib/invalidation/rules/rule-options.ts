import { CacheConfigurationError } from '../../common/errors.js';
import { describe } from '../../common/messages.js';
import {
  checkOptions,
  flag,
  isBoolean,
  isRecord,
  isText,
  isTextList,
  oneOf,
  type OptionTable,
  parsed,
} from '../../common/options.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import { type Invalidator, type InvalidatorClass, invalidatorProblem } from '../invalidator.js';

/**
 * A class with instances of type `E`; entities may be abstract.
 *
 * @publicApi
 */
export type EntityClass<E extends object = object> = abstract new (...args: never[]) => E;

/**
 * An entity: its class, a function that returns it (for circular imports), or its name.
 *
 * @publicApi
 */
export type EntityReference<E extends object = object> = EntityClass<E> | (() => EntityClass<E>) | string;

/**
 * A property of an entity, or a dotted path through a relation or embedded column.
 *
 * @publicApi
 */
export type EntityPath<E> = (keyof E & string) | `${keyof E & string}.${string}`;

/** In a mapping: the id of the DataSource that the change was made through. */
export const DATA_SOURCE_PATH = '@dataSource';

/**
 * Path of the value on the entity, or `'@dataSource'`, the id of its DataSource, by name of the key field or argument; or a function that returns the values.
 *
 * @publicApi
 */
export type FieldMapping<E> =
  | Readonly<Record<string, EntityPath<E> | typeof DATA_SOURCE_PATH>>
  | ((entity: E) => Readonly<Record<string, unknown>>);

/**
 * Options of an invalidation rule: which changes fire it, and which entries it drops.
 *
 * @publicApi
 */
export interface InvalidationRuleOptions<E extends object = object, Batch extends boolean = false> {
  /** The entity whose changes fire the rule. */
  entity: EntityReference<E>;
  /** For logs and `cache.status()`. Default: made from the method, the entity and the mapping. */
  name?: string | undefined;
  /** Which partition a changed row belongs to, before and after the change. */
  fieldMapping?: FieldMapping<E> | undefined;
  /** Instead of `fieldMapping`: drops all entries of the method (lists, counts). */
  scope?: 'all' | undefined;
  /**
   * Effect of a mapped value that is known to be null: `false` (the default) drops the null partition, `true` skips the
   * rule, a list of field names skips it if one of them is null. A field that is not mapped does not count as null.
   */
  requireArgs?: boolean | readonly string[] | undefined;
  /** Updates fire the rule only if one of these columns or relations changed. */
  watchFields?: readonly EntityPath<E>[] | undefined;
  /**
   * The rule fires only for rows that match all of these, before or after the change; a leading `!` negates, a list
   * means any of, a column that holds a list matches by any member, and an unknown value counts as a match.
   */
  invalidateWhen?: Readonly<Record<string, unknown>> | undefined;
  /** True if inserts fire the rule. Default `true` (drf-restflow's is `false`): an upsert looks like an insert. */
  triggerOnCreate?: boolean | undefined;
  /**
   * Instead of `fieldMapping` and `scope`: code that decides which entries to drop. A function, or the class of a provider
   * with a method `invalidate`.
   */
  invalidator?: Invalidator<Batch> | InvalidatorClass<Batch> | undefined;
  /** `purge` (default), or `expire`: dropped entries may be served as stale while they reload. */
  mode?: InvalidationMode | undefined;
  /** `false` leaves the invalidation to the dispatcher instead of doing it at commit. Default `true`. */
  eager?: boolean | undefined;
  /**
   * `true` reads mapped paths that a change does not carry (a relation that was not loaded, a column that was not selected)
   * from the database, through the query runner of the change, instead of dropping everything. Default `false`.
   */
  lookup?: boolean | undefined;
  /**
   * `true` computes dropped entries again and stores them, in the process where the dispatcher runs. The arguments of a method
   * follow from the mapped partition values; a handler names its requests with `rewarmRequest`. If neither is known, the entries
   * stay dropped and the log says why. Default `false`.
   */
  rewarm?: boolean | undefined;
  /** Name or class of the dispatcher. Default: the module's `defaultDispatcher`. */
  dispatcher?: string | (abstract new (...args: never[]) => unknown) | undefined;
  /** Settings of the dispatcher for this rule alone. */
  dispatcherConfig?: Readonly<Record<string, unknown>> | undefined;
  /** True if a failing rule or dispatcher rejects the write. Default: the dispatcher's setting, then the module's. */
  raiseException?: boolean | undefined;
  /**
   * `true` handles the changes of a transaction together. A custom invalidator is called once, with all changes; jobs of such
   * rules with the same dispatcher, configuration and mode become one job, which is retried as a whole. Default `false`.
   */
  batch?: Batch | undefined;
}

/**
 * One of the options that say which entries a change drops: a rule without any is an error.
 *
 * @publicApi
 */
export type RuleEffect<E extends object = object> =
  { fieldMapping: FieldMapping<E> } | { scope: 'all' } | { invalidator: unknown };

/**
 * Options of a rule whose invalidator receives all changes of a transaction at once.
 *
 * @publicApi
 */
export interface BatchRuleOptions<E extends object = object> extends InvalidationRuleOptions<E, true> {
  batch: true;
}

/** The options of a rule, with or without `batch`. */
export type RuleOptions = Readonly<InvalidationRuleOptions<object, boolean>>;

const OPTIONS: OptionTable<InvalidationRuleOptions<object, boolean>> = {
  rows: {
    entity: [
      (value) => typeof value === 'function' || isText(value),
      'the entity class, () => Class, or its name. An undefined class is usually a circular import: () => Class resolves it later',
    ],
    name: [isText, `a text that is not empty, e.g. 'user-by-id'`],
    fieldMapping: [
      (value) => isRecord(value) || typeof value === 'function',
      `{ user: 'id' }: a partition field, and its path on the entity`,
    ],
    scope: [(value) => value === 'all', `'all', the only scope`],
    requireArgs: [
      (value) => isBoolean(value) || isTextList(value),
      `true, false or a list of field names: ['user']`,
    ],
    watchFields: [isTextList, `a list of columns and relations: ['email']`],
    invalidateWhen: [isRecord, `{ status: 'published' }; to decide in code, write an invalidator`],
    triggerOnCreate: flag,
    invalidator: parsed,
    mode: oneOf(['purge', 'expire']),
    eager: flag,
    lookup: flag,
    rewarm: flag,
    dispatcher: [
      (value) => isText(value) || typeof value === 'function',
      `the name of a dispatcher, e.g. 'background', or its class`,
    ],
    dispatcherConfig: [isRecord, `an object of settings: { queue: 'cache' }`],
    raiseException: flag,
    batch: flag,
  },
  example: `invalidates(Entity, { fieldMapping: { … } }) or the entity class`,
  required: ['entity'],
  exclusive: [
    {
      names: ['fieldMapping', 'scope', 'invalidator'],
      advice: 'Each decides which entries to drop. Keep one.',
    },
  ],
  error: invalidRule,
};

/** @throws CacheConfigurationError for options that are unknown, of the wrong type, or contradict each other */
export function assertRuleOptions(options: RuleOptions): void {
  checkOptions(OPTIONS, options, '');
  const { fieldMapping, invalidator, invalidateWhen, lookup } = options;
  const problem = invalidator === undefined ? undefined : invalidatorProblem(invalidator);
  if (problem !== undefined) throw invalidRule(problem);
  assertConditions(invalidateWhen);
  if (lookup === true && typeof fieldMapping !== 'object') {
    throw invalidRule(
      `lookup: true reads the paths of a fieldMapping, and the rule has none. Write fieldMapping: { field: 'path' }, or remove lookup.`,
    );
  }
  if (typeof fieldMapping === 'object') assertMapping(fieldMapping);
}

function assertMapping(mapping: object): void {
  if (Object.keys(mapping).length === 0) {
    throw invalidRule(
      `fieldMapping is empty. Map a partition field to a path of the entity, or write scope: 'all'.`,
    );
  }
  for (const [field, path] of Object.entries(mapping)) {
    if (isText(path) && path.split('.').every((step) => step !== '')) continue;
    throw invalidRule(
      `fieldMapping maps '${field}' to ${describe(path)}. Write a property of the entity, 'id', or a path through a relation, ` +
        `'author.id'; to compute it, a function in place of the mapping: (user) => ({ ${field}: user.id }).`,
    );
  }
}

/** Refuses functions and regular expressions: no row equals them, so the rule would never fire. */
function assertConditions(conditions: RuleOptions['invalidateWhen'] = {}): void {
  for (const [path, wanted] of Object.entries(conditions)) {
    const code = [wanted].flat().find((one) => typeof one === 'function' || one instanceof RegExp);
    if (code !== undefined)
      throw invalidRule(
        `invalidateWhen compares '${path}' with ${describe(code)}. Write a value, or a list of values; to decide in code, write an invalidator.`,
      );
  }
}

export function invalidRule(message: string): CacheConfigurationError {
  return new CacheConfigurationError('INVALIDATION_RULE', message);
}

/** Name of the dispatcher that runs jobs in the process that made the change. */
export const INLINE = 'inline';
