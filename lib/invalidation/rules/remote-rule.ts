import type { KeySpace } from '../../cache/key-space.js';
import { anySpelling, writePartition } from '../../keys/index.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { ActiveRule } from './bound-rule.js';

import { keyOf, type ManifestRule } from './manifest-rule.js';
import type { RuleOptions } from './rule-options.js';

/** A rule of another process, made from its description in the manifest. */
export class RemoteRule implements ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entityName: string;
  readonly tables: readonly string[];
  readonly target: ActiveRule['target'];
  readonly lookups: readonly string[];
  readonly #partitionPrefix: string;

  /** @param dispatcher name of a dispatcher of this process */
  constructor(
    private readonly description: ManifestRule,
    private readonly space: KeySpace,
    readonly dispatcher: string,
    options: Partial<RuleOptions> = {},
  ) {
    const { name, method, entity, tables, mode, partition } = description;
    this.id = `${name}#${keyOf(description).slice(0, 8)}`;
    this.options = { ...optionsOf(description), ...options };
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
    return this.#partitionPrefix + writePartition(this.description.partition!.shape, values);
  }

  anySpellingTag(values: Readonly<Record<string, unknown>>): string {
    return this.#partitionPrefix + anySpelling(Object.keys(values));
  }

  /**
   * Adapts the rule to a local entity, whose properties may have other names: if it lacks a watched property, all are watched.
   */
  on(knows: (path: string) => boolean): RemoteRule {
    const watched = this.options.watchFields as readonly string[] | undefined;
    if (watched?.every(knows) !== false) return this;
    return new RemoteRule(this.description, this.space, this.dispatcher, { watchFields: undefined as never });
  }
}

function optionsOf(description: ManifestRule): RuleOptions {
  const { entity, mode, eager, triggerOnCreate } = description;
  const { partition, watchFields, invalidateWhen, dispatcherConfig } = description;
  return {
    entity,
    mode,
    eager,
    triggerOnCreate,
    ...(watchFields && { watchFields: watchFields as never }),
    ...(invalidateWhen && { invalidateWhen }),
    ...(dispatcherConfig && { dispatcherConfig }),
    ...(partition === undefined
      ? { scope: 'all' as const }
      : { fieldMapping: partition.paths as never, requireArgs: partition.requireArgs }),
  };
}
