import { createHash } from 'node:crypto';
import { CacheConfigurationError } from '../../common/errors.js';
import {
  assertRuleOptions,
  type BatchRuleOptions,
  type EntityClass,
  type EntityReference,
  type InvalidationRuleOptions,
  invalidRule,
  type RuleOptions,
} from './rule-options.js';
import type { Invalidator, InvalidatorClass } from '../invalidator.js';
import { describe, stableText } from '../../common/messages.js';

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
      `invalidates() was given ${describe(options)} for options. Write invalidates(Entity, { fieldMapping: { user: 'id' } }), ` +
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
