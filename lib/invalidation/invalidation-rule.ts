import { createHash } from 'node:crypto';
import type { InvalidationMode } from '../stores/store.interface.js';
import { CacheConfigurationError } from '../cache/errors.js';
import { describeOption } from '../cache/option-types.js';
import { assertRuleOptions, invalidRule } from './assert-rule-options.js';
import type { Invalidator, InvalidatorClass } from './invalidator.interface.js';
import { stableText } from './stable-text.js';

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

/**
 * Key field (or argument) name → where its value stands on the entity.
 *
 * @publicApi
 */
export type FieldMapping<E> =
  Readonly<Record<string, EntityPath<E>>> | ((entity: E) => Readonly<Record<string, unknown>>);

/**
 * When and what a change of an entity invalidates.
 *
 * @publicApi
 */
export interface InvalidationRuleOptions<E extends object = object, Batch extends boolean = false> {
  /** Whose changes fire the rule. */
  entity: EntityReference<E>;
  /** For logs and `cache.status()`. Default: made from the method, the entity and the mapping. */
  name?: string | undefined;
  /** Which partition a changed row belongs to, before and after the change. */
  fieldMapping?: FieldMapping<E> | undefined;
  /** Instead of `fieldMapping`: drop everything the method cached (lists, counts). */
  scope?: 'all' | undefined;
  /**
   * What a mapped value that is known to be null does: `false` (the default) drops the null partition, `true` skips the
   * rule, a list of field names skips it when one of those is null. What the mapping does not give is not null.
   */
  requireArgs?: boolean | readonly string[] | undefined;
  /** Updates fire the rule only if one of these columns or relations changed. */
  watchFields?: readonly EntityPath<E>[] | undefined;
  /**
   * The rule fires only for rows that match all of these, before or after the change; a leading `!` negates, a list
   * means any of, a column that holds a list matches by any member, and what cannot be known counts as a match.
   */
  invalidateWhen?: Readonly<Record<string, unknown>> | undefined;
  /** Whether inserts fire the rule. Default `true` (drf-restflow's is `false`): an upsert looks like an insert. */
  triggerOnCreate?: boolean | undefined;
  /**
   * Instead of `fieldMapping` and `scope`: decides by itself what to drop. A function, or the class of a provider with a
   * method `invalidate`.
   */
  invalidator?: Invalidator<Batch> | InvalidatorClass<Batch> | undefined;
  /** `purge` (default), or `expire`: what was cached may be served as stale while it reloads. */
  mode?: InvalidationMode | undefined;
  /** `false` leaves the invalidation to the dispatcher instead of doing it at commit. Default `true`. */
  eager?: boolean | undefined;
  /**
   * `true` reads mapped paths that a change does not carry (a relation that was not loaded, a column that was not selected)
   * from the database, through the query runner of the change, instead of dropping everything. Default `false`.
   */
  lookup?: boolean | undefined;
  /**
   * `true` computes what was dropped anew and stores it, where its dispatcher runs. A method's arguments follow from the mapped
   * partition values; a handler says what to ask with `rewarmRequest`. What cannot be told stays dropped, and the log says why.
   * Default `false`.
   */
  rewarm?: boolean | undefined;
  /** Name or class of the dispatcher. Default: the module's `defaultDispatcher`. */
  dispatcher?: string | (abstract new (...args: never[]) => unknown) | undefined;
  /** Settings of the dispatcher for this rule alone. */
  dispatcherConfig?: Readonly<Record<string, unknown>> | undefined;
  /** Whether a failing rule or dispatcher rejects the write. Default: the dispatcher's setting, then the module's. */
  raiseException?: boolean | undefined;
  /**
   * `true`: the work of a transaction is done in one go. A custom invalidator is called once, with all changes; jobs of such
   * rules with one dispatcher, configuration and mode are one job, which is tried again as a whole. Default `false`.
   */
  batch?: Batch | undefined;
}

/**
 * The same, of a rule whose invalidator is told all changes of a transaction at once.
 *
 * @publicApi
 */
export interface BatchRuleOptions<E extends object = object> extends InvalidationRuleOptions<E, true> {
  batch: true;
}

/** The options of a rule, whatever its `batch`. */
export type RuleOptions = Readonly<InvalidationRuleOptions<object, boolean>>;

/**
 * Binds what a method cached to the changes of an entity.
 *
 * @throws CacheConfigurationError for options that contradict each other
 * @example
 * new InvalidationRule({ entity: User, fieldMapping: { user: 'id' } })
 *
 * Source: drf-restflow, InvalidationRule.
 * @publicApi
 */
export class InvalidationRule<E extends object = object> {
  /** As they were given; the entity's type is checked where the rule is written and forgotten here. */
  readonly options: RuleOptions;

  constructor(options: InvalidationRuleOptions<E> | BatchRuleOptions<E>) {
    const given = options as object as RuleOptions;
    assertRuleOptions(given);
    this.options = Object.freeze({ ...given });
  }

  /** The entity's name, for logs; a reference by function is resolved. */
  get entityName(): string {
    const entity = resolveEntity(this.options.entity);
    return typeof entity === 'string' ? entity : entity.name;
  }

  /** A stable identity: the same rule on the same method has it in every process and build. */
  identity(method: string): string {
    const { name } = this.options;
    const text = stableText([method, { ...this.options, entity: this.entityName }]);
    return `${name ?? `${method}<-${this.entityName}`}#${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
  }
}

/**
 * A rule, typed on its entity: the same as `new InvalidationRule({ entity, ...options })`.
 *
 * @param entity a class, `() => Class`, or the entity's name
 * @param options see {@link InvalidationRuleOptions}
 * @throws CacheConfigurationError for options that are unknown, of the wrong type, or contradict each other
 * @example
 * @CacheResult({ keyConstructor: UserPayloadKey, invalidatesOn: [invalidates(User, { fieldMapping: { user: 'id' } })] })
 *
 * @publicApi
 */
export function invalidates<E extends object>(
  entity: EntityReference<E>,
  options: Omit<InvalidationRuleOptions<E>, 'entity'> | Omit<BatchRuleOptions<E>, 'entity'>,
): InvalidationRule<E> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidRule(
      `invalidates() was given ${describeOption(options)} for options. Write invalidates(Entity, { fieldMapping: { user: 'id' } }), ` +
        `or invalidates(Entity, { scope: 'all' }).`,
    );
  }
  return within(`invalidates(${nameForMessages(entity)})`, () => {
    return new InvalidationRule<E>({ ...options, entity } as InvalidationRuleOptions<E>);
  });
}

/** A function is not called before the boot: what it returns may not be there yet. */
function nameForMessages(entity: unknown): string {
  return typeof entity === 'function' ? entity.name || '() => …' : String(entity);
}

/** Says where a rule is wrong. */
function within<T>(where: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof CacheConfigurationError)) throw error;
    throw new CacheConfigurationError(error.code, `${where}: ${error.message}`, { cause: error });
  }
}

type LiteralOptions = Omit<InvalidationRuleOptions<never>, 'entity' | 'batch' | 'invalidator'> & {
  entity: EntityReference;
};

/**
 * What `invalidatesOn` accepts: rules, their options, or an entity alone (which drops everything of the method). An
 * invalidator with `batch: true` is typed by {@link invalidates} only.
 *
 * @publicApi
 */
export type InvalidatesOn =
  | InvalidationRule
  | (LiteralOptions & { batch?: false; invalidator?: Invalidator | InvalidatorClass })
  | (LiteralOptions & { batch: true; invalidator?: undefined })
  | EntityReference;

/** Turns what a decorator was given into rules. */
export function toRule(item: unknown, where: string): InvalidationRule {
  if (item instanceof InvalidationRule) return item;
  const options =
    typeof item === 'function' || typeof item === 'string'
      ? { entity: item as EntityReference, scope: 'all' as const }
      : (item as InvalidationRuleOptions);
  return within(`invalidatesOn of ${where}`, () => new InvalidationRule(options));
}

/** The class or name a reference stands for. An arrow function has no prototype; a class has. */
export function resolveEntity(reference: EntityReference): EntityClass | string {
  if (typeof reference !== 'function' || reference.prototype !== undefined)
    return reference as EntityClass | string;
  const entity: unknown = (reference as () => EntityClass)();
  if (typeof entity === 'function' || typeof entity === 'string') return entity as EntityClass | string;
  throw invalidRule(
    `entity is a function that returns ${String(entity)}. Let it return the entity class: () => User.`,
  );
}
