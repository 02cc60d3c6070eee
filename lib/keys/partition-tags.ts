import { encodeText } from './encode-text.js';
import { PartitionError } from './key-errors.js';
import type { KeySource, PartitionValues } from './key.interface.js';
import type { KeySlot } from './key-slot.js';
import { type PartitionSubset, type PartitionSubsets, quoteNames } from './partition-subsets.js';

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

  /** The tags of one call, one for each subset. */
  tags(source: KeySource): string[] {
    this.#closed ??= this.subsets.close();
    const texts: string[] = [];
    for (let index = 0; index < this.writers.length; index++) {
      const { constant, slot } = this.writers[index]!;
      texts.push(this.#prefixes[index]! + (constant ?? slot.writeCoarse(slot.value(source))));
    }
    const tags: string[] = [];
    for (const { indexes } of this.#closed) {
      let tag = texts[indexes[0]!]!;
      for (let index = 1; index < indexes.length; index++) tag += `&${texts[indexes[index]!]!}`;
      tags.push(tag);
    }
    return tags;
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
