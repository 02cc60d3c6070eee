import type { RuleReport } from '../../cache/cache-report.js';
import { CacheConfigurationError } from '../../common/errors.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { readParameters } from '../../keys/index.js';
import { adviseOn, type InstanceProblem } from '../boot-advisor.js';
import { BoundRule } from './bound-rule.js';
import type { EntityCatalogue } from './entity-catalogue.interface.js';
import type { RemoteRule } from './remote-rule.js';
import { bindInvalidator, type ResolveInvalidator } from '../invalidator.js';
import { InvalidationRule } from './invalidation-rule.js';
import type { RuleOptions } from './rule-options.js';

/** Every rule of the application. */
export class RuleRegistry {
  readonly #rules: BoundRule[] = [];
  readonly #bound = new Set<MethodTarget>();
  #remote: readonly RemoteRule[] = [];
  #revision = 0;
  /** Where the tables go that are written while rules of other processes may be missing here; nothing when none is. */
  tablesToMatch: Set<string> | undefined;

  /**
   * @param dispatcherOf the name of the dispatcher that a rule asks for; throws for unknown ones, and for a configuration of it
   * that cannot work
   * @param invalidatorOf the instance of the class that a rule has for its invalidator; throws for unknown ones
   */
  constructor(
    private readonly dispatcherOf: (options: RuleOptions, where: string) => string,
    private readonly invalidatorOf: ResolveInvalidator,
  ) {}

  /**
   * Takes over the rules of a cached method: all of them, or none where one cannot work.
   * @param check throws for rules that are not to be taken
   */
  add(target: MethodTarget, check?: (rules: readonly BoundRule[]) => void): void {
    if (this.#bound.has(target)) return;
    const rules = target.definition.rules
      .filter((rule) => rule instanceof InvalidationRule)
      .map((rule) => this.#bind(rule, target));
    check?.(rules);
    this.#bound.add(target);
    this.#revision++;
    this.#rules.push(...rules);
  }

  #bind(rule: InvalidationRule, target: MethodTarget): BoundRule {
    const where = `The rule of ${target.name} on ${rule.entityName}`;
    const dispatcher = this.dispatcherOf(rule.options, where);
    const invalidator = bindInvalidator(rule.options.invalidator, where, this.invalidatorOf);
    return new BoundRule(this.#complete(rule, target), target, dispatcher, invalidator);
  }

  /** On a method without arguments there is one entry: a rule that says nothing more drops it. */
  #complete(rule: InvalidationRule, { definition, key }: MethodTarget): InvalidationRule {
    const { fieldMapping, scope, invalidator } = rule.options;
    const silent = fieldMapping === undefined && scope === undefined && invalidator === undefined;
    const { names } = readParameters(definition.original);
    const hasArguments = names.length > 0 || key.partitionFields.length > 0;
    return silent && !hasArguments ? new InvalidationRule({ ...rule.options, scope: 'all' }) : rule;
  }

  all(): readonly BoundRule[] {
    return this.#rules;
  }

  /** The rules of methods that other processes cache. */
  get remote(): readonly RemoteRule[] {
    return this.#remote;
  }

  setRemote(rules: readonly RemoteRule[]): void {
    this.#remote = rules;
    this.#revision++;
  }

  /** Another number whenever there are other rules. */
  get revision(): number {
    return this.#revision;
  }

  of(target: MethodTarget): readonly RuleReport[] {
    return this.#rules.filter((rule) => rule.target === target).map((rule) => rule.report());
  }

  /** Looks for rules that are valid, but cannot do what they seem to say. */
  advise(entities: EntityCatalogue, instanceProblem: InstanceProblem = () => undefined): readonly string[] {
    return adviseOn(this.#rules, entities, instanceProblem);
  }
}

/** @throws CacheConfigurationError for the first rule whose entity no data source knows */
export function assertEntities(
  rules: readonly BoundRule[],
  isKnown: (rule: BoundRule) => boolean,
  dataSources: string,
): void {
  const lost = rules.find((rule) => !isKnown(rule));
  if (lost === undefined) return;
  throw new CacheConfigurationError(
    'INVALIDATION_ENTITY',
    `The rule of ${lost.target.name} is on ${lost.entityName}, which ${dataSources}. Add the entity to the DataSource, ` +
      `pass forRoot({ dataSources: [dataSource] }) if Nest does not provide it, or dataSources: false to go without invalidation.`,
  );
}
