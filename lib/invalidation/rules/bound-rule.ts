import type { RuleReport } from '../../cache/cache-report.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { CacheConfigurationError } from '../../common/errors.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { BoundInvalidator } from '../invalidator.js';
import { type InvalidationRule, resolveEntity } from './invalidation-rule.js';
import type { EntityClass, RuleOptions } from './rule-options.js';

/** A rule on the cached method it stands on, checked: its mapping names partitions that can be dropped. */
export class BoundRule implements ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entity: EntityClass | string;
  readonly entityName: string;
  /** `fieldMapping` names → partition fields of the key; empty for functions and rules without a mapping. */
  readonly mappedFields: ReadonlyMap<string, string>;

  constructor(
    rule: InvalidationRule,
    readonly target: MethodTarget,
    readonly dispatcher: string,
    /** The custom invalidator, ready to be called. */
    readonly invalidator?: BoundInvalidator,
  ) {
    this.entity = resolveEntity(rule.options.entity);
    this.entityName = rule.entityName;
    this.id = rule.identity(target.name);
    this.mode = rule.options.mode ?? 'purge';
    this.mappedFields = this.#bindFields(rule.options);
    this.options = this.#withMappedNames(rule.options);
  }

  /** The tag of the partition that a mapping gave. @throws PartitionError for a subset that was not declared */
  partitionTag(values: Readonly<Record<string, unknown>>): string {
    return this.target.partitionTag(this.byField(values));
  }

  /** Values by the names of partition fields, where a mapping names arguments. */
  byField(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const { key } = this.target;
    const named = Object.entries(values).map(
      ([name, value]) =>
        [this.mappedFields.get(name) ?? key.resolvePartitionField(name) ?? name, value] as const,
    );
    return Object.fromEntries(named);
  }

  /** Whether what it drops is computed anew. */
  get rewarms(): boolean {
    return this.options.rewarm === true;
  }

  /** The paths to be read from the database where a change does not carry them. */
  get lookups(): readonly string[] {
    const { lookup, fieldMapping } = this.options;
    return lookup === true ? Object.values(fieldMapping as Readonly<Record<string, string>>) : [];
  }

  report(): RuleReport {
    const { scope, invalidator } = this.options;
    const drops =
      scope === 'all' ? 'all' : invalidator !== undefined ? 'invalidator' : [...this.mappedFields.values()];
    return {
      id: this.id,
      entity: this.entityName,
      mode: this.mode,
      dispatcher: this.dispatcher,
      drops,
      ...(this.rewarms && { rewarm: true }),
    };
  }

  /** `requireArgs` may name a field, or the argument that it reads: here it names what the mapping does. */
  #withMappedNames(options: RuleOptions): RuleOptions {
    const { requireArgs } = options;
    if (!Array.isArray(requireArgs)) return options;
    const names = new Map([...this.mappedFields].map(([name, field]) => [field, name]));
    const mapped = (requireArgs as readonly string[]).map((name) => {
      const field = this.mappedFields.has(name) ? undefined : this.target.key.resolvePartitionField(name);
      return (field !== undefined && names.get(field)) || name;
    });
    return { ...options, requireArgs: mapped };
  }

  #bindFields({ fieldMapping, scope, invalidator }: RuleOptions): ReadonlyMap<string, string> {
    if (fieldMapping === undefined && scope === undefined && invalidator === undefined)
      throw this.#noEffectError();
    if (fieldMapping === undefined || typeof fieldMapping === 'function') return new Map();
    const fields = new Map(Object.keys(fieldMapping).map((name) => [name, this.#partitionField(name)]));
    this.target.key.addSubset([...fields.values()]);
    return fields;
  }

  #partitionField(name: string): string {
    const field = this.target.key.resolvePartitionField(name);
    if (field !== undefined) return field;
    const known = this.target.key.partitionFields;
    throw new CacheConfigurationError(
      'INVALIDATION_FIELD',
      `The rule of ${this.target.name} on ${this.entityName} maps '${name}', which is no partition field of its key. ` +
        (known.length > 0
          ? `Its partition fields are: ${known.join(', ')}.`
          : `It has none: mark the field { partition: true } in its keyConstructor, or write scope: 'all'.`),
    );
  }

  #noEffectError(): CacheConfigurationError {
    return new CacheConfigurationError(
      'INVALIDATION_RULE',
      `The rule of ${this.target.name} on ${this.entityName} does not say what a change drops. Write one of: ` +
        `fieldMapping: { partitionField: 'path.on.the.entity' }, scope: 'all' to drop everything the method cached, or ` +
        `invalidator: (cached, change) => … to decide yourself.`,
    );
  }
}

/** A rule that changes are matched with: one of a method that is cached here, or in another process. */
export interface ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entityName: string;
  /** The name of a dispatcher that is there. */
  readonly dispatcher: string;
  /** The custom invalidator, ready to be called. */
  readonly invalidator?: BoundInvalidator | undefined;
  /** The cached method. */
  readonly target: { readonly name: string; readonly methodTag: string };
  /** The paths to be read from the database where a change does not carry them. */
  readonly lookups: readonly string[];
  /** The tag of the partition that a mapping gave. @throws PartitionError for a subset that was not declared */
  partitionTag(values: Readonly<Record<string, unknown>>): string;
}
