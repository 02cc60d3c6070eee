import { createHash } from 'node:crypto';
import { encodeList, encodeValue } from './canonical.js';
import { coarseValue } from './coarse.js';
import type { FieldPart } from './fields/key-field.js';
import { asSet } from './fields/request-parts.js';
import type { KeyHash, KeySource, PartitionValues } from './key.interface.js';
import { encodeText } from './scalars.js';

/** One named value of a key: a constant text, or a slot that is read at each call. */
export interface TemplatePart<Value extends string | KeySlot = string | KeySlot> {
  readonly name: string;
  readonly value: Value;
}

/** Writes a text such as `user=42&v=1`. Constants are written once. */
export class KeyTemplate {
  /** The texts before, between and after the slots. */
  readonly #literals: readonly string[];
  readonly #slots: readonly KeySlot[];
  readonly #optional: readonly TemplatePart<KeySlot>[];
  readonly #named: readonly TemplatePart<KeySlot>[];

  /** @param parts in the order in which they are to be written */
  constructor(parts: readonly TemplatePart[]) {
    const literals = [''];
    const slots: KeySlot[] = [];
    for (const { name, value } of parts) {
      if (isOptional(value)) continue;
      const separator = slots.length === 0 && literals[0] === '' ? '' : '&';
      literals[literals.length - 1] += `${separator}${encodeText(name)}=`;
      if (typeof value === 'string') {
        literals[literals.length - 1] += value;
      } else {
        slots.push(value);
        literals.push('');
      }
    }
    this.#literals = literals;
    this.#slots = slots;
    this.#named = parts.filter((part): part is TemplatePart<KeySlot> => typeof part.value !== 'string');
    this.#optional = this.#named.filter((part) => isOptional(part.value));
  }

  /** True if only optional parts are written: each of them writes its own separator. */
  get isEmpty(): boolean {
    return this.#literals.length === 1 && this.#literals[0] === '';
  }

  /** The arguments that it is written from; `undefined` if it is written from anything else too. */
  get plainArguments(): readonly number[] | undefined {
    const indexes = this.#named.map(({ value }) => value.plainArgument);
    return indexes.includes(undefined) ? undefined : (indexes as number[]);
  }

  /** Writes the text for one call. */
  render(source: KeySource): string {
    const slots = this.#slots;
    const literals = this.#literals;
    let text = literals[0]!;
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index]!;
      text += slot.write(slot.value(source)) + literals[index + 1]!;
    }
    return this.#optional.length === 0 ? text : text + this.#renderOptional(source);
  }

  /** The name of the part that cannot be written for this call, if there is one. */
  findFailing(source: KeySource): string | undefined {
    const failing = this.#named.find(({ value }) => {
      try {
        value.write(value.value(source));
        return false;
      } catch {
        return true;
      }
    });
    return failing?.name;
  }

  #renderOptional(source: KeySource): string {
    let text = '';
    for (const { name, value: slot } of this.#optional) {
      const value = slot.value(source);
      if (value !== undefined) text += `&${encodeText(name)}=${slot.write(value)}`;
    }
    return text;
  }
}

function isOptional(value: string | KeySlot): boolean {
  return typeof value !== 'string' && value.isOptional;
}

/** How a partition field writes values into tags. Plain data, so that other processes can write the same tags. */
export interface CoarseShape {
  readonly isSet: boolean;
  readonly sortLists: boolean;
  readonly isHashed: boolean;
}

/** One combination of partition fields, in the order in which its tags name them. */
export type PartitionShape = readonly (CoarseShape & { readonly name: string })[];

/**
 * The hash of private values in tags. Every build must write the same tags, so the *name* of a digest in `keyHashAlgorithm` is ignored; a
 * function is used, because it may hold a secret.
 */
export const TAG_HASH: KeyHash = (text) => createHash('sha256').update(text).digest('base64url');

/** @param hash {@link TAG_HASH}, or a function of the user */
export function writeCoarse(shape: CoarseShape, value: unknown, hash: KeyHash): string {
  const text = coarseValue(shape.isSet ? asSet(value) : value, shape.sortLists);
  return shape.isHashed ? `#${hash(text)}` : text;
}

/** Writes the tag that {@link CompiledKey.partitionTag} writes for these values, without the key. */
export function writePartition(shape: PartitionShape, values: PartitionValues): string {
  return shape
    .map((field) => `${encodeText(field.name)}=${writeCoarse(field, values[field.name], TAG_HASH)}`)
    .join('&');
}

/** A part of a key, bound to a method, with the options of its field. */
export interface BoundPart extends FieldPart {
  readonly partition: boolean;
  readonly hashValue: boolean;
  readonly sortLists: boolean;
}

/** Reads one part of a key at each call, and encodes it for the key or, coarsely, for tags. */
export class KeySlot {
  /** True if a missing value is left out. */
  readonly isOptional: boolean;
  readonly #argument: number;
  readonly #read: ((source: KeySource) => unknown) | undefined;
  readonly #isList: boolean;
  readonly #sortLists: boolean;
  readonly #hash: KeyHash | undefined;
  readonly #coarse: CoarseShape;
  readonly #tagHash: KeyHash;

  /**
   * @param hash how hashed values are written in keys
   * @param tagHash how they are written in tags
   */
  constructor(part: BoundPart, hash: KeyHash, tagHash: KeyHash) {
    this.isOptional = part.undeclared === true;
    this.#argument = part.argument ?? -1;
    this.#read = part.read;
    this.#isList = part.list === true;
    this.#sortLists = part.sortLists;
    this.#hash = part.hashValue ? hash : undefined;
    this.#tagHash = tagHash;
    this.#coarse = { isSet: part.set === true, sortLists: part.sortLists, isHashed: part.hashValue };
  }

  /** The argument that it writes as it is; `undefined` for one of which it writes a part or a hash, and for what is no argument. */
  get plainArgument(): number | undefined {
    const isPlain = this.#argument >= 0 && !this.isOptional && !this.#isList && this.#hash === undefined;
    return isPlain ? this.#argument : undefined;
  }

  /** The text of a value in the key. */
  write(value: unknown): string {
    const text = this.#isList ? encodeList(value as readonly unknown[]) : encodeValue(value, this.#sortLists);
    return this.#hash === undefined ? text : `#${this.#hash(text)}`;
  }

  /** The text of a value in tags. */
  writeCoarse(value: unknown): string {
    return writeCoarse(this.#coarse, value, this.#tagHash);
  }

  /** How values are written in tags; `undefined` if that needs a function, which no other process has. */
  get coarseShape(): CoarseShape | undefined {
    return this.#coarse.isHashed && this.#tagHash !== TAG_HASH ? undefined : this.#coarse;
  }

  /** The value that the field reads. */
  value(source: KeySource): unknown {
    return this.#argument >= 0 ? source.args[this.#argument] : this.#read!(source);
  }
}

/** How hashed values are written in tags, see {@link TAG_HASH}. */
export function tagHashOf(algorithm: string | KeyHash, hash: KeyHash): KeyHash {
  return typeof algorithm === 'function' ? hash : TAG_HASH;
}
