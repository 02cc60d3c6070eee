import type { KeySpace } from '../cache/key-space.js';
import type { BoundRule } from './bound-rule.js';
import type { Change } from './change.interface.js';
import { entityChange, type InvalidationHandle } from './invalidator.interface.js';
import { fires, mappedPartitions } from './rule-matcher.js';

/** A rule that touches more partitions than this in one transaction drops all of its method instead. */
const MAX_PARTITIONS = 1_000;

/** What one commit drops: for each rule its tags, coalesced. */
export class InvalidationPlan {
  readonly tags = new Map<BoundRule, Set<string>>();
  #pending: Promise<void>[] | undefined;

  constructor(
    private readonly space: KeySpace,
    private readonly onError: (rule: BoundRule, error: unknown) => void,
  ) {}

  /** Adds what a change means for a rule. What cannot be told drops everything the method cached. */
  add(rule: BoundRule, change: Change): void {
    const tags = this.tags.get(rule);
    if (tags?.has(rule.target.methodTag) === true) return;
    try {
      if (fires(rule.options, change)) this.#drop(rule, change);
    } catch (error) {
      this.onError(rule, error);
      this.#dropAll(rule);
    }
  }

  /** Resolves when custom invalidators that are async have spoken; `undefined` when none is. */
  get settled(): Promise<unknown> | undefined {
    return this.#pending && Promise.all(this.#pending);
  }

  #drop(rule: BoundRule, change: Change): void {
    const { scope, invalidator } = rule.options;
    if (scope === 'all') return this.#dropAll(rule);
    if (invalidator !== undefined) return this.#ask(rule, change);
    const effect = mappedPartitions(rule.options, change);
    if (effect === 'none') return;
    if (effect === 'all') return this.#dropAll(rule);
    for (const values of effect) this.#add(rule, rule.partitionTag(values));
  }

  #ask(rule: BoundRule, change: Change): void {
    const answer = rule.options.invalidator!(this.#handle(rule), entityChange(change));
    if (!(answer instanceof Promise)) return;
    const settled = answer.catch((error: unknown) => {
      this.onError(rule, error);
      this.#dropAll(rule);
    });
    (this.#pending ??= []).push(settled);
  }

  #handle(rule: BoundRule): InvalidationHandle {
    return {
      name: rule.target.name,
      deleteByPrefix: (values) => this.#add(rule, rule.partitionTag(values)),
      invalidateAll: () => this.#dropAll(rule),
      invalidateTags: (tags) => tags.forEach((tag) => this.#add(rule, this.space.userTag(tag))),
    };
  }

  #add(rule: BoundRule, tag: string): void {
    const tags = this.#tagsOf(rule);
    if (tags.has(rule.target.methodTag)) return;
    tags.add(tag);
    if (tags.size > MAX_PARTITIONS) this.#dropAll(rule);
  }

  #dropAll(rule: BoundRule): void {
    const tags = this.#tagsOf(rule);
    // Tags of the user's own reach other methods and stay.
    for (const tag of tags) if (!tag.startsWith(this.space.userTagPrefix)) tags.delete(tag);
    tags.add(rule.target.methodTag);
  }

  #tagsOf(rule: BoundRule): Set<string> {
    let tags = this.tags.get(rule);
    if (tags === undefined) this.tags.set(rule, (tags = new Set()));
    return tags;
  }
}
