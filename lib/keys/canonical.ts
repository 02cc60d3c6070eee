import { types } from 'node:util';
import { UnencodableError } from './key-errors.js';
import { encodeScalar, encodeText, quoteText, type Scalar } from './scalars.js';

/**
 * Encodes a value as a text that no other value has; simple values stay readable.
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

/** An empty object that {@link encodeValue} recognises, without an encoder. */
export const NO_MEMBERS: Readonly<Record<string, unknown>> = Object.freeze({});

function encodeOther(value: unknown, sortLists: boolean): string {
  if (value === NO_MEMBERS) return '@()';
  return guardEncoding(new GraphEncoder(sortLists), value);
}

/**
 * Encodes an array that was made for the key, so that it has no other properties: the same text as {@link encodeValue} writes, without
 * an encoder if all members are simple.
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

/** Runs an encoder. Errors of getters and proxies of the value become an {@link UnencodableError}. */
export function guardEncoding(encoder: GraphEncoder, value: unknown): string {
  try {
    return encoder.encode(value);
  } catch (error) {
    if (error instanceof UnencodableError) throw error;
    throw new UnencodableError([], 'an object whose getter or proxy throws', undefined, { cause: error });
  }
}

/** Objects nested deeper than this are not encoded. */
export const MAX_ENCODING_DEPTH = 64;
/** Values with more members than this, counted over all levels, are not encoded. */
export const MAX_ENCODING_NODES = 1_000_000;

/** A hole in a sparse array, which differs from `undefined`. */
const HOLE = '~~';

/**
 * Encodes objects and their members. One instance encodes one top-level value.
 *
 * | value | text |
 * |---|---|
 * | array | `(1,2)` |
 * | plain object | `@(a:1,b:2)`, sorted by name, undefined members left out |
 * | instance of a class | `@UserDto(a:1)` |
 * | Map, Set | `Map(a:1)`, `Set(a,b)`, sorted by text |
 * | Date, RegExp, URL, typed arrays … | `Date(…)`, with `@Name` before the bracket for a subclass |
 */
export class GraphEncoder {
  readonly #ancestors: object[] = [];
  readonly #path: string[] = [];
  #nodes = 0;

  /** @param sortLists whether the order of arrays makes no difference */
  constructor(protected readonly sortLists: boolean) {}

  /** Encodes any value. */
  encode(value: unknown): string {
    if (++this.#nodes > MAX_ENCODING_NODES) this.#fail(`more than ${MAX_ENCODING_NODES} members`);
    switch (typeof value) {
      case 'object':
        return value === null ? this.scalar(null) : this.#nested(value);
      case 'function':
        return this.#fail('a function');
      case 'symbol':
        return this.#fail('a symbol');
      default:
        return this.scalar(value as Scalar);
    }
  }

  protected scalar(value: Scalar): string {
    return encodeScalar(value);
  }

  /** True if a member of an object is left out. */
  protected isAbsent(value: unknown): boolean {
    return value === undefined;
  }

  /** @param members their texts */
  protected set(members: string[], className: string): string {
    return `${this.brand('Set', className)}(${members.sort().join(',')})`;
  }

  /** The text of an object without members: Date, RegExp, URL, bytes. */
  protected leaf(brand: string, className: string, text: string): string {
    return `${this.brand(brand, className)}(${text})`;
  }

  /** The text before the bracket: the built-in kind, and the class if it is a subclass. */
  protected brand(kind: string, className: string): string {
    return kind === className ? kind : `${kind}@${encodeText(className)}`;
  }

  #nested(value: object): string {
    if (this.#ancestors.length >= MAX_ENCODING_DEPTH)
      this.#fail(`nested deeper than ${MAX_ENCODING_DEPTH} levels`);
    if (this.#ancestors.includes(value)) this.#fail('a part of itself (a cycle)');
    this.#ancestors.push(value);
    const text = this.#object(value);
    this.#ancestors.pop();
    return text;
  }

  #object(value: object): string {
    if (Object.getOwnPropertySymbols(value).length > 0) this.#fail(`${kindOf(value)} with symbol keys`);
    if (Array.isArray(value)) return this.#array(value);
    if (types.isMap(value)) return this.#map(value);
    if (types.isSet(value)) return this.#set(value);
    if (ArrayBuffer.isView(value)) return this.#view(value);
    if (types.isDate(value)) {
      const time = Date.prototype.getTime.call(value);
      return this.#builtIn(value, 'Date', Number.isNaN(time) ? 'NaN' : new Date(time).toISOString());
    }
    if (types.isAnyArrayBuffer(value)) {
      const brand = types.isArrayBuffer(value) ? 'ArrayBuffer' : 'SharedArrayBuffer';
      return this.#builtIn(value, brand, Buffer.from(value).toString('hex'));
    }
    if (types.isRegExp(value)) {
      return this.#builtIn(value, 'RegExp', `${quoteText(value.source)},${value.flags},${value.lastIndex}`);
    }
    const tag = Object.prototype.toString.call(value);
    if (tag === '[object URL]' || tag === '[object URLSearchParams]')
      return this.#url(value, tag.slice(8, -1));
    if (tag !== '[object Object]') this.#fail(kindOf(value));
    return `@${this.#className(value)}${this.#members(value, Object.keys(value))}`;
  }

  #array(array: readonly unknown[]): string {
    const keys = Object.keys(array).length;
    const items: string[] = [];
    let present = 0;
    for (let index = 0; index < array.length; index++) {
      if (keys !== array.length && !Object.hasOwn(array, index)) {
        if (++this.#nodes > MAX_ENCODING_NODES) this.#fail(`more than ${MAX_ENCODING_NODES} members`);
        items.push(HOLE);
        continue;
      }
      present++;
      items.push(this.#member(String(index), array[index]));
    }
    if (keys !== present) this.#fail('an array with named properties');
    if (this.sortLists) items.sort();
    const className = this.#nameOf(array, 'Array');
    return `${className === 'Array' ? '' : this.brand('Array', className)}(${items.join(',')})`;
  }

  #map(map: Map<unknown, unknown>): string {
    this.#refuseProperties(map, 'map');
    const entries: string[] = [];
    for (const [key, value] of Map.prototype.entries.call(map)) {
      const name = this.#member('(key)', key);
      entries.push(`${name}:${this.#member(name, value)}`);
    }
    return `${this.brand('Map', this.#nameOf(map, 'Map'))}(${entries.sort().join(',')})`;
  }

  #set(set: Set<unknown>): string {
    this.#refuseProperties(set, 'set');
    const members: string[] = [];
    for (const member of Set.prototype.values.call(set)) members.push(this.#member('(member)', member));
    return this.set(members, this.#nameOf(set, 'Set'));
  }

  #view(view: ArrayBufferView): string {
    const brand = types.isTypedArray(view) ? view[Symbol.toStringTag] : 'DataView';
    const length = types.isTypedArray(view) ? view.length : 0;
    if (Object.keys(view).length !== length) this.#fail('a binary array with named properties');
    const text =
      types.isFloat32Array(view) || types.isFloat64Array(view)
        ? Array.from(view, encodeScalar).join(',') // by value: every NaN is one, and so are the zeros
        : Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString('hex');
    return this.leaf(brand, this.#nameOf(view, brand), text);
  }

  #url(value: object, brand: string): string {
    return this.#builtIn(value, brand, quoteText(String(value)));
  }

  #builtIn(value: object, brand: string, text: string): string {
    this.#refuseProperties(value, brand);
    return this.leaf(brand, this.#nameOf(value, brand), text);
  }

  #members(value: object, names: string[]): string {
    const record = value as Readonly<Record<string, unknown>>;
    let text = '';
    for (const name of names.sort()) {
      const member = record[name];
      if (this.isAbsent(member)) continue;
      text += `${text === '' ? '' : ','}${encodeText(name)}:${this.#member(name, member)}`;
    }
    return `(${text})`;
  }

  #member(step: string, value: unknown): string {
    if (typeof value !== 'object' || value === null) {
      if (typeof value !== 'function' && typeof value !== 'symbol') {
        if (++this.#nodes > MAX_ENCODING_NODES) this.#fail(`more than ${MAX_ENCODING_NODES} members`);
        return this.scalar(value as Scalar);
      }
    }
    this.#path.push(step);
    const text = this.encode(value);
    this.#path.pop();
    return text;
  }

  #className(value: object): string {
    const prototype: object | null = Object.getPrototypeOf(value);
    if (isPlainPrototype(prototype)) return '';
    const shape = classShape(prototype!);
    if (shape.opaque !== undefined) this.#fail(shape.opaque);
    return this.brand('', shape.name).slice(1);
  }

  /** The name of the class of a built-in object. Fails for a subclass with private state. */
  #nameOf(value: object, kind: string): string {
    const prototype: object | null = Object.getPrototypeOf(value);
    if (prototype === null) return '';
    const shape = classShape(prototype);
    if (shape.name !== kind && shape.opaque !== undefined) this.#fail(shape.opaque);
    return shape.name;
  }

  #refuseProperties(value: object, kind: string): void {
    if (Object.keys(value).length > 0) this.#fail(`a ${kind} with named properties`);
  }

  #fail(reason: string): never {
    throw new UnencodableError([...this.#path], reason);
  }
}

/** Describes an object in messages, by its class if it has one. */
function kindOf(value: object): string {
  const prototype: object | null = Object.getPrototypeOf(value);
  const className = prototype === null ? '' : classShape(prototype).name;
  return `an object of the kind ${className || Object.prototype.toString.call(value).slice(8, -1)}`;
}

/** Properties of a class that decide how its instances are encoded. */
export interface ClassShape {
  /** The name of the class; `''` for an anonymous one. */
  readonly name: string;
  /** Why the properties of an instance do not hold its whole state; `undefined` if they do. */
  readonly opaque: string | undefined;
}

const shapes = new WeakMap<object, ClassShape>();

/** Private state in use: `this.#x`, and its output by TypeScript, swc and Babel for old targets. */
const PRIVATE_STATE = /\.#[\p{ID_Start}$_]|\.set\(this,|private_?field_?init/iu;

/** Describes the class of a prototype, once for each prototype. */
export function classShape(prototype: object): ClassShape {
  let shape = shapes.get(prototype);
  if (shape === undefined) {
    shape = describe(prototype);
    shapes.set(prototype, shape);
  }
  return shape;
}

/** True for the prototype of a plain object of any realm: jest runs tests in one of their own. */
export function isPlainPrototype(prototype: object | null): boolean {
  return (
    prototype === Object.prototype ||
    prototype === null ||
    (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf'))
  );
}

function describe(prototype: object): ClassShape {
  const constructor: unknown = Object.hasOwn(prototype, 'constructor') ? prototype.constructor : undefined;
  if (typeof constructor !== 'function')
    return { name: '', opaque: 'an object whose prototype has no class' };
  const name = typeof constructor.name === 'string' ? constructor.name : '';
  for (let level: object | null = prototype; !isPlainPrototype(level); level = Object.getPrototypeOf(level)) {
    const source = Function.prototype.toString.call(level!.constructor);
    if (PRIVATE_STATE.test(source)) {
      return { name, opaque: `an instance of ${name || 'a class'}, whose private state cannot be read` };
    }
  }
  return { name, opaque: undefined };
}
