import { CacheConfigurationError } from '../../common/errors.js';
import { describeOption, isBoolean, isText, type OptionTypes } from '../../common/options.js';
import { isMode, type InvalidationMode } from '../../stores/store.interface.js';
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

const OPTIONS = new Set<string>([
  'entity',
  'name',
  'fieldMapping',
  'scope',
  'requireArgs',
  'watchFields',
  'invalidateWhen',
  'triggerOnCreate',
  'invalidator',
  'mode',
  'eager',
  'lookup',
  'rewarm',
  'dispatcher',
  'dispatcherConfig',
  'raiseException',
  'batch',
] satisfies (keyof InvalidationRuleOptions)[]);

/** @throws CacheConfigurationError for options that are unknown, or contradict each other */
export function assertRuleOptions(options: RuleOptions): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidRule(
      `${describeOption(options)} is no rule. Write invalidates(Entity, { fieldMapping: { … } }) or the entity class.`,
    );
  }
  const { entity, fieldMapping, scope, invalidator, mode } = options;
  if (typeof entity !== 'function' && !isText(entity)) {
    throw invalidRule(
      `entity is ${describeOption(entity)}. Write the entity class, () => Class, or its name. An undefined class is ` +
        `usually a circular import: () => Class resolves it later.`,
    );
  }
  const unknown = Object.keys(options).filter((name) => !OPTIONS.has(name));
  if (unknown.length > 0)
    throw invalidRule(`unknown option ${unknown.join(', ')}. Known are: ${[...OPTIONS].join(', ')}.`);
  const targets = Object.entries({ fieldMapping, scope, invalidator }).filter(
    ([, value]) => value !== undefined,
  );
  if (targets.length > 1) {
    throw invalidRule(
      `${targets.map(([name]) => name).join(' and ')} exclude each other: each says what to drop. Keep one.`,
    );
  }
  if (scope !== undefined && scope !== 'all')
    throw invalidRule(`scope is ${describeOption(scope)}. The only scope is 'all'.`);
  if (mode !== undefined && !isMode(mode)) {
    throw invalidRule(`mode is ${describeOption(mode)}. Write 'purge' (the default) or 'expire'.`);
  }
  const problem = invalidator === undefined ? undefined : invalidatorProblem(invalidator);
  if (problem !== undefined) throw invalidRule(problem);
  assertTypes(options);
  assertConditions(options.invalidateWhen);
  if (options.lookup === true && typeof fieldMapping !== 'object') {
    throw invalidRule(
      `lookup: true reads the paths of a fieldMapping, and there is none. Write fieldMapping: { field: 'path' }, or leave lookup out.`,
    );
  }
  assertMapping(fieldMapping);
}

const isList = (value: unknown): boolean => Array.isArray(value) && value.every(isText);

const SWITCH = [isBoolean, 'true or false'] as const;

/** What the options must be of which nothing more is asked. */
const TYPES: Readonly<Partial<Record<keyof RuleOptions, OptionTypes[string]>>> = {
  batch: SWITCH,
  rewarm: SWITCH,
  eager: SWITCH,
  lookup: SWITCH,
  triggerOnCreate: SWITCH,
  raiseException: SWITCH,
  name: [isText, `a text that is not empty, e.g. 'user-by-id'`],
  requireArgs: [
    (value) => isBoolean(value) || isList(value),
    `true, false or a list of field names: ['user']`,
  ],
  watchFields: [isList, `a list of columns and relations: ['email']`],
  dispatcher: [
    (value) => isText(value) || typeof value === 'function',
    `the name of a dispatcher, e.g. 'background', or its class`,
  ],
  dispatcherConfig: [
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    `an object of settings: { queue: 'cache' }`,
  ],
};

function assertTypes(options: RuleOptions): void {
  for (const [name, [isRight, words]] of Object.entries(TYPES)) {
    const value: unknown = options[name as keyof RuleOptions];
    if (value !== undefined && !isRight(value))
      throw invalidRule(`${name} is ${describeOption(value)}. Write ${words}.`);
  }
}

function assertMapping(mapping: unknown): void {
  if (mapping === undefined || typeof mapping === 'function') return;
  if (typeof mapping !== 'object' || mapping === null || Array.isArray(mapping)) {
    throw invalidRule(
      `fieldMapping is ${describeOption(mapping)}. Write { user: 'id' }: a partition field, and its path on the entity.`,
    );
  }
  if (Object.keys(mapping).length === 0) {
    throw invalidRule(
      `fieldMapping is empty. Map a partition field to a path of the entity, or write scope: 'all'.`,
    );
  }
  for (const [field, path] of Object.entries(mapping)) {
    if (isText(path) && path.split('.').every((step) => step !== '')) continue;
    throw invalidRule(
      `fieldMapping maps '${field}' to ${describeOption(path)}. Write a property of the entity, 'id', or a path through a relation, ` +
        `'author.id'; to compute it, a function in place of the mapping: (user) => ({ ${field}: user.id }).`,
    );
  }
}

/** What no row is ever equal to would keep the rule from firing. */
function assertConditions(conditions: unknown): void {
  if (conditions === undefined) return;
  if (typeof conditions !== 'object' || conditions === null || Array.isArray(conditions))
    throw invalidRule(
      `invalidateWhen is ${describeOption(conditions)}. Write { status: 'published' }; to decide by code, write an invalidator.`,
    );
  for (const [path, wanted] of Object.entries(conditions)) {
    const code = [wanted].flat().find((one) => typeof one === 'function' || one instanceof RegExp);
    if (code !== undefined)
      throw invalidRule(
        `invalidateWhen asks '${path}' for ${describeOption(code)}. Write a value, or a list of values; to decide by code, write an invalidator.`,
      );
  }
}

export function invalidRule(message: string): CacheConfigurationError {
  return new CacheConfigurationError('INVALIDATION_RULE', message);
}

/** Name of the dispatcher that runs in the process that saw the change. */
export const INLINE = 'inline';
