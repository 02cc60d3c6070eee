import type { KeyArguments } from './key-arguments.js';
import type { KeyMeta } from './key-constructor.js';
import { UnencodableError } from './key-errors.js';
import type { KeySlot, KeyTemplate, PartitionShape } from './key-template.js';
import { KeyMemo } from './key-memo.js';
import type { KeyHash, KeySource, PartitionValues } from './key.interface.js';
import type { ContextMembers, PartitionTags, SpellingOf } from './partitions.js';
import { encodeText } from './scalars.js';

/** Parts of a compiled key. */
export interface CompiledKeyParts {
  readonly partition: KeyTemplate;
  readonly rest: KeyTemplate;
  readonly tags: PartitionTags;
  readonly meta: KeyMeta;
  readonly hash: KeyHash;
  readonly maxLength: number;
  /** The fields that identify the user. */
  readonly identities: readonly KeySlot[];
  readonly readsBody: boolean;
  readonly runsUserCode: boolean;
  readonly holds: readonly (readonly string[])[];
  readonly arguments: KeyArguments;
  readonly where: string;
}

/**
 * A key constructor, bound to a method and compiled: constants are computed once.
 *
 * It writes the suffix of a key, `<partition>;<rest>`, e.g. `user=42;@list&q='a%20b'`. If that is too long, the rest is hashed
 * (`user=42;@list&#…`); if it still is, both are (`#;@list&#…`). Nothing is truncated.
 */
export class CompiledKey {
  /** `meta.namespace`. */
  readonly namespace: string | undefined;
  /** `meta.version`: part of entry keys, before the suffix, never of tags. */
  readonly version: number | string | undefined;
  /** True if the key identifies the user, so that authenticated requests may be served. */
  readonly hasIdentity: boolean;
  /** True if one of its fields reads the body of the request. */
  readonly readsBody: boolean;
  /** True if writing the key runs code of the user, so that its inputs are not known. */
  readonly runsUserCode: boolean;
  /** The values of the request that stand in it as they are, each as its steps: `['headers', 'cookie']`. */
  readonly holds: readonly (readonly string[])[];
  /** How the arguments of a call follow from the values of its partition. */
  readonly arguments: KeyArguments;
  readonly #partition: KeyTemplate;
  readonly #rest: KeyTemplate;
  readonly #tags: PartitionTags;
  readonly #hash: KeyHash;
  readonly #maxLength: number;
  readonly #where: string;
  readonly #identities: readonly KeySlot[];
  /** The text between the partition and the rest: `;@list&`. */
  readonly #middle: string;

  constructor(parts: CompiledKeyParts) {
    this.namespace = parts.meta.namespace;
    this.version = parts.meta.version;
    this.hasIdentity = parts.identities.length > 0;
    this.readsBody = parts.readsBody;
    this.runsUserCode = parts.runsUserCode;
    this.holds = parts.holds;
    this.#identities = parts.identities;
    this.arguments = parts.arguments;
    this.#partition = parts.partition;
    this.#rest = parts.rest;
    this.#tags = parts.tags;
    this.#hash = parts.hash;
    this.#maxLength = parts.maxLength;
    this.#where = parts.where;
    this.#middle = middleOf(parts.meta, parts.rest.isEmpty);
  }

  /** A memo of its keys by their arguments; `undefined` if they are written from anything else too. */
  createMemo(): KeyMemo | undefined {
    const partition = this.#partition.plainArguments;
    const rest = this.#rest.plainArguments;
    if (partition === undefined || rest === undefined || partition.length + rest.length === 0)
      return undefined;
    return new KeyMemo([...partition, ...rest]);
  }

  /** The names of the partition fields, sorted. */
  get partitionFields(): readonly string[] {
    return this.#tags.subsets.names;
  }

  /** The combinations of the key's own partition fields that entries carry tags for. */
  get subsets(): readonly (readonly string[])[] {
    const own = this.#tags.subsets.all.filter(({ indexes }) => !indexes.includes(-1));
    return own.map((subset) => subset.fields);
  }

  /** The members of `keyContext` that a call must have, since rules or `meta.partitions` name them. */
  get contextNames(): ReadonlySet<string> {
    return this.#tags.subsets.contextNames;
  }

  /**
   * The suffix of the entry's key. Different values never make one suffix.
   *
   * @throws {UnencodableError} for a value that has no encoding, {@link KeyError} if there is no request to read
   */
  key(source: KeySource): string {
    try {
      const partition = this.#partition.render(source);
      const rest = this.#rest.render(source);
      const suffix = partition + this.#middle + rest;
      return suffix.length <= this.#maxLength ? suffix : this.#shorten(partition, rest);
    } catch (error) {
      throw this.#locate(error, source);
    }
  }

  /** The suffix without hashes, however long, to explain why two requests have different keys. */
  unhashedKey(source: KeySource): string {
    return this.#partition.render(source) + this.#middle + this.#rest.render(source);
  }

  /**
   * The tags of the entry's partitions, one for each of {@link subsets}: `user=42`, `tenant=1&user=42`.
   *
   * @param context members of `keyContext`, which are partitions too
   * @throws as {@link key} does
   */
  partitionTags(source: KeySource, context?: ContextMembers): string[] {
    try {
      return this.#tags.tags(source, context);
    } catch (error) {
      throw this.#locate(error, source);
    }
  }

  /**
   * The tags that entries carry beside those of {@link partitionTags} because a value is not surely spelled as the column spells it
   * that a rule compares it with: every change drops them by {@link watchSpellings}.
   *
   * @throws {UnencodableError} for a value that means another time whenever it is asked for: `today`
   */
  spellingTags(source: KeySource, context?: ContextMembers): readonly string[] {
    return this.#tags.spellingTags(source, context);
  }

  /**
   * Watches the spelling of these partition fields, by which a rule drops.
   * @param fields left out: all combinations
   */
  watchSpellings(fields: readonly string[] | undefined, spellingOf: SpellingOf): void {
    this.#tags.watchSpellings(fields, spellingOf);
  }

  /**
   * The tag of all entries with these partition values: the text that {@link partitionTags} writes for coarsely equal values. Neither
   * `path` nor `normalizer` is applied to them.
   *
   * @param values by partition field, or by the name of its argument
   * @throws {PartitionError} for an unknown field, or a combination that entries carry no tag for
   */
  partitionTag(values: PartitionValues): string {
    return this.#tags.tag(values);
  }

  /**
   * How {@link partitionTag} writes the tags of these partition fields, for processes without this key; `undefined` if that needs a hash
   * function of the user.
   */
  partitionShape(fields: readonly string[]): PartitionShape | undefined {
    return this.#tags.shapeOf(fields);
  }

  /**
   * True if the key of this call identifies the user. If no guard turned the credentials of a request into a user, or it put the id
   * elsewhere, the identity fields are empty for everybody.
   */
  identifies(source: KeySource): boolean {
    return this.#identities.some((slot) => isPresent(slot.value(source)));
  }

  /** The partition field with this name, or with an argument of this name; `undefined` for none. */
  resolvePartitionField(name: string): string | undefined {
    return this.#tags.subsets.resolve(name);
  }

  /**
   * Adds a combination of partition fields to drop entries by. Only before the first entry is tagged.
   *
   * @throws {KeyDefinitionError} for an unknown field, over 16 combinations, or too late
   */
  addSubset(fields: readonly string[]): void {
    this.#tags.subsets.add(fields);
  }

  #shorten(partition: string, rest: string): string {
    const hashedRest = `${partition}${this.#middle}#${this.#hash(rest)}`;
    if (rest !== '' && hashedRest.length <= this.#maxLength) return hashedRest;
    return `#${this.#middle}#${this.#hash(`${partition};${rest}`)}`;
  }

  /** Adds the field, the class and the method to an error of encoding. */
  #locate(error: unknown, source: KeySource): unknown {
    if (!(error instanceof UnencodableError)) return error;
    const field = this.#partition.findFailing(source) ?? this.#rest.findFailing(source);
    const path = field === undefined ? error.path : [field, ...error.path];
    return new UnencodableError(path, error.reason, this.#where, { cause: error });
  }
}

function isPresent(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false;
  return !Array.isArray(value) || value.some(isPresent);
}

function middleOf({ keyIdentifier }: KeyMeta, restIsEmpty: boolean): string {
  if (keyIdentifier === undefined) return ';';
  return `;@${encodeText(keyIdentifier)}${restIsEmpty ? '' : '&'}`;
}
