import type { KeySpace } from '../../cache/key-space.js';
import { writePartition } from '../../keys/index.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { ActiveRule } from './bound-rule.js';

import { keyOf, type ManifestRule } from './manifest-rule.js';
import type { RuleOptions } from './rule-options.js';

/** A rule on a method that another process caches: what that process told of it. */
export class RemoteRule implements ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entityName: string;
  readonly tables: readonly string[];
  readonly target: ActiveRule['target'];
  readonly lookups: readonly string[];
  readonly #partitionPrefix: string;

  /** @param dispatcher one that is there */
  constructor(
    private readonly told: ManifestRule,
    private readonly space: KeySpace,
    readonly dispatcher: string,
    options: Partial<RuleOptions> = {},
  ) {
    const { name, method, entity, tables, mode, partition } = told;
    this.id = `${name}#${keyOf(told).slice(0, 8)}`;
    this.options = { ...optionsOf(told), ...options };
    this.mode = mode;
    this.entityName = entity;
    this.tables = tables;
    this.target =
      method === undefined
        ? { name: 'everything', methodTag: space.allTag }
        : { name: method, methodTag: space.methodTag(method) };
    this.lookups = partition?.lookup === true ? Object.values(partition.paths) : [];
    this.#partitionPrefix = space.partitionPrefix(method ?? '');
  }

  partitionTag(values: Readonly<Record<string, unknown>>): string {
    return this.#partitionPrefix + writePartition(this.told.partition!.shape, values);
  }

  /**
   * The rule as it is meant for an entity of this process, whose properties may have other names: where one that it
   * watches is not known, any may be meant.
   */
  on(knows: (path: string) => boolean): RemoteRule {
    const watched = this.options.watchFields as readonly string[] | undefined;
    if (watched?.every(knows) !== false) return this;
    return new RemoteRule(this.told, this.space, this.dispatcher, { watchFields: undefined as never });
  }
}

function optionsOf(told: ManifestRule): RuleOptions {
  const { partition, watchFields, invalidateWhen, dispatcherConfig } = told;
  return {
    entity: told.entity,
    mode: told.mode,
    eager: told.eager,
    triggerOnCreate: told.triggerOnCreate,
    ...(watchFields && { watchFields: watchFields as never }),
    ...(invalidateWhen && { invalidateWhen }),
    ...(dispatcherConfig && { dispatcherConfig }),
    ...(partition === undefined
      ? { scope: 'all' as const }
      : { fieldMapping: partition.paths as never, requireArgs: partition.requireArgs }),
  };
}
