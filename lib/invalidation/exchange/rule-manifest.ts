import { excerpt } from '../../common/messages.js';
import { coarseRule, keyOf, type ManifestPartition, type ManifestRule } from '../rules/manifest-rule.js';

/** Whether something that a store held is a rule: another build may have written it, or anything else. */
export function isManifestRule(value: unknown): value is ManifestRule {
  if (!isRecord(value)) return false;
  const { name, method, entity, tables, mode, eager, dispatcher, triggerOnCreate, life } = value;
  const { watchFields, invalidateWhen, dispatcherConfig, partition } = value;
  return (
    [name, entity, dispatcher].every(isText) &&
    isOptional(method, isText) &&
    isList(tables) &&
    (mode === 'purge' || mode === 'expire') &&
    [eager, triggerOnCreate].every((one) => typeof one === 'boolean') &&
    typeof life === 'number' &&
    isOptional(watchFields, isList) &&
    [invalidateWhen, dispatcherConfig].every((one) => isOptional(one, isRecord)) &&
    isOptional(partition, isPartition)
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

/** A rule, and until when it counts though nobody tells it any more. Milliseconds since the Unix epoch. */
export interface HeldRule {
  readonly rule: ManifestRule;
  readonly until: number;
}

/** More different rules are told by entity alone: a change of one drops the whole namespace then. */
const MAX_RULES = 1_000;
/** Raise it with the layout, and the key in `KeySpace.manifestKey` with it. */
const VERSION = 1;

/**
 * The rules of all processes of a namespace. Each rule counts until the last entry that a process may have stored under it
 * is gone; merging two manifests in any order, any number of times, makes the same one, so that processes that write at
 * the same time need no lock: whoever reads what lacks something writes it again.
 */
export class RuleManifest {
  readonly #rules = new Map<string, HeldRule>();

  /**
   * Reads what a store held; `undefined` is nothing.
   * @returns the rules that can be read, and what else there is
   */
  static read(stored: unknown): { readonly manifest: RuleManifest; readonly garbage: readonly string[] } {
    const manifest = new RuleManifest();
    if (stored === undefined) return { manifest, garbage: [] };
    const { version, rules } = (stored ?? {}) as { version?: unknown; rules?: unknown };
    if (version !== VERSION || !Array.isArray(rules) || rules.length > 2 * MAX_RULES)
      return { manifest, garbage: ['it is no manifest'] };
    const garbage: string[] = [];
    for (const held of rules as Partial<HeldRule>[]) {
      if (typeof held?.until === 'number' && isManifestRule(held.rule)) manifest.add(held.rule, held.until);
      else garbage.push(`it holds ${excerpt(held)}`);
    }
    return { manifest, garbage };
  }

  get size(): number {
    return this.#rules.size;
  }

  /** When the last of the rules ends. */
  get until(): number {
    return Math.max(0, ...[...this.#rules.values()].map(({ until }) => until));
  }

  entries(): Iterable<readonly [key: string, held: HeldRule]> {
    return this.#rules;
  }

  get(key: string): HeldRule | undefined {
    return this.#rules.get(key);
  }

  /** @returns whether the rule is new */
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

  /** Forgets rules under which nothing is left in the store. */
  prune(now: number): void {
    for (const [key, { until }] of this.#rules) if (until < now) this.#rules.delete(key);
  }

  /** Sees to it that a rule, or one that covers it, counts for as long. @param slack what it may lack */
  keep(rule: ManifestRule, until: number, slack: number): void {
    const coarse = coarseRule(rule);
    const told = this.#rules.has(keyOf(coarse)) ? coarse : rule;
    const known = this.#rules.get(keyOf(told));
    if (known === undefined || known.until < until - slack) this.add(told, until);
  }

  /** @returns whether it was too large, and is now told by entities */
  bound(): boolean {
    if (this.#rules.size <= MAX_RULES) return false;
    const held = [...this.#rules.values()];
    this.#rules.clear();
    for (const { rule, until } of held) this.add(coarseRule(rule), until);
    return true;
  }

  /** Whether another lacks rules, or would forget some earlier. */
  isAheadOf(other: RuleManifest): boolean {
    return [...this.#rules].some(([key, { until }]) => (other.get(key)?.until ?? -Infinity) < until);
  }

  /** Plain data, for a store. */
  toStored(): unknown {
    return { version: VERSION, rules: [...this.#rules.values()] };
  }
}
