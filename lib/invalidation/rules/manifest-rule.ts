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
  readonly mode: InvalidationMode;
  readonly eager: boolean;
  readonly dispatcher: string;
  readonly dispatcherConfig?: Readonly<Record<string, unknown>>;
  readonly triggerOnCreate: boolean;
  readonly watchFields?: readonly string[];
  readonly invalidateWhen?: Readonly<Record<string, unknown>>;
  /** Maps a row to its partition. If omitted, a change drops all entries of the method. */
  readonly partition?: ManifestPartition;
  /** Longest time that an entry of the method stays in the store, in milliseconds. */
  readonly life: number;
}

export interface ManifestPartition {
  readonly shape: PartitionShape;
  /** Paths on the entity, by partition field. */
  readonly paths: Readonly<Record<string, string>>;
  readonly requireArgs: boolean | readonly string[];
  readonly lookup: boolean;
}

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

/** Describes a rule for other processes. @param tables names of the entity's table in the DataSources of this process */
export function describeRule(rule: BoundRule, tables: readonly string[]): DescribedRule {
  const { options, target, entityName, mode } = rule;
  const base: ManifestRule = {
    name: options.name ?? `${target.name}<-${entityName}`,
    method: target.name,
    entity: entityName,
    tables: [...tables].sort(),
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
    ...(partition && { partition }),
  };
  if (JSON.stringify(full).length <= MAX_LENGTH) return { rule: full, ...(widened && { widened }) };
  const { dispatcherConfig, ...short } = base;
  const coarse = dispatcherConfig === undefined ? short : { ...short, dispatcher: INLINE };
  return { rule: coarse, widened: `it is longer than ${MAX_LENGTH} characters` };
}

/** The manifest key of a rule: equal rules of all processes have the same key. */
export function keyOf(rule: ManifestRule): string {
  return createHash('sha256').update(JSON.stringify(rule, sorted)).digest('base64url').slice(0, 22);
}

/** Reduces a rule to its entity: any change of it drops the whole namespace. */
export function coarseRule({ entity, tables }: ManifestRule): ManifestRule {
  return {
    name: `everything<-${entity}`,
    entity,
    tables,
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
