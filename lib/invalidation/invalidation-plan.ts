import { activeTracer } from '../observability/tracing.js';
import { randomUUID } from 'node:crypto';
import type { KeySpace } from '../cache/key-space.js';
import { isThenable } from '../common/async.js';
import { spellingsOf } from '../keys/index.js';
import type { ActiveRule } from './rules/bound-rule.js';
import type { Change } from './change.interface.js';
import type { InvalidationJob } from './jobs/dispatcher.interface.js';
import {
  entityChange,
  type EntityChange,
  type InvalidationHandle,
  type InvalidatorChange,
} from './invalidator.js';
import type { Rewarm } from './rewarm/rewarm.js';
import type { Rewarms } from './rewarm/rewarms.js';
import { fires, mappedPartitions } from './rules/rule-matcher.js';

/** A rule that drops more partitions than this in one transaction drops its whole method instead. */
const MAX_PARTITIONS = 1_000;

/** A row that may be found by more spellings than this drops the whole method. */
const MAX_SPELLINGS = 16;

/** The tags to invalidate, by rule. */
export type RuleTags = ReadonlyMap<ActiveRule, ReadonlySet<string>>;

export const NO_TAGS: RuleTags = new Map();

/** Collects the tags that the changes of one commit invalidate, by rule. */
export class InvalidationPlan {
  readonly #tags = new Map<ActiveRule, Set<string>>();
  readonly #undecided = new Map<ActiveRule, Promise<unknown>>();
  /** Changes collected for invalidators with `batch: true`, which are called once. */
  readonly #batches = new Map<ActiveRule, EntityChange[]>();
  #widened = 0;

  constructor(
    private readonly space: KeySpace,
    private readonly onError: (rule: ActiveRule, error: unknown) => void,
    /** Collects the entries to compute again. */
    readonly rewarms: Rewarms,
    /** Called with tags that an invalidator names after it has returned: this plan may be carried out already. */
    private readonly onLate: (rule: ActiveRule, tags: RuleTags) => void,
  ) {}

  /** Adds the tags that a change invalidates by a rule. Where they are unknown: all entries of the method. */
  add(rule: ActiveRule, change: Change): void {
    // Nothing to add once the whole method is dropped. A custom invalidator may still name tags of other methods.
    if (rule.invalidator === undefined && this.#dropsAll(rule) && !this.rewarms.wantsMore(rule)) return;
    this.#guard(rule, () => {
      if (!fires(rule.options, change)) return;
      if (rule.invalidator !== undefined) return this.#addForInvalidator(rule, entityChange(change));
      this.#drop(rule, change);
      this.#addRewarmRequests(rule, entityChange(change));
    });
  }

  /** Call this when all changes are added: it calls the invalidators with `batch: true`. */
  complete(): this {
    for (const [rule, changes] of this.#batches)
      this.#guard(rule, () => this.#callInvalidator(rule, changes));
    this.#batches.clear();
    return this;
  }

  /** True if there are no tags and no invalidator is still running. */
  get isEmpty(): boolean {
    return this.#tags.size === 0 && this.#undecided.size === 0;
  }

  /** Tags known so far. */
  get tags(): RuleTags {
    return this.#tags;
  }

  /** Returns how often a rule dropped its whole method because the tags were unknown, and resets the count. */
  takeWidened(): number {
    const widened = this.#widened;
    this.#widened = 0;
    return widened;
  }

  /** Tags of rules that have no invalidator still running. */
  get decided(): RuleTags {
    if (this.#undecided.size === 0) return this.#tags;
    return new Map([...this.#tags].filter(([rule]) => !this.#undecided.has(rule)));
  }

  /** Rules whose custom invalidators are still running. The promises never reject. */
  get undecided(): ReadonlyMap<ActiveRule, Promise<unknown>> {
    return this.#undecided;
  }

  /** Tags of one rule, known so far. */
  of(rule: ActiveRule): RuleTags {
    const tags = this.#tags.get(rule);
    return new Map(tags === undefined ? [] : [[rule, tags]]);
  }

  /** Drops the whole method of each rule whose invalidator is still running, and returns these tags: the caller cannot wait longer. */
  widen(): RuleTags {
    for (const rule of this.#undecided.keys()) this.#dropUnknown(rule);
    return new Map([...this.#undecided.keys()].map((rule) => [rule, this.#tagsOf(rule)]));
  }

  #drop(rule: ActiveRule, change: Change): void {
    if (rule.tagsOf !== undefined) {
      for (const tag of rule.tagsOf(change)) this.#tagsOf(rule).add(tag);
      return;
    }
    if (rule.options.scope === 'all') return this.#dropAll(rule);
    const effect = mappedPartitions(rule.options, change);
    if (effect === 'none') return;
    if (effect === 'all') return this.#dropUnknown(rule);
    for (const values of effect) this.#dropSpellings(rule, values);
  }

  /** Adds the rewarm requests of a handler if any of its entries is dropped. */
  #addRewarmRequests(rule: ActiveRule, change: EntityChange): void {
    if (rule.options.rewarm === true && this.#tags.has(rule)) this.rewarms.addRequests(rule, change);
  }

  #addForInvalidator(rule: ActiveRule, change: EntityChange): void {
    if (rule.options.batch !== true) return this.#callInvalidator(rule, change);
    const batch = this.#batches.get(rule);
    if (batch === undefined) this.#batches.set(rule, [change]);
    else batch.push(change);
  }

  #callInvalidator(rule: ActiveRule, change: InvalidatorChange<boolean>): void {
    const { handle, close } = this.#openHandle(rule);
    const finish = (): void => {
      close();
      for (const one of [change].flat()) this.#addRewarmRequests(rule, one);
    };
    const result: unknown = rule.invalidator!(handle, change);
    if (!isThenable(result)) return finish();
    const finished = Promise.resolve(result)
      .catch((error: unknown) => this.#fail(rule, error))
      .then(finish);
    const all = Promise.all([this.#undecided.get(rule), finished]);
    this.#undecided.set(rule, all);
    void all.then(() => {
      if (this.#undecided.get(rule) === all) this.#undecided.delete(rule);
    });
  }

  #guard(rule: ActiveRule, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(rule, error);
    }
  }

  /** A rule that fails leaves its tags unknown. */
  #fail(rule: ActiveRule, error: unknown): void {
    this.onError(rule, error);
    this.#dropUnknown(rule);
  }

  /** Makes the handle that records the tags of an invalidator: in this plan until `close()`, in a late plan afterwards. */
  #openHandle(rule: ActiveRule): { readonly handle: InvalidationHandle; readonly close: () => void } {
    let isClosed = false;
    const record = (name: (plan: InvalidationPlan) => void): void => {
      if (!isClosed) return name(this);
      const late = new InvalidationPlan(this.space, this.onError, this.rewarms, this.onLate);
      late.#guard(rule, () => name(late));
      this.onLate(rule, late.#tags);
    };
    const handle: InvalidationHandle = {
      name: rule.target.name,
      deleteByPrefix: (values) => record((plan) => plan.#dropPartition(rule, values)),
      invalidateAll: () => record((plan) => plan.#dropAll(rule)),
      invalidateTags: (tags) => record((plan) => plan.#addUserTags(rule, tags)),
    };
    return { handle, close: () => void (isClosed = true) };
  }

  /** User tags stay beside the method's tag: entries of other methods may carry them. */
  #addUserTags(rule: ActiveRule, tags: readonly string[]): void {
    for (const tag of tags) this.#tagsOf(rule).add(this.space.userTag(tag));
  }

  /** Drops the partition of a row in every spelling that finds it. */
  #dropSpellings(rule: ActiveRule, values: Readonly<Record<string, unknown>>): void {
    let spelled: Readonly<Record<string, unknown>>[] = [values];
    for (const [field, value] of Object.entries(values)) {
      const spellings = spellingsOf(value);
      if (spellings === undefined || spellings.length * spelled.length > MAX_SPELLINGS)
        return this.#dropUnknown(rule);
      if (spellings.length > 1)
        spelled = spelled.flatMap((one) => spellings.map((spelling) => ({ ...one, [field]: spelling })));
    }
    this.#dropPartition(rule, values);
    if (this.#dropsAll(rule)) return;
    const tags = this.#tagsOf(rule);
    for (const one of spelled.length > 1 ? spelled : []) tags.add(rule.partitionTag(one));
    tags.add(rule.anySpellingTag(values));
  }

  #dropPartition(rule: ActiveRule, values: Readonly<Record<string, unknown>>): void {
    const tag = rule.partitionTag(values);
    if (this.#dropsAll(rule)) return;
    const tags = this.#tagsOf(rule);
    tags.add(tag);
    // The tag of any spelling is one more.
    if (tags.size > MAX_PARTITIONS + 1) this.#dropUnknown(rule);
    else this.rewarms.addPartition(rule, values);
  }

  #dropsAll(rule: ActiveRule): boolean {
    return this.#tags.get(rule)?.has(rule.target.methodTag) === true;
  }

  /** Drops the whole method because its tags are unknown, or too many. */
  #dropUnknown(rule: ActiveRule): void {
    this.#widened++;
    this.#dropAll(rule);
  }

  #dropAll(rule: ActiveRule): void {
    const tags = this.#tagsOf(rule);
    for (const tag of tags) if (!tag.startsWith(this.space.userTagPrefix)) tags.delete(tag);
    tags.add(rule.target.methodTag);
    this.rewarms.addAll(rule);
  }

  #tagsOf(rule: ActiveRule): Set<string> {
    let tags = this.#tags.get(rule);
    if (tags === undefined) this.#tags.set(rule, (tags = new Set()));
    return tags;
  }
}

/** The tags of both, by rule. */
export function union(one: RuleTags, other: RuleTags): RuleTags {
  if (one.size === 0 || other.size === 0) return one.size === 0 ? other : one;
  const all = new Map(one);
  for (const [rule, tags] of other) all.set(rule, new Set([...(all.get(rule) ?? []), ...tags]));
  return all;
}

/**
 * The job that invalidates the tags of a rule.
 *
 * @param done whether they are invalidated already
 */
export function jobOf(
  rule: ActiveRule,
  tags: ReadonlySet<string>,
  space: KeySpace,
  done: boolean,
  rewarm: readonly Rewarm[],
): InvalidationJob {
  const trace = activeTracer()?.carrier();
  return {
    id: randomUUID(),
    namespace: space.namespace,
    rule: rule.id,
    tags: [...tags],
    mode: rule.mode,
    done,
    ...(rewarm.length > 0 && { rewarm }),
    ...(trace !== undefined && { trace }),
  };
}
