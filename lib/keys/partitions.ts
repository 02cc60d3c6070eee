import { KeyDefinitionError, PartitionError, UnencodableError } from './key-errors.js';
import {
  type CoarseShape,
  type KeySlot,
  type PartitionShape,
  TAG_HASH,
  writeCoarse,
} from './key-template.js';
import type { KeySource, PartitionValues } from './key.interface.js';
import { encodeText } from './scalars.js';
import { anySpelling, isCanonical, isRelative, type Spelling } from './spellings.js';

/** Maximum number of combinations of partition fields that entries carry tags for. */
export const MAX_PARTITION_SUBSETS = 16;

/** The names of a partition field. */
export interface PartitionName {
  readonly name: string;
  /** The name of its argument, which rules may use too. */
  readonly alias?: string;
}

/** One combination of partition fields. */
export interface PartitionSubset {
  /** Sorted. */
  readonly fields: readonly string[];
  /** Their indexes among all partition fields; -1 for a member of the ambient context. */
  readonly indexes: readonly number[];
}

/** The members of `keyContext` for one call: each is a partition of every cached method. */
export type ContextMembers = ReadonlyMap<string, unknown>;

/**
 * The combinations of partition fields by which entries can be dropped: each field alone, all together, and declared ones.
 */
export class PartitionSubsets {
  /** The names of the partition fields, sorted. */
  readonly names: readonly string[];
  readonly #subsets = new Map<string, PartitionSubset>();
  readonly #contextNames = new Set<string>();
  #closed = false;

  /**
   * @param fields sorted by name
   * @param declared `meta.partitions`
   * @param where the class and method, for messages
   * @param isContextMember whether a name that no field has is that of a member of `keyContext`
   */
  constructor(
    private readonly fields: readonly PartitionName[],
    declared: readonly (readonly string[])[],
    readonly where: string,
    readonly isContextMember: (name: string) => boolean = () => false,
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

  /** The members of `keyContext` that rules and `meta.partitions` name: without them no entry has all its tags. */
  get contextNames(): ReadonlySet<string> {
    return this.#contextNames;
  }

  /** Refuses more combinations: entries are written with the tags of these only. */
  close(): readonly PartitionSubset[] {
    this.#closed = true;
    return this.all;
  }

  /** The partition field with this name, or with an argument of this name. */
  resolve(name: string): string | undefined {
    if (this.names.includes(name)) return name;
    const meant = this.fields.filter((field) => field.alias === name);
    if (meant.length === 0 && this.isContextMember(name)) return name;
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

  /** Message that a name is not a partition field, with the names of those. */
  unknown(name: string): string {
    return this.names.length === 0
      ? `names "${name}", but the key has no partition field. Mark one with { partition: true }.`
      : `names "${name}", which is not a partition field. Write one of ${quoteNames(this.names)}.`;
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
    for (const name of fields) if (!this.names.includes(name)) this.#contextNames.add(name);
  }
}

/** Names for a message: `'tenant', 'user'`. */
export function quoteNames(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

function keyOf(names: readonly string[]): string {
  return names.map(encodeText).join('&');
}

/** Maximum number of tags that lists may make of one combination. */
const MAX_LIST_TAGS = 1_000;

/** How members of `keyContext` are written. */
const PLAIN: CoarseShape = { isSet: false, sortLists: false, isHashed: false };

/** How the column that a partition field is compared with spells its values. */
export type SpellingOf = (field: string) => Spelling;

const NO_TAGS: readonly string[] = [];

/** Source of the coarse text of one partition field. */
export interface PartitionWriter {
  readonly slot: KeySlot;
  /** The text of a constant. */
  readonly constant?: string;
}

/** Writes the tags of partitions: `user=42`, `tenant=1&user=42`. */
export class PartitionTags {
  readonly #prefixes: readonly string[];
  #all: readonly PartitionSubset[] | undefined;
  /** Combinations that rules drop by. */
  readonly #watched: { readonly fields: readonly string[] | undefined; readonly spellingOf: SpellingOf }[] =
    [];
  /** Combinations of the key's own fields only. */
  #own: readonly PartitionSubset[] | undefined;

  /** @param writers one for each name in `subsets.names` */
  constructor(
    readonly subsets: PartitionSubsets,
    private readonly writers: readonly PartitionWriter[],
  ) {
    this.#prefixes = subsets.names.map((name) => `${encodeText(name)}=`);
  }

  /**
   * The tags of one call, one for each combination. An entry for a list (`findMany(ids)`) is in the partition of the whole list and in
   * that of each member, so that a change of one member drops it.
   *
   * @param context its members are partitions too; without it, only the tags of the key's own fields are written
   * @throws {UnencodableError} for lists with more combinations of members than an entry may carry tags
   */
  tags(source: KeySource, context?: ContextMembers): string[] {
    if (this.#own === undefined) {
      this.#all = this.subsets.close();
      this.#own = this.#all.filter(({ indexes }) => !indexes.includes(-1));
    }
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
    if (context !== undefined && context.size > 0)
      return this.#tagsOfLists(texts, members, this.#addContext(context, texts, members));
    if (members.length > 0) return this.#tagsOfLists(texts, members, this.#own);
    const tags: string[] = [];
    for (const { indexes } of this.#own) {
      let tag = texts[indexes[0]!]!;
      for (let index = 1; index < indexes.length; index++) tag += `&${texts[indexes[index]!]!}`;
      tags.push(tag);
    }
    return tags;
  }

  /** See `CompiledKey.watchSpellings`. */
  watchSpellings(fields: readonly string[] | undefined, spellingOf: SpellingOf): void {
    this.#watched.push({ fields: fields && [...new Set(fields)].sort(), spellingOf });
  }

  /** The tags of any spelling of one call: of combinations in which a value is not surely spelled as its column spells it. */
  spellingTags(source: KeySource, context?: ContextMembers): readonly string[] {
    let tags: string[] | undefined;
    for (const { fields, spellingOf } of this.#watched) {
      for (const names of fields === undefined ? this.subsets.all.map((subset) => subset.fields) : [fields]) {
        if (names.every((name) => this.#isCanonical(name, spellingOf(name), source, context))) continue;
        const tag = anySpelling(names);
        if (tags === undefined) tags = [tag];
        else if (!tags.includes(tag)) tags.push(tag);
      }
    }
    return tags ?? NO_TAGS;
  }

  #isCanonical(name: string, spelling: Spelling, source: KeySource, context?: ContextMembers): boolean {
    const index = this.subsets.names.indexOf(name);
    const writer = this.writers[index];
    if (writer?.constant !== undefined) return true;
    const value = writer === undefined ? context?.get(name) : writer.slot.value(source);
    if (isRelative(spelling, value))
      throw new UnencodableError([name], 'is a text that means another time whenever it is asked for');
    return isCanonical(spelling, value);
  }

  /** Appends the texts of the context's members. @returns all combinations: each member alone, and those that are declared */
  #addContext(
    context: ContextMembers,
    texts: string[],
    members: string[][],
  ): readonly Pick<PartitionSubset, 'indexes'>[] {
    const at = new Map<string, number>();
    for (const [name, value] of context) {
      at.set(name, texts.length);
      const write = (one: unknown): string => `${encodeText(name)}=${writeCoarse(PLAIN, one, TAG_HASH)}`;
      if (Array.isArray(value) || value instanceof Set) members[texts.length] = [...value].map(write);
      texts.push(write(value));
    }
    const declared = this.#all!.map(({ fields, indexes }) => ({
      indexes: indexes.map((index, i) => (index >= 0 ? index : (at.get(fields[i]!) ?? -1))),
    }));
    return [
      ...declared.filter(({ indexes }) => !indexes.includes(-1)),
      ...[...at.values()].map((index) => ({ indexes: [index] })),
    ];
  }

  #tagsOfLists(
    texts: readonly string[],
    members: readonly (readonly string[] | undefined)[],
    subsets: readonly Pick<PartitionSubset, 'indexes'>[],
  ): string[] {
    const tags = new Set<string>();
    for (const { indexes } of subsets) {
      let partial = [''];
      for (const index of indexes) {
        const choices = [texts[index]!, ...(members[index] ?? [])];
        if (partial.length * choices.length > MAX_LIST_TAGS)
          throw tooManyMembers(this.subsets.names[index] ?? 'keyContext');
        partial = partial.flatMap((tag) => choices.map((text) => (tag === '' ? text : `${tag}&${text}`)));
      }
      for (const tag of partial) tags.add(tag);
    }
    return [...tags];
  }

  /** The tag of entries with these values. */
  tag(values: PartitionValues): string {
    const { subsets } = this;
    const given = this.#byField(values);
    const names = [...given.keys()].sort();
    const [name] = names;
    if (names.length === 1 && !subsets.names.includes(name!))
      return `${encodeText(name!)}=${writeCoarse(PLAIN, given.get(name!), TAG_HASH)}`;
    const subset = subsets.find(names);
    if (subset === undefined) {
      throw new PartitionError(
        `${subsets.where}: entries carry no tag for [${quoteNames(names)}] together. Add it to the key constructor: ` +
          `static readonly meta = { partitions: [[${quoteNames(names)}]] };`,
      );
    }
    return subset.indexes
      .map((index, i) => {
        const field = subset.fields[i]!;
        const value = given.get(field);
        const text =
          index < 0 ? writeCoarse(PLAIN, value, TAG_HASH) : this.writers[index]!.slot.writeCoarse(value);
        return `${encodeText(field)}=${text}`;
      })
      .join('&');
  }

  /** How the tags of these fields are written; `undefined` if that needs a function. */
  shapeOf(fields: readonly string[]): PartitionShape | undefined {
    const shape = [...fields].sort().map((name) => {
      const index = this.subsets.names.indexOf(name);
      const coarse =
        index < 0 && this.subsets.isContextMember(name) ? PLAIN : this.writers[index]?.slot.coarseShape;
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
