import type { RuleReport } from '../../cache/cache-report.js';
import { CacheConfigurationError } from '../../common/errors.js';
import type { KeySpace } from '../../cache/key-space.js';
import type { MethodTarget } from '../../cache/method-target.js';
import { adviseOn, type InstanceProblem } from '../boot-advisor.js';
import { AUTO, AutoRule } from './auto-rule.js';
import { BoundRule } from './bound-rule.js';
import type { EntityCatalogue } from './entity-catalogue.interface.js';
import type { RemoteRule } from './remote-rule.js';
import { bindInvalidator, type ResolveInvalidator } from '../invalidator.js';
import { InvalidationRule } from './invalidation-rule.js';
import type { EntityClass, RuleOptions } from './rule-options.js';
import type { Spelling } from '../../keys/index.js';

/** All rules of the application: those of its cached methods, and those of other processes. */
export class RuleRegistry {
  readonly #rules: BoundRule[] = [];
  readonly #bound = new Set<MethodTarget>();
  #remote: readonly RemoteRule[] = [];
  #auto: AutoRule | undefined;
  #remoteAuto: AutoRule | undefined;
  #revision = 0;
  /** The spelling of the column at a path of an entity. Set by the room that knows the columns. */
  spellingOf: (entity: EntityClass | string, path: string) => Spelling = () => 'unknown';
  /** Collects written tables while rules of other processes have not been read yet; `undefined` afterwards. */
  tablesToMatch: Set<string> | undefined;

  /**
   * @param dispatcherOf returns the name of a rule's dispatcher; throws if it is unknown or refuses the rule's configuration
   * @param invalidatorOf returns the instance of a rule's invalidator class; throws if there is none
   */
  constructor(
    private readonly dispatcherOf: (options: RuleOptions, where: string) => string,
    private readonly invalidatorOf: ResolveInvalidator,
  ) {}

  /**
   * Adds the rules of a cached method: all of them, or none if one is invalid.
   * @param check throws for invalid rules
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
    return new BoundRule(rule, target, dispatcher, invalidator, (entity, path) =>
      this.spellingOf(entity, path),
    );
  }

  all(): readonly BoundRule[] {
    return this.#rules;
  }

  /** The rules of methods that other processes cache. */
  get remote(): readonly RemoteRule[] {
    return this.#remote;
  }

  setRemote(rules: readonly RemoteRule[], space: KeySpace): void {
    this.#remote = rules.filter(({ isAuto }) => !isAuto);
    const auto = rules.find(({ isAuto }) => isAuto);
    this.#remoteAuto = auto && new AutoRule(space, () => auto.dispatcher);
    this.#revision++;
  }

  /** Entries of this process depend on the tables that their loads read. */
  addAuto(space: KeySpace): void {
    if (this.#auto !== undefined) return;
    this.#auto = new AutoRule(space, () => this.dispatcherOf({ entity: AUTO }, `invalidatesOn: '${AUTO}'`));
    this.#revision++;
  }

  /** The rule of such entries, of this process or of others. */
  get auto(): AutoRule | undefined {
    return this.#auto ?? this.#remoteAuto;
  }

  /** The rule of such entries of this process. */
  get ownAuto(): AutoRule | undefined {
    return this.#auto;
  }

  /** Changes whenever the rules change. */
  get revision(): number {
    return this.#revision;
  }

  /** True if some rule of a cached method wants computed anew what it drops. */
  rewarms(target: MethodTarget): boolean {
    return this.#rules.some((rule) => rule.target === target && rule.rewarms);
  }

  of(target: MethodTarget): readonly RuleReport[] {
    const rules = this.#rules.filter((rule) => rule.target === target).map((rule) => rule.report());
    return target.isAuto && this.#auto !== undefined ? [...rules, this.#auto.report()] : rules;
  }

  /** Finds mistakes in valid rules, see {@link adviseOn}. */
  advise(entities: EntityCatalogue, instanceProblem: InstanceProblem = () => undefined): readonly string[] {
    return adviseOn(this.#rules, entities, instanceProblem);
  }
}

/** @throws CacheConfigurationError for the first rule whose entity no DataSource has */
export function assertEntities(
  rules: readonly BoundRule[],
  isKnown: (rule: BoundRule) => boolean,
  dataSources: string,
): void {
  const unknown = rules.find((rule) => !isKnown(rule));
  if (unknown === undefined) return;
  throw new CacheConfigurationError(
    'INVALIDATION_ENTITY',
    `The rule of ${unknown.target.name} is on ${unknown.entityName}, which ${dataSources}. Add the entity to the DataSource, ` +
      `write forRoot({ dataSources: [dataSource] }) if Nest does not provide it, or dataSources: false to use no invalidation.`,
  );
}
