import { encodeScalar, encodeText, type Scalar } from './scalars.js';
import { GraphEncoder } from './graph-encoder.js';
import { UnencodableError } from './key-errors.js';

/**
 * Encodes a value as a text that no other value has, readable where the value is simple.
 *
 * `1` and `'1'`, `['a', 'b']` and `'a,b'`, undefined, null and `'null'`, NFC and NFD, `1n` and `1`, a Date and its text
 * are all different. The order of object keys, of Map entries and of Set members makes no difference, and neither
 * does the sign of zero or a member that is undefined. The text is one token of printable ASCII without whitespace,
 * braces, glob characters, or any of `; & =`.
 *
 * @param value what to encode: primitives, arrays, plain objects, instances of classes that hold plain data (the name
 *   of the class is part of the text), Map, Set, Date, RegExp, URL, buffers and typed arrays
 * @param sortLists whether the order of arrays makes no difference either; default false
 * @throws {UnencodableError} with the path where it was met, for functions, symbols and symbol keys, cycles, more than
 *   64 levels, classes with private state, and everything that is not data (streams, promises, an EntityManager …)
 *
 * @example
 * ```ts
 * encodeValue(42);                   // 42
 * encodeValue('42');                 // '42'
 * encodeValue({ b: [1], a: 'x y' }); // @(a:'x%20y',b:(1))
 * ```
 * @publicApi
 */
export function encodeValue(value: unknown, sortLists = false): string {
  switch (typeof value) {
    case 'string':
      return encodeText(value);
    case 'number':
      return `${value}`;
    default:
      return encodeOther(value, sortLists);
  }
}

/** An object without members, whose text is known. */
export const NO_MEMBERS: Readonly<Record<string, unknown>> = Object.freeze({});

function encodeOther(value: unknown, sortLists: boolean): string {
  if (value === NO_MEMBERS) return '@()';
  return guardEncoding(new GraphEncoder(sortLists), value);
}

/**
 * Encodes a list that was made for the key, so that it surely has members only: the text is that of {@link encodeValue},
 * but simple members cost what they cost alone.
 */
export function encodeList(values: readonly unknown[]): string {
  let text = '(';
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const kind = typeof value;
    if ((kind === 'object' && value !== null) || kind === 'function' || kind === 'symbol')
      return encodeValue(values);
    text += (index === 0 ? '' : ',') + encodeScalar(value as Scalar);
  }
  return `${text})`;
}

/** Runs an encoder; what getters and proxies of the value throw becomes an {@link UnencodableError}. */
export function guardEncoding(encoder: GraphEncoder, value: unknown): string {
  try {
    return encoder.encode(value);
  } catch (error) {
    if (error instanceof UnencodableError) throw error;
    throw new UnencodableError([], 'an object that throws when it is read', undefined, { cause: error });
  }
}
