import type { FieldPart } from './fields/key-field.js';
import type { KeyMeta } from './key-constructor.js';
import { UnencodableError } from './key-errors.js';
import type { KeySlot, KeyTemplate, PartitionShape } from './key-template.js';
import type { KeyHash, KeySource, PartitionValues } from './key.interface.js';
import type { ContextMembers, PartitionTags } from './partitions.js';
import { encodeText } from './scalars.js';

/** Everything a compiled key is put together from. */
export interface CompiledKeyParts {
  readonly partition: KeyTemplate;
  readonly rest: KeyTemplate;
  readonly tags: PartitionTags;
  readonly meta: KeyMeta;
  readonly hash: KeyHash;
  readonly maxLength: number;
  /** The fields that tell users apart. */
  readonly identities: readonly KeySlot[];
  readonly readsBody: boolean;
  readonly runsUserCode: boolean;
  readonly holds: readonly (readonly string[])[];
  readonly arguments: KeyArguments;
  readonly where: string;
}

/**
 * A key constructor, bound to a method and made ready for calls: everything that never changes is worked out.
 *
 * The suffix it writes is `<partition>;<rest>`, e.g. `user=42;@list&q='a%20b'`. Where that is too long, the rest is hashed
 * (`user=42;@list&#…`), or, where this is too long still, both (`#;@list&#…`). Nothing is truncated.
 */
export class CompiledKey {
  /** `meta.namespace`. */
  readonly namespace: string | undefined;
  /** `meta.version`: stands in entry keys before the suffix, never in tags. */
  readonly version: number | string | undefined;
  /** Whether the key tells users apart, so that it may serve authenticated requests. */
  readonly hasIdentity: boolean;
  /** Whether one of its fields says that it reads the body of the request. */
  readonly readsBody: boolean;
  /** Whether code of the user's runs where it is written: what that reads cannot be told. */
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
  /** What stands between the partition and the rest: `;@list&`. */
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
   * @throws {UnencodableError} for a value that has no encoding, {@link KeyError} where a request is missing
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

  /** What the suffix is made of, however long: for those who ask what told two requests apart. */
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
   * The tag that all entries of these partition values carry: the same text that {@link partitionTags} gives for values that
   * are the same coarsely. Values are final: neither `path` nor `normalizer` is applied to them.
   *
   * @param values by partition field, or by the name of its argument
   * @throws {PartitionError} for an unknown field, or a combination that entries carry no tag for
   */
  partitionTag(values: PartitionValues): string {
    return this.#tags.tag(values);
  }

  /**
   * How {@link partitionTag} writes the tags of these partition fields, for processes that have not this key; `undefined`
   * where a hash function of the user's is needed.
   */
  partitionShape(fields: readonly string[]): PartitionShape | undefined {
    return this.#tags.shapeOf(fields);
  }

  /**
   * Whether the key says whose call this is. A request may carry credentials that nobody turned into a user (a guard is
   * missing, or put the id elsewhere): then the fields that tell users apart are there, and empty for everybody.
   */
  identifies(source: KeySource): boolean {
    return this.#identities.some((slot) => isSaid(slot.value(source)));
  }

  /** The partition field that a name, its own or its argument's, stands for; `undefined` for none. */
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

  /** Adds to an error of encoding where it happened: the field, the class and the method. */
  #locate(error: unknown, source: KeySource): unknown {
    if (!(error instanceof UnencodableError)) return error;
    const field = this.#partition.findFailing(source) ?? this.#rest.findFailing(source);
    const path = field === undefined ? error.path : [field, ...error.path];
    return new UnencodableError(path, error.reason, this.#where, { cause: error });
  }
}

function isSaid(value: unknown): boolean {
  if (value === undefined || value === null || value === '') return false;
  return !Array.isArray(value) || value.some(isSaid);
}

function middleOf({ keyIdentifier }: KeyMeta, restIsEmpty: boolean): string {
  if (keyIdentifier === undefined) return ';';
  return `;@${encodeText(keyIdentifier)}${restIsEmpty ? '' : '&'}`;
}

/** A call's arguments, or why they cannot be told. */
export type Reconstruction = { readonly args: readonly unknown[] } | { readonly problem: string };

interface NamedPart extends FieldPart {
  readonly partition: boolean;
}

/**
 * The way back from partition values to the arguments of a call: each argument that the key reads must stand, whole, in a
 * partition field of its own. What the key does not read makes no difference to the value, and is left out of the call.
 */
export class KeyArguments {
  /** Why no values of partitions tell the arguments; `undefined` where some do. */
  readonly problem: string | undefined;
  /** The partition fields that each argument stands in, by index. */
  readonly #fields = new Map<number, string[]>();

  constructor(
    parts: readonly NamedPart[],
    private readonly parameters: readonly string[],
  ) {
    for (const { partition, argument, name } of parts)
      if (partition && argument !== undefined)
        this.#fields.set(argument, [...(this.#fields.get(argument) ?? []), name]);
    this.problem = parts
      .filter((part) => part.constant === undefined && part.undeclared !== true)
      .map((part) => this.#problemOf(part))
      .find((problem) => problem !== undefined);
  }

  /** Whether every call is the same to the key, so that its arguments are always known. */
  get isEmpty(): boolean {
    return this.problem === undefined && this.#fields.size === 0;
  }

  /** Whether the key tells calls apart by the argument at this index. */
  reads(index: number): boolean {
    return this.#fields.has(index);
  }

  /** A partition field that must be known, and is not among these. */
  missingIn(known: { has(field: string): boolean }): string | undefined {
    return [...this.#fields.values()].find((fields) => !fields.some((field) => known.has(field)))?.[0];
  }

  /** @param values by partition field */
  from(values: ReadonlyMap<string, unknown>): Reconstruction {
    if (this.problem !== undefined) return { problem: this.problem };
    const missing = this.missingIn(values);
    if (missing !== undefined) return { problem: `the change does not say its partition '${missing}'` };
    const args: unknown[] = [];
    for (const [index, fields] of this.#fields)
      args[index] = values.get(fields.find((field) => values.has(field))!);
    // Arguments that are left out are undefined, not holes.
    return { args: Array.from(args) };
  }

  #problemOf({ name, argument, arguments: read, partition }: NamedPart): string | undefined {
    const indexes = argument === undefined ? read : [argument];
    if (indexes === undefined) return `its key field '${name}' reads more than single arguments`;
    const lost = indexes.find((index) => !this.#fields.has(index));
    if (lost === undefined) return undefined;
    const parameter = `its argument '${this.parameters[lost] || lost}'`;
    return partition
      ? `${parameter} stands in the partition '${name}' changed, by a path or a normalizer`
      : `${parameter} is part of the key, but no partition of it`;
  }
}
