import { defineOwn, isNative, type KnownClasses, localPrototype } from './classes.js';
import { copyBytesOrTime, copySnapshot, TYPED_ARRAYS } from './copy.js';
import {
  copyNumbers,
  copyText,
  hasNamedProperties,
  hasOwnProperties,
  indexesOf,
  isSparse,
  type OwnText,
  sparseArray,
} from './own-copy.js';
import { noteObstacle, obstacleOf, revivalObstacle } from './revival.js';

/** Why a value cannot be stored: the path to the part that cannot, and what to return in its place. */
export class Unstorable {
  constructor(
    readonly path: string,
    readonly what: string,
    /** The same for all values with this obstacle, so that it is logged once. */
    readonly topic: string = what,
  ) {}

  toString(): string {
    return `the value${this.path === '' ? '' : ` at ${this.path}`} ${this.what}`;
  }
}

/** A private copy of a value, and what decides how it is copied, frozen and encoded. */
export interface Snapshot {
  readonly value: unknown;
  /** Estimated bytes. */
  readonly size: number;
  /** False if it holds shared references or cycles, which a copy must keep. */
  readonly tree: boolean;
  /** False if it holds something that `Object.freeze` does not protect: a Date, Map, Set or bytes. */
  readonly freezable: boolean;
  /** True if it holds something that a binary codec would not restore (see `wire.ts`). */
  readonly exotic: boolean;
}

/** Deeper values are refused, since copying them would overflow the stack. */
const MAX_DEPTH = 500;

/** Estimated bytes in memory, as measured on 64-bit V8 (test/stores/memory). */
const SLOT = 8;
const BOXED_NUMBER = 16;
const RECORD = 24;
const ARRAY = 48;
const BYTES = 200;
/** A Date, RegExp or other object with state of its own. */
const OTHER = 96;
/** A table that V8 allocates for a Map or Set has room for 4, 8, 16 … entries. */
const TABLE = 96;
const MAP_ENTRY = 28;
const SET_ENTRY = 20;
/** One element of a sparse array. */
const SPARSE_ELEMENT = 48;

/**
 * Copies a value and checks that it can be stored, alike for every store. Storable are primitives except symbols, arrays, plain
 * objects, Date, RegExp, Map, Set, Buffer, typed arrays, ArrayBuffer, and instances of known classes. Cycles and shared references
 * are kept. The copy keeps nothing of the value in memory.
 *
 * @param maxBytes estimated size above which the value is refused; nothing is copied beyond it
 */
export function takeSnapshot(
  value: unknown,
  classes: KnownClasses,
  maxBytes = Infinity,
): Snapshot | Unstorable {
  const copier = new SnapshotTaker(classes, maxBytes);
  try {
    const copied = copier.copy(value);
    copier.compareInstances();
    const { size, tree, freezable, exotic } = copier;
    return { value: copied, size: Math.ceil(size), tree, freezable, exotic };
  } catch (error) {
    if (error instanceof Unstorable) return error;
    throw error;
  }
}

/** An instance of a class that was not compared with a copy yet. */
interface UncomparedInstance {
  readonly original: object;
  readonly copy: object;
  readonly path: string;
}

/** Instances of one class that are compared with their copies, if the first ones give no result. */
const MAX_COMPARED = 5;

class SnapshotTaker {
  size = SLOT;
  tree = true;
  freezable = true;
  exotic = false;
  readonly #seen = new Map<object, object>();
  readonly #path: string[] = [];
  readonly #text: OwnText = { text: '', bytes: 0 };
  #instances: Map<object, UncomparedInstance[]> | undefined;
  /** Fraction of the outermost array or Map that is copied, to estimate the whole. */
  #progress = 1;

  constructor(
    private readonly classes: KnownClasses,
    private readonly maxBytes: number,
  ) {}

  copy(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return this.#string(value);
      case 'number':
        // V8 keeps small whole numbers in the slot itself.
        if ((value | 0) !== value) this.size += BOXED_NUMBER;
        else if (Object.is(value, -0)) this.exotic = true;
        return value;
      case 'bigint':
        this.#grow(BOXED_NUMBER + bytesOf(value));
        return value;
      case 'function':
        throw this.#refuse('is a function. Return data, or leave this method uncached.');
      case 'symbol':
        throw this.#refuse('is a symbol. Return data, or leave this method uncached.');
      case 'object':
        if (value !== null) return this.#object(value);
    }
    return value;
  }

  #string(value: string): string {
    // Before it is copied: it may be a large one.
    if (value.length > this.maxBytes) throw this.#tooLarge(value.length);
    copyText(value, this.#text);
    this.#grow(this.#text.bytes);
    if (!value.isWellFormed()) this.exotic = true;
    return this.#text.text;
  }

  /** Copies a member; the path is used only if it is refused. */
  #part(value: unknown, at: string): unknown {
    if (typeof value === 'number' || typeof value === 'boolean') return this.copy(value);
    if (this.#path.push(at) > MAX_DEPTH) throw this.#refuse(`is nested deeper than ${MAX_DEPTH} levels.`);
    const copy = this.copy(value);
    this.#path.pop();
    return copy;
  }

  #grow(bytes: number): void {
    this.size += bytes;
    if (this.size > this.maxBytes) throw this.#tooLarge(0);
  }

  /** @param more bytes that were not copied */
  #tooLarge(more: number): Unstorable {
    const total = Math.max(this.size + more, this.size / this.#progress);
    return new Unstorable(
      '',
      `takes about ${inMegabytes(total)} in memory, and maxValueBytes is ${inMegabytes(this.maxBytes)}. Cache its parts by themselves, ` +
        `or write a larger maxValueBytes: copying 1 MB blocks the event loop for about ten milliseconds.`,
      'maxValueBytes',
    );
  }

  #refuse(what: string): Unstorable {
    return new Unstorable(this.#where(), what);
  }

  #where(): string {
    return this.#path.join('').replace(/^\./, '');
  }

  #object(value: object): object {
    const seen = this.#seen.get(value);
    if (seen !== undefined) {
      this.tree = false;
      return seen;
    }
    if (Array.isArray(value)) return this.#array(value);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype || prototype === null) return this.#record(value, prototype);
    if (this.classes.has(prototype)) return this.#instance(value, prototype);
    if (BUILT_IN.has(prototype)) return this.#builtin(value, prototype);
    const local = localPrototype(prototype);
    return local === Object.prototype ? this.#record(value, local) : this.#builtin(value, local);
  }

  #instance(value: object, prototype: object): object {
    const obstacle = obstacleOf(prototype);
    if (obstacle === undefined) {
      const path = this.#where();
      const copy = this.#record(value, prototype);
      this.#instances ??= new Map();
      const known = this.#instances.get(prototype);
      if (known === undefined) this.#instances.set(prototype, [{ original: value, copy, path }]);
      else if (known.length < MAX_COMPARED) known.push({ original: value, copy, path });
      return copy;
    }
    if (obstacle !== '') throw this.#refuse(instanceRefusal(value, obstacle));
    return this.#record(value, prototype);
  }

  /** Compares the copies of instances with their originals, once for each class: a copy may lack private state. */
  compareInstances(): void {
    for (const [prototype, instances] of this.#instances ?? []) {
      for (const { original, copy, path } of instances) {
        if (obstacleOf(prototype) !== undefined) break;
        // Another copy, since getters may change it.
        const revived = copySnapshot({ value: copy, tree: false }) as object;
        const obstacle = revivalObstacle(original, revived);
        noteObstacle(prototype, obstacle);
        if (obstacle !== undefined && obstacle !== '')
          throw new Unstorable(path, instanceRefusal(original, obstacle));
      }
    }
  }

  #array(value: readonly unknown[]): unknown[] {
    const prototype = Object.getPrototypeOf(value) as object;
    if (prototype !== Array.prototype && localPrototype(prototype) !== Array.prototype) {
      throw this.#refuse(
        `is an instance of ${className(value)}, which extends Array. Return a plain array: Array.from(…).`,
      );
    }
    if (isSparse(value)) return this.#sparse(value);
    const { length } = value;
    this.#grow(ARRAY + SLOT * length);
    const numbers = copyNumbers(value);
    const copy = numbers ?? new Array<unknown>(length);
    this.#seen.set(value, copy);
    const isOutermost = this.#path.length === 0;
    for (let i = 0; i < length && numbers === undefined; i++) {
      const item = value[i];
      if (isOutermost) this.#progress = (i + 1) / length;
      copy[i] = this.#part(item, `[${i}]`);
    }
    if (hasNamedProperties(value, copy)) throw this.#refuse(ARRAY_WITH_NAMES);
    return copy;
  }

  /** Copies an array with holes: only the elements that it has, since there may be few between a billion holes. */
  #sparse(value: readonly unknown[]): unknown[] {
    this.exotic = true;
    // A tree is copied by index.
    this.tree = false;
    const indexes = indexesOf(value);
    const { length } = value;
    if (Reflect.ownKeys(value).length !== indexes.length + 1 || indexes.some(Number.isNaN))
      throw this.#refuse(ARRAY_WITH_NAMES);
    const copy = sparseArray(length);
    this.#seen.set(value, copy);
    for (const i of indexes) {
      this.#grow(SPARSE_ELEMENT);
      copy[i] = this.#part(value[i], `[${i}]`);
    }
    return copy;
  }

  #record(value: object, prototype: object | null): object {
    const isPlain = prototype === Object.prototype;
    if (!isPlain) this.exotic = true;
    const names = Reflect.ownKeys(value);
    for (const name of names) this.#assertCopyable(value, name);
    // A copy with the shape of the original takes the least memory.
    const copy = (isPlain ? { ...value } : Object.create(prototype)) as Record<string, unknown>;
    this.#seen.set(value, copy);
    this.#grow(RECORD + SLOT * names.length);
    for (const key of names as string[]) {
      const isOrdinary = isOrdinaryName(key);
      if (!isOrdinary) this.exotic = true;
      // Names of large records are seldom those of others.
      if (names.length > MAX_SHARED_NAMES) this.size += OWN_NAME + key.length;
      const part = this.#part((value as Record<string, unknown>)[key], `.${key}`);
      if (isOrdinary && isPlain) copy[key] = part;
      else defineOwn(copy, key, part);
    }
    return copy;
  }

  #assertCopyable(value: object, key: string | symbol): void {
    if (typeof key === 'symbol')
      throw this.#refuse(`has a property with a symbol for its name, ${String(key)}.`);
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key)!;
    if (descriptor.get === undefined && descriptor.set === undefined && descriptor.enumerable === true)
      return;
    this.#path.push(`.${key}`);
    throw this.#refuse(
      'is an accessor or hidden property (a lazy relation, for one). Load the relation eagerly and return plain columns.',
    );
  }

  #map(value: Map<unknown, unknown>): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    this.#seen.set(value, map);
    this.#grow(TABLE + MAP_ENTRY * tableSize(value.size));
    const isOutermost = this.#path.length === 0;
    for (const [key, item] of value) {
      if (isOutermost) this.#progress = (map.size + 1) / value.size;
      map.set(this.#part(key, '<key>'), this.#part(item, '<value>'));
    }
    return map;
  }

  #builtin(value: object, prototype: object): object {
    this.freezable = false;
    if (BUILT_IN.has(prototype) && hasOwnProperties(value))
      throw this.#refuse(
        `is a ${className(value)} with named properties (hidden ones and symbols count). Return them beside it.`,
      );
    if (ArrayBuffer.isView(value) || prototype === ArrayBuffer.prototype) {
      const { byteLength } = value as ArrayBuffer;
      this.#grow(BYTES + byteLength);
    }
    const copy = copyBytesOrTime(value, prototype, true);
    if (copy !== undefined) {
      this.#seen.set(value, copy);
      if (!ArrayBuffer.isView(copy)) this.#grow(OTHER);
      if (prototype === RegExp.prototype && (value as RegExp).lastIndex !== 0) this.exotic = true;
      return copy;
    }
    if (prototype === Map.prototype) return this.#map(value as Map<unknown, unknown>);
    if (prototype === Set.prototype) {
      const set = new Set<unknown>();
      this.#seen.set(value, set);
      this.#grow(TABLE + SET_ENTRY * tableSize((value as Set<unknown>).size));
      for (const item of value as Set<unknown>) set.add(this.#part(item, '<item>'));
      return set;
    }
    const name = className(value);
    const advice = isNative(value.constructor)
      ? 'Return plain data (await what is a promise).'
      : `Declare it with type: () => ${name}, or return plain data.`;
    throw this.#refuse(`is an instance of ${name}, which would not come back as one. ${advice}`);
  }
}

function bytesOf(value: bigint): number {
  return BigInt.asIntN(64, value) === value ? SLOT : value.toString(16).length / 2;
}

/** Records with more properties have a table of names each. */
const MAX_SHARED_NAMES = 128;
const OWN_NAME = 48;

/** Entries that V8 allocates a table for. */
function tableSize(entries: number): number {
  return entries <= 4 ? 4 : 2 ** Math.ceil(Math.log2(entries));
}

const ARRAY_WITH_NAMES =
  'is an array with named properties (hidden ones and symbols count). Return them beside it.';

function inMegabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

function instanceRefusal(value: object, obstacle: string): string {
  return `is an instance of ${className(value)}, which ${obstacle}. Return plain data.`;
}

/** Name of the property that marks escaped values in a codec (see `wire.ts`); an object that has it is escaped itself. */
export const MARK = '\u0000restflow';

/** True if a codec restores a property of this name; codecs recognise plain objects by their `constructor`. */
export function isOrdinaryName(name: string): boolean {
  return name !== '__proto__' && name !== 'constructor' && name !== MARK && name.isWellFormed();
}

function className(value: object): string {
  const { name } = (value.constructor ?? {}) as { name?: string };
  return name === undefined || name === '' ? 'a class without a name' : name;
}

/** Prototypes of what is copied as a whole. */
const BUILT_IN = new Set<object>([
  ...[Date, RegExp, Map, Set, ArrayBuffer, Buffer].map((type) => type.prototype as object),
  ...TYPED_ARRAYS,
]);
