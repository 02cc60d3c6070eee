import type { RuleReport } from '../../cache/cache-report.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { CacheConfigurationError } from '../../common/errors.js';
import { DefaultKeyConstructor, ResponseCacheKeyConstructor, type Spelling } from '../../keys/index.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { Change } from '../change.interface.js';
import type { BoundInvalidator } from '../invalidator.js';
import { type InvalidationRule, resolveEntity } from './invalidation-rule.js';
import type { EntityClass, RuleOptions } from './rule-options.js';

/** A rule bound to its cached method. Its mapping is checked: each name is a partition field of the method's key. */
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
    readonly invalidator?: BoundInvalidator,
    private readonly spellingOf: (entity: EntityClass | string, path: string) => Spelling = () => 'unknown',
  ) {
    this.entity = resolveEntity(rule.options.entity);
    this.entityName = rule.entityName;
    this.id = rule.identity(target.name);
    this.mode = rule.options.mode ?? 'purge';
    this.mappedFields = this.#bindFields(rule.options);
    this.options = this.#withMappedNames(rule.options);
  }

  partitionTag(values: Readonly<Record<string, unknown>>): string {
    return this.target.partitionTag(this.byField(values));
  }

  anySpellingTag(values: Readonly<Record<string, unknown>>): string {
    return this.target.anySpellingTag(Object.keys(this.byField(values)));
  }

  /** Renames mapped values to partition fields: a mapping may name the argument that a field reads. */
  byField(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const { key } = this.target;
    const named = Object.entries(values).map(
      ([name, value]) =>
        [this.mappedFields.get(name) ?? key.resolvePartitionField(name) ?? name, value] as const,
    );
    return Object.fromEntries(named);
  }

  /** True if the entries it drops are computed again. */
  get rewarms(): boolean {
    return this.options.rewarm === true;
  }

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

  /** `requireArgs` may name a field or the argument that it reads: rewrites it to the names that the mapping uses. */
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
    if (typeof fieldMapping === 'function') this.target.key.watchSpellings(undefined, () => 'unknown');
    if (fieldMapping === undefined || typeof fieldMapping === 'function') return new Map();
    const fields = new Map(Object.keys(fieldMapping).map((name) => [name, this.#partitionField(name)]));
    this.target.key.addSubset([...fields.values()]);
    const paths = new Map([...fields].map(([name, field]) => [field, fieldMapping[name as never] as string]));
    this.target.key.watchSpellings([...fields.values()], (field) =>
      this.spellingOf(this.entity, paths.get(field)!),
    );
    return fields;
  }

  #partitionField(name: string): string {
    const field = this.target.key.resolvePartitionField(name);
    if (field !== undefined) return field;
    const known = this.target.key.partitionFields;
    throw new CacheConfigurationError(
      'INVALIDATION_FIELD',
      `The rule of ${this.target.name} on ${this.entityName} maps '${name}', which is not a partition field of its key. ` +
        (known.length > 0
          ? `Its partition fields are: ${known.join(', ')}.`
          : `It has none: ${this.#partitionAdvice(name)}, or write scope: 'all'.`),
    );
  }

  /** The lines that make a partition field: a method may have no keyConstructor to change. */
  #partitionAdvice(name: string): string {
    const { kind, keyConstructor } = this.target.definition;
    if (keyConstructor !== DefaultKeyConstructor && keyConstructor !== ResponseCacheKeyConstructor)
      return 'mark the field { partition: true } in its keyConstructor';
    return kind === 'result'
      ? `write keyConstructor: { ${name}: new ArgsKeyField('${name}', { partition: true }) } beside invalidatesOn`
      : `write keyConstructor: ArticleKey beside invalidatesOn, with class ArticleKey extends ResponseCacheKeyConstructor { ` +
          `${name} = new QueryParamsKeyField('${name}', { partition: true }) }`;
  }

  #noEffectError(): CacheConfigurationError {
    return new CacheConfigurationError(
      'INVALIDATION_RULE',
      `The rule of ${this.target.name} on ${this.entityName} does not say which entries a change drops. Write one of: ` +
        `fieldMapping: { partitionField: 'path.on.the.entity' }, scope: 'all' to drop all entries of the method, or ` +
        `invalidator: (cached, change) => … to decide in code.`,
    );
  }
}

/** A rule that changes are matched with: a {@link BoundRule} of this process, or a `RemoteRule` of another one. */
export interface ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entityName: string;
  /** Name of a dispatcher of this process. */
  readonly dispatcher: string;
  /** The custom invalidator as a function. */
  readonly invalidator?: BoundInvalidator | undefined;
  /** The cached method. */
  readonly target: { readonly name: string; readonly methodTag: string };
  /** Paths that are read from the database if a change does not carry them. */
  readonly lookups: readonly string[];
  /** The tags that a change drops, of a rule without partitions. */
  tagsOf?(change: Change): readonly string[];
  /** The tag of the partition with these mapped values. @throws PartitionError for a subset that was not declared */
  partitionTag(values: Readonly<Record<string, unknown>>): string;
  /** The tag of entries whose readers spelled these fields in an unusual way, so that their partition is not known. */
  anySpellingTag(values: Readonly<Record<string, unknown>>): string;
}
