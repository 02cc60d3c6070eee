import { createHash } from 'node:crypto';
import { CacheConfigurationError } from '../../common/errors.js';
import {
  assertRuleOptions,
  type BatchRuleOptions,
  type EntityClass,
  type EntityReference,
  type InvalidationRuleOptions,
  invalidRule,
  type RuleEffect,
  type RuleOptions,
} from './rule-options.js';
import type { Invalidator, InvalidatorClass } from '../invalidator.js';
import { describe, stableText } from '../../common/messages.js';

/**
 * Invalidates the entries of a cached method when an entity changes.
 *
 * @throws CacheConfigurationError for options that contradict each other
 * @example
 * new InvalidationRule({ entity: User, fieldMapping: { user: 'id' } })
 *
 * Source: drf-restflow, InvalidationRule.
 * @publicApi
 */
export class InvalidationRule<E extends object = object> {
  /** The given options, without the entity's type, which TypeScript checks where the rule is written. */
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

  /** A stable identity: equal for the same rule on the same method in every process and build. */
  identity(method: string): string {
    const { name } = this.options;
    const text = stableText([method, { ...this.options, entity: this.entityName }]);
    return `${name ?? `${method}<-${this.entityName}`}#${createHash('sha256').update(text).digest('hex').slice(0, 8)}`;
  }
}

/**
 * Makes a rule whose options are typed by its entity. Equivalent to `new InvalidationRule({ entity, ...options })`.
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
  options:
    | (Omit<InvalidationRuleOptions<E>, 'entity'> & RuleEffect<E>)
    | (Omit<BatchRuleOptions<E>, 'entity'> & RuleEffect<E>),
): InvalidationRule<E> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidRule(
      `invalidates() was given ${describe(options)} for options. Write invalidates(Entity, { fieldMapping: { user: 'id' } }), ` +
        `or invalidates(Entity, { scope: 'all' }).`,
    );
  }
  return prefixErrors(`invalidates(${nameForMessages(entity)})`, () => {
    return new InvalidationRule<E>({ ...options, entity } as InvalidationRuleOptions<E>);
  });
}

/** Does not call `() => Class`: with circular imports the class may not be defined yet. */
function nameForMessages(entity: unknown): string {
  return typeof entity === 'function' ? entity.name || '() => …' : String(entity);
}

/** Prefixes the messages of configuration errors with their place. */
function prefixErrors<T>(where: string, make: () => T): T {
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
 * An item of `invalidatesOn`: a rule, the options of a rule, or only an entity (every change then drops all entries of the
 * method). An invalidator with `batch: true` is typed by {@link invalidates} only.
 *
 * @publicApi
 */
export type InvalidatesOn =
  | InvalidationRule
  | (LiteralOptions & { batch?: false; invalidator?: Invalidator | InvalidatorClass })
  | (LiteralOptions & { batch: true; invalidator?: undefined })
  | EntityReference;

/**
 * The option `invalidatesOn`: `'auto'` (an entry is dropped when a table changes that its load read), rules, or both in one list.
 *
 * @publicApi
 */
export type InvalidatesOnOption = 'auto' | readonly ('auto' | InvalidatesOn)[];

/** Reads the option `invalidatesOn`. */
export function toRules(
  given: InvalidatesOnOption | undefined,
  where: string,
): { readonly rules: readonly InvalidationRule[]; readonly isAuto: boolean | undefined } {
  if (given === undefined || given === 'auto') return { rules: [], isAuto: given && true };
  const items = given.filter((item) => item !== 'auto');
  return { rules: items.map((item) => toRule(item, where)), isAuto: items.length < given.length };
}

/** Makes a rule of an item of `invalidatesOn`. */
export function toRule(item: unknown, where: string): InvalidationRule {
  if (item instanceof InvalidationRule) return item;
  const options =
    typeof item === 'function' || typeof item === 'string'
      ? { entity: item as EntityReference, scope: 'all' as const }
      : (item as InvalidationRuleOptions);
  return prefixErrors(`invalidatesOn of ${where}`, () => new InvalidationRule(options));
}

/** The entities whose changes invalidate a method. */
export function entitiesOf(rules: readonly InvalidationRule[]): readonly (EntityClass | string)[] {
  return rules.map(({ options }) => resolveEntity(options.entity));
}

/** Resolves a reference to its class or name. A class has a prototype, an arrow function does not. */
export function resolveEntity(reference: EntityReference): EntityClass | string {
  if (typeof reference !== 'function' || reference.prototype !== undefined)
    return reference as EntityClass | string;
  const entity: unknown = (reference as () => EntityClass)();
  if (typeof entity === 'function' || typeof entity === 'string') return entity as EntityClass | string;
  throw invalidRule(
    `entity is a function that returns ${String(entity)}. Return the entity class: () => User.`,
  );
}
