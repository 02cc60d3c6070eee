import { encodeText } from './scalars.js';
import { PartitionError, UnencodableError } from './key-errors.js';
import type { KeySource, PartitionValues } from './key.interface.js';
import type { KeySlot, PartitionShape } from './key-template.js';
import { type PartitionSubset, type PartitionSubsets, quoteNames } from './partition-subsets.js';

/** Tags that lists may make of one subset. */
const MAX_LIST_TAGS = 1_000;

/** How the coarse text of one partition field comes about. */
export interface PartitionWriter {
  readonly slot: KeySlot;
  /** The text of a value that never changes. */
  readonly constant?: string;
}

/** Writes the tags of partitions: `user=42`, `tenant=1&user=42`. */
export class PartitionTags {
  readonly #prefixes: readonly string[];
  #closed: readonly PartitionSubset[] | undefined;

  /** @param writers one for each name in `subsets.names` */
  constructor(
    readonly subsets: PartitionSubsets,
    private readonly writers: readonly PartitionWriter[],
  ) {
    this.#prefixes = subsets.names.map((name) => `${encodeText(name)}=`);
  }

  /**
   * The tags of one call, one for each subset. An entry of a list (`findMany(ids)`) stands in the partition of the whole
   * list and in that of each member, so that a change of one of them drops it.
   *
   * @throws {UnencodableError} for lists with more combinations of members than an entry may carry tags
   */
  tags(source: KeySource): string[] {
    this.#closed ??= this.subsets.close();
    const texts: string[] = [];
    const members: string[][] = [];
    for (let index = 0; index < this.writers.length; index++) {
      const { constant, slot } = this.writers[index]!;
      const value = constant === undefined ? slot.value(source) : undefined;
      texts.push(this.#prefixes[index]! + (constant ?? slot.writeCoarse(value)));
      if (Array.isArray(value) || value instanceof Set) {
        members[index] = [...value].map((member) => this.#prefixes[index]! + slot.writeCoarse(member));
      }
    }
    if (members.length > 0) return this.#tagsOfLists(texts, members);
    const tags: string[] = [];
    for (const { indexes } of this.#closed) {
      let tag = texts[indexes[0]!]!;
      for (let index = 1; index < indexes.length; index++) tag += `&${texts[indexes[index]!]!}`;
      tags.push(tag);
    }
    return tags;
  }

  #tagsOfLists(texts: readonly string[], members: readonly (readonly string[] | undefined)[]): string[] {
    const tags = new Set<string>();
    for (const { indexes } of this.#closed!) {
      let partial = [''];
      for (const index of indexes) {
        const choices = [texts[index]!, ...(members[index] ?? [])];
        if (partial.length * choices.length > MAX_LIST_TAGS) throw tooManyMembers(this.subsets.names[index]!);
        partial = partial.flatMap((tag) => choices.map((text) => (tag === '' ? text : `${tag}&${text}`)));
      }
      for (const tag of partial) tags.add(tag);
    }
    return [...tags];
  }

  /** The tag that entries of these values carry. */
  tag(values: PartitionValues): string {
    const { subsets } = this;
    const given = this.#byField(values);
    const names = [...given.keys()].sort();
    const subset = subsets.find(names);
    if (subset === undefined) {
      throw new PartitionError(
        `${subsets.where}: entries carry no tag for [${quoteNames(names)}] together. Add it to the key constructor: ` +
          `static readonly meta = { partitions: [[${quoteNames(names)}]] };`,
      );
    }
    return subset.indexes
      .map(
        (index) =>
          this.#prefixes[index]! + this.writers[index]!.slot.writeCoarse(given.get(subsets.names[index]!)),
      )
      .join('&');
  }

  /** How the tags of these fields are written; `undefined` where that takes a function. */
  shapeOf(fields: readonly string[]): PartitionShape | undefined {
    const shape = [...fields].sort().map((name) => {
      const coarse = this.writers[this.subsets.names.indexOf(name)]?.slot.coarseShape;
      return coarse && { name, ...coarse };
    });
    return shape.every((field) => field !== undefined) ? shape : undefined;
  }

  #byField(values: PartitionValues): ReadonlyMap<string, unknown> {
    const { subsets } = this;
    const given = new Map<string, unknown>();
    for (const [name, value] of Object.entries(values)) {
      const field = subsets.resolve(name);
      if (field === undefined)
        throw new PartitionError(`${subsets.where}: the partition ${subsets.unknown(name)}`);
      if (given.has(field))
        throw new PartitionError(`${subsets.where}: the partition field "${field}" is given twice.`);
      given.set(field, value);
    }
    if (given.size > 0) return given;
    throw new PartitionError(
      `${subsets.where}: no partition value is given. Name one, or drop all with invalidateAll().`,
    );
  }
}

function tooManyMembers(field: string): UnencodableError {
  return new UnencodableError(
    [field],
    `a list with more than ${MAX_LIST_TAGS} members or combinations, too many for a partition`,
  );
}
