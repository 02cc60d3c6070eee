import { createHash } from 'node:crypto';
import { staleWindow } from '../../cache/engine/call.js';
import type { PartitionShape } from '../../keys/index.js';
import type { InvalidationMode } from '../../stores/store.interface.js';
import type { BoundRule } from './bound-rule.js';

import { isPlainObject, sortMembers } from '../../common/messages.js';
import { INLINE } from './rule-options.js';

/** The serializable part of a rule, with what another process must know of its method. */
export interface ManifestRule {
  /** Name for logs and jobs. */
  readonly name: string;
  /** The cached method. If omitted, a change drops the whole namespace. */
  readonly method?: string;
  readonly entity: string;
  /** Names of the entity's table, if the rule's process knows them. */
  readonly tables: readonly string[];
  /** The ids of the DataSources that have the entity; omitted if nothing tells them apart. */
  readonly dataSources?: readonly string[];
  /** Other tables whose writes change rows of the entity. */
  readonly sources?: readonly ManifestSource[];
  readonly mode: InvalidationMode;
  readonly eager: boolean;
  readonly dispatcher: string;
  readonly dispatcherConfig?: Readonly<Record<string, unknown>>;
  readonly triggerOnCreate: boolean;
  readonly watchFields?: readonly string[];
  readonly invalidateWhen?: Readonly<Record<string, unknown>>;
  /** By path of the rule: its columns in the database. Another process may map the table by a class with other properties. */
  readonly columns?: Readonly<Record<string, readonly string[]>>;
  /** The paths whose values a transformer makes of those of the database. */
  readonly transformed?: readonly string[];
  /** Maps a row to its partition. If omitted, a change drops all entries of the method. */
  readonly partition?: ManifestPartition;
  /** True if it is that of all entries which depend on the tables that their loads read. */
  readonly isAuto?: true;
  /** Longest time that an entry of the method stays in the store, in milliseconds. */
  readonly life: number;
}

/** A table whose writes change rows of a rule's entity: a junction, or a table whose rows take others with them. */
export interface ManifestSource {
  readonly table: string;
  /**
   * `link`: any write on a junction. `remove`: deleted rows, by ON DELETE. `key`: new keys, by ON UPDATE. `truncate`: TRUNCATE …
   * CASCADE.
   */
  readonly by: 'link' | 'remove' | 'key' | 'truncate';
  /** The columns and relations of the entity that change; any if omitted. */
  readonly changes?: readonly string[];
  /** The columns that foreign keys with ON UPDATE refer to. */
  readonly keys?: readonly string[];
  /** Of a junction: its column by the path of the entity that it refers to. */
  readonly columns?: Readonly<Record<string, string>>;
}

export interface ManifestPartition {
  readonly shape: PartitionShape;
  /** Paths on the entity, by partition field. */
  readonly paths: Readonly<Record<string, string>>;
  readonly requireArgs: boolean | readonly string[];
  readonly lookup: boolean;
}

/** The columns in the database that a path of an entity reads. */
export interface PathColumns {
  readonly names: readonly string[];
  readonly isTransformed: boolean;
}

/** What the DataSources of a process know of a rule's entity. */
export interface RuleEntity {
  /** Names of its table. */
  readonly tables: readonly string[];
  readonly sources: readonly ManifestSource[];
  /** Ids of its DataSources; empty if nothing tells them apart. */
  readonly dataSources: readonly string[];
  /** The columns of a path; `undefined` where it leads to other tables. */
  columnsOf(path: string): PathColumns | undefined;
}

const UNKNOWN_ENTITY: RuleEntity = { tables: [], sources: [], dataSources: [], columnsOf: () => undefined };

/** A rule as published to other processes. */
export interface DescribedRule {
  readonly rule: ManifestRule;
  /** Why it drops all entries of its method in other processes; omitted if it does not. */
  readonly widened?: string;
}

/** Longer descriptions are reduced. Characters. */
const MAX_LENGTH = 4_096;
/** Deeper data is taken for circular. */
const MAX_DEPTH = 20;
/** Upper bound of an entry's life, also used for lifetimes that are infinite or decided by a load. */
const MAX_LIFE_MS = 365 * 86_400_000;

/** Describes a rule for other processes. */
export function describeRule(
  rule: BoundRule,
  { tables, sources, dataSources, columnsOf }: RuleEntity = UNKNOWN_ENTITY,
): DescribedRule {
  const { options, target, entityName, mode } = rule;
  const base: ManifestRule = {
    name: options.name ?? `${target.name}<-${entityName}`,
    method: target.name,
    entity: entityName,
    tables: [...tables].sort(),
    ...(dataSources.length > 0 && { dataSources }),
    ...(sources.length > 0 && { sources }),
    mode,
    eager: options.eager !== false,
    triggerOnCreate: options.triggerOnCreate !== false,
    ...serializableDispatcher(rule),
    life: lifeOf(rule),
  };
  const { partition, widened } = partitionOf(rule);
  const watchFields = options.watchFields as readonly string[] | undefined;
  const invalidateWhen = serializableConditions(options.invalidateWhen);
  const full: ManifestRule = {
    ...base,
    ...(watchFields && { watchFields }),
    ...(invalidateWhen && { invalidateWhen }),
    ...columnsOfPaths(
      [...pathsOf(watchFields, invalidateWhen), ...Object.values(partition?.paths ?? {})],
      columnsOf,
    ),
    ...(partition && { partition }),
  };
  if (JSON.stringify(full).length <= MAX_LENGTH) return { rule: full, ...(widened && { widened }) };
  const { dispatcherConfig, ...short } = base;
  const coarse = dispatcherConfig === undefined ? short : { ...short, dispatcher: INLINE };
  return { rule: coarse, widened: `it is longer than ${MAX_LENGTH} characters` };
}

function pathsOf(
  watchFields: readonly string[] = [],
  invalidateWhen: Readonly<Record<string, unknown>> = {},
): readonly string[] {
  return [...watchFields, ...Object.keys(invalidateWhen).map((path) => path.replace(/^!/, ''))];
}

function columnsOfPaths(
  paths: readonly string[],
  columnsOf: (path: string) => PathColumns | undefined,
): Pick<ManifestRule, 'columns' | 'transformed'> {
  const known = [...new Set(paths)].flatMap((path) => {
    const columns = columnsOf(path);
    return columns === undefined ? [] : [[path, columns] as const];
  });
  if (known.length === 0) return {};
  const transformed = known.filter(([, { isTransformed }]) => isTransformed).map(([path]) => path);
  return {
    columns: Object.fromEntries(known.map(([path, { names }]) => [path, names])),
    ...(transformed.length > 0 && { transformed: transformed.sort() }),
  };
}

/** The manifest key of a rule: equal rules of all processes have the same key. */
export function keyOf(rule: ManifestRule): string {
  return createHash('sha256').update(JSON.stringify(rule, sorted)).digest('base64url').slice(0, 22);
}

/** Reduces a rule to its entity: any change of it drops the whole namespace. */
export function coarseRule(rule: ManifestRule): ManifestRule {
  if (rule.isAuto === true) return rule;
  const { entity, tables, sources = [] } = rule;
  return {
    name: `everything<-${entity}`,
    entity,
    tables: [...new Set([...tables, ...sources.map(({ table }) => table)])].sort(),
    mode: 'purge',
    eager: true,
    dispatcher: INLINE,
    triggerOnCreate: true,
    life: 0,
  };
}

function partitionOf({ options, target, mappedFields }: BoundRule): {
  partition?: ManifestPartition;
  widened?: string;
} {
  const { fieldMapping, invalidator, requireArgs = false, lookup = false } = options;
  if (invalidator !== undefined) return { widened: 'its invalidator is code' };
  if (fieldMapping === undefined) return {};
  if (typeof fieldMapping === 'function') return { widened: 'its fieldMapping is a function' };
  const shape = target.key.partitionShape([...mappedFields.values()]);
  if (shape === undefined) return { widened: 'keyHashAlgorithm is a function' };
  const fieldOf = (name: string): string => mappedFields.get(name) ?? name;
  const paths = Object.entries(fieldMapping as Record<string, string>).map(([name, path]) => [
    fieldOf(name),
    path,
  ]);
  const required = typeof requireArgs === 'boolean' ? requireArgs : requireArgs.map(fieldOf);
  return {
    partition: { shape, paths: Object.fromEntries(paths) as never, requireArgs: required, lookup },
  };
}

/** Replaces a dispatcher whose configuration cannot be serialized by `inline`. */
function serializableDispatcher({
  dispatcher,
  options: { dispatcherConfig },
}: BoundRule): Pick<ManifestRule, 'dispatcher' | 'dispatcherConfig'> {
  if (dispatcherConfig === undefined) return { dispatcher };
  return isSerializable(dispatcherConfig) ? { dispatcher, dispatcherConfig } : { dispatcher: INLINE };
}

/** Leaves out conditions that cannot be serialized: the rule then fires more often, never less. */
function serializableConditions(
  conditions: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (conditions === undefined) return undefined;
  const serializable = Object.entries(conditions)
    .map(([path, wanted]) => [path, wanted === undefined ? null : wanted] as const)
    .filter(([, wanted]) => isSerializable(wanted));
  return serializable.length === 0 ? undefined : Object.fromEntries(serializable);
}

function isSerializable(value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth > MAX_DEPTH) return false;
  if (!Array.isArray(value) && !isPlainObject(value)) return false;
  return Object.values(value).every((member) => isSerializable(member, depth + 1));
}

function lifeOf({ target: { policy } }: BoundRule): number {
  const { ttl } = policy;
  if (typeof ttl !== 'number' || !Number.isFinite(ttl)) return MAX_LIFE_MS;
  return Math.ceil(Math.min(ttl + staleWindow(policy), MAX_LIFE_MS));
}

function sorted(_: string, value: unknown): unknown {
  return typeof value !== 'object' || value === null || Array.isArray(value) ? value : sortMembers(value);
}
