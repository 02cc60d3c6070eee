import { encodeText } from './scalars.js';
import { KeyDefinitionError } from './key-errors.js';

/** The most combinations of partition fields that entries carry tags for. */
export const MAX_PARTITION_SUBSETS = 16;

/** The names of a partition field. */
export interface PartitionName {
  readonly name: string;
  /** The name of the argument it reads, by which rules may mean it too. */
  readonly alias?: string;
}

/** One combination of partition fields. */
export interface PartitionSubset {
  /** Sorted. */
  readonly fields: readonly string[];
  /** Where they stand among all partition fields. */
  readonly indexes: readonly number[];
}

/**
 * Which combinations of partition fields entries can be dropped by: each field alone, all together, and those that are
 * declared.
 */
export class PartitionSubsets {
  /** The names of the partition fields, sorted. */
  readonly names: readonly string[];
  readonly #subsets = new Map<string, PartitionSubset>();
  #closed = false;

  /**
   * @param fields sorted by name
   * @param declared `meta.partitions`
   * @param where the class and method, for messages
   */
  constructor(
    private readonly fields: readonly PartitionName[],
    declared: readonly (readonly string[])[],
    readonly where: string,
  ) {
    this.names = fields.map((field) => field.name);
    for (const name of this.names) this.#add([name]);
    if (this.names.length > 0) this.#add(this.names);
    for (const names of declared) this.add(names);
  }

  /** All combinations, in the order in which they were added. */
  get all(): readonly PartitionSubset[] {
    return [...this.#subsets.values()];
  }

  /** No more combinations from here on: entries have been written with the tags of these. */
  close(): readonly PartitionSubset[] {
    this.#closed = true;
    return this.all;
  }

  /** The partition field that a name, its own or its argument's, stands for. */
  resolve(name: string): string | undefined {
    if (this.names.includes(name)) return name;
    const meant = this.fields.filter((field) => field.alias === name);
    return meant.length === 1 ? meant[0]!.name : undefined;
  }

  /** The combination of exactly these fields. */
  find(fields: readonly string[]): PartitionSubset | undefined {
    return this.#subsets.get(keyOf([...fields].sort()));
  }

  /** See `CompiledKey.addSubset`. */
  add(names: readonly string[]): void {
    if (names.length === 0)
      throw new KeyDefinitionError(`${this.where}: a partition names at least one field.`);
    this.#add(
      names.map((name) => {
        const field = this.resolve(name);
        if (field !== undefined) return field;
        throw new KeyDefinitionError(
          `${this.where}: the partition [${quoteNames(names)}] ${this.unknown(name)}`,
        );
      }),
    );
  }

  /** Says that a name is no partition field, and which ones there are. */
  unknown(name: string): string {
    return this.names.length === 0
      ? `names "${name}", but the key has no partition field. Mark one with { partition: true }.`
      : `names "${name}", which is no partition field. Write one of ${quoteNames(this.names)}.`;
  }

  #add(names: readonly string[]): void {
    const fields = [...new Set(names)].sort();
    const key = keyOf(fields);
    if (this.#subsets.has(key)) return;
    if (this.#closed) {
      throw new KeyDefinitionError(
        `${this.where}: the partition [${quoteNames(fields)}] was added after entries were written without its tag. Add it at boot.`,
      );
    }
    if (this.#subsets.size >= MAX_PARTITION_SUBSETS) {
      throw new KeyDefinitionError(
        `${this.where}: more than ${MAX_PARTITION_SUBSETS} partitions ([${quoteNames(fields)}] is one too many). Each is a tag on ` +
          `every entry: mark fewer fields as partition, or name fewer combinations in meta.partitions and in rules.`,
      );
    }
    this.#subsets.set(key, { fields, indexes: fields.map((name) => this.names.indexOf(name)) });
  }
}

/** Names for a message: `'tenant', 'user'`. */
export function quoteNames(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

function keyOf(names: readonly string[]): string {
  return names.map(encodeText).join('&');
}
