import { excerpt } from '../../common/messages.js';
import {
  coarseRule,
  keyOf,
  type ManifestPartition,
  type ManifestRule,
  type ManifestSource,
} from '../rules/manifest-rule.js';

/** A rule and its expiry, in milliseconds since the Unix epoch. A process that has the rule renews it. */
export interface HeldRule {
  readonly rule: ManifestRule;
  readonly until: number;
}

/** A rule as it is stored: it stays for so many milliseconds from then on. */
interface StoredRule {
  readonly rule: ManifestRule;
  readonly stays: number;
}

/** With more rules than this, only their entities are kept: a change of one of them then drops the whole namespace. */
const MAX_RULES = 1_000;
/** Format version. Change `KeySpace.manifestKey` with it. */
const VERSION = 2;

/**
 * The rules of all processes of a namespace. A rule stays until the last entry stored under it has expired. Merging is
 * commutative and idempotent, so that concurrent writers need no lock: a process that reads an incomplete manifest writes it again.
 */
export class RuleManifest {
  readonly #rules = new Map<string, HeldRule>();

  /**
   * Reads a stored manifest; `undefined`: nothing is stored.
   * @param now time at which it was stored, by the clock of this process; clocks of processes may be minutes apart
   * @returns the valid rules, and a description of each part that is not a rule
   */
  static read(
    stored: unknown,
    now = 0,
  ): { readonly manifest: RuleManifest; readonly garbage: readonly string[] } {
    const manifest = new RuleManifest();
    if (stored === undefined) return { manifest, garbage: [] };
    const { version, rules } = (stored ?? {}) as { version?: unknown; rules?: unknown };
    if (version !== VERSION || !Array.isArray(rules) || rules.length > 2 * MAX_RULES)
      return { manifest, garbage: ['the stored value is not a rule manifest of this version'] };
    const garbage: string[] = [];
    for (const held of rules as Partial<StoredRule>[]) {
      if (Number.isFinite(held?.stays) && isManifestRule(held.rule) && isJson(held.rule))
        manifest.add(held.rule, now + held.stays!);
      else garbage.push(`the manifest contains ${excerpt(held)}`);
    }
    return { manifest, garbage };
  }

  get size(): number {
    return this.#rules.size;
  }

  /** Expiry of the rule that stays longest. */
  get until(): number {
    return Math.max(0, ...[...this.#rules.values()].map(({ until }) => until));
  }

  entries(): Iterable<readonly [key: string, held: HeldRule]> {
    return this.#rules;
  }

  get(key: string): HeldRule | undefined {
    return this.#rules.get(key);
  }

  /** Adds a rule, or extends its expiry. @returns whether the rule is new */
  add(rule: ManifestRule, until: number, key = keyOf(rule)): boolean {
    const known = this.#rules.get(key);
    if (known === undefined || known.until < until)
      this.#rules.set(key, { rule: known?.rule ?? rule, until });
    return known === undefined;
  }

  /** @returns the rules that are new */
  merge(other: RuleManifest): readonly ManifestRule[] {
    const learned: ManifestRule[] = [];
    for (const [key, { rule, until }] of other.entries()) if (this.add(rule, until, key)) learned.push(rule);
    return learned;
  }

  /** Removes expired rules. */
  prune(now: number): void {
    for (const [key, { until }] of this.#rules) if (until < now) this.#rules.delete(key);
  }

  /** Renews a rule, or the coarse rule that covers it. @param slack a shortfall up to this is not renewed */
  keep(rule: ManifestRule, until: number, slack: number): void {
    const coarse = coarseRule(rule);
    const kept = this.#rules.has(keyOf(coarse)) ? coarse : rule;
    const known = this.#rules.get(keyOf(kept));
    if (known === undefined || known.until < until - slack) this.add(kept, until);
  }

  /** Reduces rules to their entities if there are too many. @returns whether it did */
  bound(): boolean {
    if (this.#rules.size <= MAX_RULES) return false;
    const held = [...this.#rules.values()];
    this.#rules.clear();
    for (const { rule, until } of held) this.add(coarseRule(rule), until);
    return true;
  }

  /** True if the other manifest lacks rules of this one, or expires some earlier. @param slack a shortfall up to this does not count */
  isAheadOf(other: RuleManifest, slack = 0): boolean {
    return [...this.#rules].some(([key, { until }]) => (other.get(key)?.until ?? -Infinity) < until - slack);
  }

  /** The manifest as JSON data. @param now by the clock of this process */
  toStored(now = 0): unknown {
    const rules = [...this.#rules.values()].map(({ rule, until }): StoredRule => ({
      rule,
      stays: until - now,
    }));
    return { version: VERSION, rules };
  }
}

/** True if a stored value is a rule. Another version may have written it. */
export function isManifestRule(value: unknown): value is ManifestRule {
  if (!isRecord(value)) return false;
  const { name, method, entity, tables, mode, eager, dispatcher, triggerOnCreate, life } = value;
  const { watchFields, invalidateWhen, dispatcherConfig, partition, columns, transformed } = value;
  return (
    [name, entity, dispatcher].every(isText) &&
    isOptional(method, isText) &&
    isList(tables) &&
    (mode === 'purge' || mode === 'expire') &&
    [eager, triggerOnCreate].every((one) => typeof one === 'boolean') &&
    Number.isFinite(life) &&
    isOptional(watchFields, isList) &&
    isOptional(value['sources'], (one) => Array.isArray(one) && one.every(isSource)) &&
    isOptional(columns, (one) => isRecord(one) && Object.values(one).every(isList)) &&
    isOptional(value['isAuto'], (one) => one === true) &&
    [transformed, value['dataSources']].every((one) => isOptional(one, isList)) &&
    [invalidateWhen, dispatcherConfig].every((one) => isOptional(one, isRecord)) &&
    isOptional(partition, isPartition)
  );
}

function isSource(value: unknown): value is ManifestSource {
  if (!isRecord(value)) return false;
  const { table, by, changes, keys, columns } = value;
  return (
    isText(table) &&
    ['link', 'remove', 'key', 'truncate'].includes(by as string) &&
    [changes, keys].every((one) => isOptional(one, isList)) &&
    isOptional(columns, (one) => isRecord(one) && Object.values(one).every(isText))
  );
}

function isPartition(value: unknown): value is ManifestPartition {
  if (!isRecord(value)) return false;
  const { shape, paths, requireArgs, lookup } = value;
  return (
    Array.isArray(shape) &&
    shape.length > 0 &&
    shape.every(isField) &&
    isRecord(paths) &&
    Object.values(paths).every(isText) &&
    shape.every(({ name }) => Object.hasOwn(paths, name as string)) &&
    (typeof requireArgs === 'boolean' || isList(requireArgs)) &&
    typeof lookup === 'boolean'
  );
}

function isField(value: unknown): value is ManifestPartition['shape'][number] {
  return (
    isRecord(value) &&
    isText(value['name']) &&
    [value['isSet'], value['sortLists'], value['isHashed']].every((one) => typeof one === 'boolean')
  );
}

/** Rules are told apart by their JSON. */
function isJson(rule: ManifestRule): boolean {
  try {
    return JSON.stringify(rule) !== undefined;
  } catch {
    return false;
  }
}

function isOptional(value: unknown, test: (value: unknown) => boolean): boolean {
  return value === undefined || test(value);
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
