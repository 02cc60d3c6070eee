import { inspect, type InspectOptions, types } from 'node:util';

/** Shorter texts are never slices or concatenations of others (V8). Characters. */
export const MIN_SLICE = 13;

/** A copy of a text with its estimated bytes in memory. */
export interface OwnText {
  text: string;
  bytes: number;
}

/**
 * Copies a text. A text that was cut from another one keeps all of that one in memory, as a small part of a large page does; one that
 * was put together keeps its parts. The copy keeps its own characters only.
 *
 * @param result receives the copy, so that a value with many texts needs no object for each of them
 */
export function copyText(text: string, result: OwnText): void {
  const { length } = text;
  if (length < MIN_SLICE) {
    result.text = text;
    // V8 keeps one text for each character.
    result.bytes = length <= 1 ? 0 : HEADER + length;
    return;
  }
  // `join` writes its parts into a new text; V8 offers no copy of one, and answers a concatenation without writing it.
  parts[0] = text[0]!;
  parts[1] = text.slice(1);
  result.text = parts.join('');
  parts[1] = '';
  result.bytes = HEADER + (WIDE.test(text) ? 2 * length : length);
}

const parts = ['', ''];

/** Header of a text, with the rounding up to 8 bytes. */
const HEADER = 20;

/** V8 keeps a text with such a character with two bytes a character. */
const WIDE = /[^\0-\xff]/;

/**
 * Copies an array that holds numbers only, with eight bytes for each of them: V8 keeps an array as one of plain numbers if its first
 * element was a fraction.
 *
 * @returns `undefined` for any other array, and for one with a negative zero
 */
export function copyNumbers(array: readonly unknown[]): number[] | undefined {
  const { length } = array;
  if (length === 0 || typeof array[0] !== 'number' || typeof array[length - 1] !== 'number') return undefined;
  for (let i = 0; i < length; i++) {
    const item = array[i];
    if (typeof item !== 'number' || (item === 0 && Object.is(item, -0))) return undefined;
  }
  const copy = [0.5];
  copy.length = length;
  for (let i = 0; i < length; i++) copy[i] = array[i] as number;
  return copy;
}

/** Copies bytes outside of Node's pool, since one small Buffer of it keeps the whole pool in memory. */
export function copyBytes(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

/** A Buffer as it is, unless it may keep a larger one in memory: then a copy. */
export function ownBytes(bytes: Buffer): Buffer {
  return bytes.buffer.byteLength === bytes.length ? bytes : copyBytes(bytes);
}

/** With more elements, listing the keys takes longer than describing the rest of the object. */
const MAX_LISTED = 8;

/** Describes an array without its elements. */
const WITHOUT_ELEMENTS: InspectOptions = {
  maxArrayLength: 0,
  depth: 0,
  showHidden: true,
  customInspect: false,
  breakLength: Infinity,
};

/**
 * Whether a dense array or a typed array has properties beside its elements: named, hidden or with a symbol for a name.
 * V8 lists the keys of an array only together with all indexes, which for a large array takes longer than copying it.
 *
 * @param twin an array of the same class and length without such properties
 */
export function hasNamedProperties(array: ArrayLike<unknown>, twin: object): boolean {
  if (array.length <= MAX_LISTED) return Reflect.ownKeys(array).length !== Reflect.ownKeys(twin).length;
  return inspect(array, WITHOUT_ELEMENTS) !== inspect(twin, WITHOUT_ELEMENTS);
}

/** Own properties that a RegExp has from the start: `lastIndex`. */
const OWN_OF_REGEXP = 1;

/** Whether a Date, Map, Set, RegExp, ArrayBuffer, Buffer or typed array has properties beside its content. */
export function hasOwnProperties(value: object): boolean {
  if (!ArrayBuffer.isView(value))
    return Reflect.ownKeys(value).length !== (types.isRegExp(value) ? OWN_OF_REGEXP : 0);
  const { buffer, byteOffset, length } = value as Uint8Array<ArrayBuffer>;
  const { constructor } = Object.getPrototypeOf(value) as { constructor: Uint8ArrayConstructor };
  const twin = Buffer.isBuffer(value)
    ? Buffer.from(buffer, byteOffset, length)
    : new constructor(buffer, byteOffset, length);
  return hasNamedProperties(value as Uint8Array, twin);
}

/** Shorter arrays take little memory for their holes. */
const SHORT = 1_000;

const MAX_LENGTH = 2 ** 32 - 1;

/** V8 keeps longer arrays without their holes. */
const MAX_DENSE = 32 * 1024 * 1024;

/**
 * An array without elements. `new Array(20_000_000)` takes memory for all of them; this one takes memory for those that are set.
 * @throws RangeError for anything that is not the length of an array
 */
export function sparseArray(length: number): unknown[] {
  if (!(length > SHORT) || length > MAX_LENGTH) return new Array<unknown>(length);
  const array: unknown[] = [];
  array[length - 1] = undefined;
  delete array[length - 1];
  return array;
}

/** Whether an array has holes. It may have a billion of them, so it must be copied by its indexes. */
export function isSparse(array: readonly unknown[]): boolean {
  const { length } = array;
  if (length > MAX_DENSE || (length > 0 && !(length - 1 in array))) return true;
  for (let i = 0; i < length; i++) if (array[i] === undefined && !(i in array)) return true;
  return false;
}

/** The indexes of the elements that an array has. */
export function indexesOf(array: readonly unknown[]): number[] {
  return Object.keys(array).map(Number);
}
