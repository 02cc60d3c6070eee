import { randomUUID } from 'node:crypto';
import type { KeySpace } from '../cache/key-space.js';
import { isThenable } from '../common/async.js';
import type { ActiveRule } from './rules/bound-rule.js';
import type { Change } from './change.interface.js';
import type { InvalidationJob } from './jobs/dispatcher.interface.js';
import {
  entityChange,
  type EntityChange,
  type InvalidationHandle,
  type InvalidatorChange,
} from './invalidator.js';
import type { Rewarm } from './rewarm/rewarmer.js';
import type { Rewarms } from './rewarm/rewarms.js';
import { fires, mappedPartitions } from './rules/rule-matcher.js';

/** A rule that touches more partitions than this in one transaction drops all of its method instead. */
const MAX_PARTITIONS = 1_000;

/** The tags that rules drop. */
export type RuleTags = ReadonlyMap<ActiveRule, ReadonlySet<string>>;

export const NO_TAGS: RuleTags = new Map();

/** What one commit drops: for each rule its tags, coalesced. */
export class InvalidationPlan {
  readonly #tags = new Map<ActiveRule, Set<string>>();
  readonly #undecided = new Map<ActiveRule, Promise<unknown>>();
  /** What invalidators with `batch: true` are to be told. */
  readonly #batches = new Map<ActiveRule, EntityChange[]>();
  #widened = 0;

  constructor(
    private readonly space: KeySpace,
    private readonly onError: (rule: ActiveRule, error: unknown) => void,
    /** What is to be computed anew. */
    readonly rewarms: Rewarms,
    /** Told what an invalidator drops after it has ended: nobody may read this plan any more. */
    private readonly onLate: (rule: ActiveRule, tags: RuleTags) => void,
  ) {}

  /** Adds what a change means for a rule. What cannot be told drops everything the method cached. */
  add(rule: ActiveRule, change: Change): void {
    // A custom invalidator may have more to drop than the method it stands on.
    if (rule.invalidator === undefined && this.#dropsAll(rule) && !this.rewarms.wantsMore(rule)) return;
    this.#guard(rule, () => {
      if (!fires(rule.options, change)) return;
      if (rule.invalidator !== undefined) return this.#addForInvalidator(rule, entityChange(change));
      this.#drop(rule, change);
      this.#addRewarmRequests(rule, entityChange(change));
    });
  }

  /** To be called when all changes are added: asks the invalidators that want them all at once. */
  complete(): this {
    for (const [rule, changes] of this.#batches)
      this.#guard(rule, () => this.#callInvalidator(rule, changes));
    this.#batches.clear();
    return this;
  }

  /** Whether nothing is dropped, and no invalidator may still drop something. */
  get isEmpty(): boolean {
    return this.#tags.size === 0 && this.#undecided.size === 0;
  }

  /** All that is known to be dropped. */
  get tags(): RuleTags {
    return this.#tags;
  }

  /** How often what a rule drops could not be told since this was asked last. */
  takeWidened(): number {
    const widened = this.#widened;
    this.#widened = 0;
    return widened;
  }

  /** Rules whose tags are all known. */
  get decided(): RuleTags {
    if (this.#undecided.size === 0) return this.#tags;
    return new Map([...this.#tags].filter(([rule]) => !this.#undecided.has(rule)));
  }

  /** Rules whose custom invalidators have not spoken yet, and when they will have; it never rejects. */
  get undecided(): ReadonlyMap<ActiveRule, Promise<unknown>> {
    return this.#undecided;
  }

  /** What a rule drops, as far as it is known. */
  of(rule: ActiveRule): RuleTags {
    const tags = this.#tags.get(rule);
    return new Map(tags === undefined ? [] : [[rule, tags]]);
  }

  /** What to drop where nobody can wait for the invalidators any longer: everything they might name of their methods. */
  widen(): RuleTags {
    for (const rule of this.#undecided.keys()) this.#dropUnknown(rule);
    return new Map([...this.#undecided.keys()].map((rule) => [rule, this.#tagsOf(rule)]));
  }

  #drop(rule: ActiveRule, change: Change): void {
    if (rule.options.scope === 'all') return this.#dropAll(rule);
    const effect = mappedPartitions(rule.options, change);
    if (effect === 'none') return;
    if (effect === 'all') return this.#dropUnknown(rule);
    for (const values of effect) this.#dropPartition(rule, values);
  }

  /** Of a handler, what it is to be asked for where anything of it was dropped. */
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
    const { handle, end } = this.#handle(rule);
    const ended = (): void => {
      end();
      for (const one of [change].flat()) this.#addRewarmRequests(rule, one);
    };
    const answer: unknown = rule.invalidator!(handle, change);
    if (!isThenable(answer)) return ended();
    const settled = Promise.resolve(answer)
      .catch((error: unknown) => this.#fail(rule, error))
      .then(ended);
    const all = Promise.all([this.#undecided.get(rule), settled]);
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

  /** A rule that fails has not said what to drop. */
  #fail(rule: ActiveRule, error: unknown): void {
    this.onError(rule, error);
    this.#dropUnknown(rule);
  }

  /** Records what an invalidator names, here until it has ended. */
  #handle(rule: ActiveRule): { readonly handle: InvalidationHandle; readonly end: () => void } {
    let hasEnded = false;
    const record = (name: (plan: InvalidationPlan) => void): void => {
      if (!hasEnded) return name(this);
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
    return { handle, end: () => void (hasEnded = true) };
  }

  /** They reach other methods, so dropping all of this one makes none of them superfluous. */
  #addUserTags(rule: ActiveRule, tags: readonly string[]): void {
    for (const tag of tags) this.#tagsOf(rule).add(this.space.userTag(tag));
  }

  #dropPartition(rule: ActiveRule, values: Readonly<Record<string, unknown>>): void {
    const tag = rule.partitionTag(values);
    if (this.#dropsAll(rule)) return;
    const tags = this.#tagsOf(rule);
    tags.add(tag);
    if (tags.size > MAX_PARTITIONS) this.#dropUnknown(rule);
    else this.rewarms.addPartition(rule, values);
  }

  #dropsAll(rule: ActiveRule): boolean {
    return this.#tags.get(rule)?.has(rule.target.methodTag) === true;
  }

  /** What it drops cannot be told, or not listed. */
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

/** What both drop. */
export function union(one: RuleTags, other: RuleTags): RuleTags {
  if (one.size === 0 || other.size === 0) return one.size === 0 ? other : one;
  const all = new Map(one);
  for (const [rule, tags] of other) all.set(rule, new Set([...(all.get(rule) ?? []), ...tags]));
  return all;
}

/** What a rule drops, as the work of a dispatcher. */
export function jobOf(
  rule: ActiveRule,
  tags: ReadonlySet<string>,
  space: KeySpace,
  done: boolean,
  rewarm: readonly Rewarm[],
): InvalidationJob {
  return {
    id: randomUUID(),
    namespace: space.namespace,
    rule: rule.id,
    tags: [...tags],
    mode: rule.mode,
    done,
    ...(rewarm.length > 0 && { rewarm }),
  };
}
