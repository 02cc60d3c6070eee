import { encodeList, encodeValue } from './canonical.js';
import type { FieldPart } from './fields/key-field.js';
import { asSet } from './fields/request-parts.js';
import type { KeyHash, KeySource } from './key.interface.js';
import { type CoarseShape, TAG_HASH, writeCoarse } from './partition-shape.js';

/** A part of a key, bound to a method, with the options of its field. */
export interface BoundPart extends FieldPart {
  readonly partition: boolean;
  readonly hashValue: boolean;
  readonly sortLists: boolean;
}

/** Reads one part of a key at each call and writes it, finely for the key and coarsely for tags. */
export class KeySlot {
  /** Whether nothing is written while the value is missing. */
  readonly isOptional: boolean;
  readonly #argument: number;
  readonly #read: ((source: KeySource) => unknown) | undefined;
  readonly #isSet: boolean;
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
    this.#isSet = part.set === true;
    this.#isList = part.list === true;
    this.#sortLists = part.sortLists;
    this.#hash = part.hashValue ? hash : undefined;
    this.#tagHash = tagHash;
    this.#coarse = { isSet: this.#isSet, sortLists: part.sortLists, isHashed: part.hashValue };
  }

  /** The text of the value in the key. */
  text(source: KeySource): string {
    return this.write(this.value(source));
  }

  /** The text of a given value in the key. */
  write(value: unknown): string {
    const text = this.#isList
      ? encodeList(value as readonly unknown[])
      : encodeValue(this.#isSet ? asSet(value) : value, this.#sortLists);
    return this.#hash === undefined ? text : `#${this.#hash(text)}`;
  }

  /** The text of a given value in tags. */
  writeCoarse(value: unknown): string {
    return writeCoarse(this.#coarse, value, this.#tagHash);
  }

  /** How values are written in tags; `undefined` where that takes a function, which stays in this process. */
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
