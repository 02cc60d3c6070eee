import type { KnownClasses } from './known-classes.js';

/** A value that cannot be stored: where in it, and what to write. */
export class Unstorable {
  constructor(
    readonly path: string,
    readonly what: string,
  ) {}

  toString(): string {
    return `the value${this.path === '' ? '' : ` at ${this.path}`} ${this.what}`;
  }
}

/** A copy of a value that nobody else holds, and what the engine must know to hand it out. */
export interface Snapshot {
  readonly value: unknown;
  /** Estimated bytes. */
  readonly size: number;
  /** False when it holds shared references or cycles, so that copying must keep track of them. */
  readonly tree: boolean;
  /** False when it holds something that `Object.freeze` does not protect: a Date, Map, Set or bytes. */
  readonly freezable: boolean;
}

/** Deeper values are refused instead of overflowing the stack. */
const MAX_DEPTH = 500;

/**
 * Copies a value, deciding on the way whether it can be stored: the same answer for every store.
 * Storable are primitives but symbols, arrays, plain objects, Date, RegExp, Map, Set, Buffer, typed arrays, ArrayBuffer,
 * and instances of known classes; cycles and shared references are kept.
 */
export function takeSnapshot(value: unknown, classes: KnownClasses): Snapshot | Unstorable {
  const copier = new SnapshotTaker(classes);
  try {
    const copied = copier.copy(value, '', 0);
    return { value: copied, size: copier.size, tree: copier.tree, freezable: copier.freezable };
  } catch (error) {
    if (error instanceof Unstorable) return error;
    throw error;
  }
}

class SnapshotTaker {
  size = 0;
  tree = true;
  freezable = true;
  readonly #seen = new Map<object, object>();

  constructor(private readonly classes: KnownClasses) {}

  copy(value: unknown, path: string, depth: number): unknown {
    switch (typeof value) {
      case 'string':
        this.size += 16 + 2 * value.length;
        return value;
      case 'function':
        throw new Unstorable(path, 'is a function. Return data, or leave this method uncached.');
      case 'symbol':
        throw new Unstorable(path, 'is a symbol. Return data, or leave this method uncached.');
      case 'object':
        if (value !== null) return this.#object(value, path, depth);
    }
    this.size += 8;
    return value;
  }

  #object(value: object, path: string, depth: number): object {
    const seen = this.#seen.get(value);
    if (seen !== undefined) {
      this.tree = false;
      return seen;
    }
    if (depth > MAX_DEPTH) throw new Unstorable(path, `is nested deeper than ${MAX_DEPTH} levels.`);
    this.size += 40;
    if (Array.isArray(value)) return this.#array(value, path, depth);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype || prototype === null || this.classes.has(prototype)) {
      return this.#record(value, prototype, path, depth);
    }
    return this.#builtin(value, prototype, path, depth);
  }

  #array(value: readonly unknown[], path: string, depth: number): unknown[] {
    const copy = new Array<unknown>(value.length);
    this.#seen.set(value, copy);
    let own = 0;
    for (let i = 0; i < value.length; i++) {
      if (!(i in value)) continue;
      own++;
      copy[i] = this.copy(value[i], `${path}[${i}]`, depth + 1);
    }
    if (Object.keys(value).length !== own) throw new Unstorable(path, 'is an array with named properties.');
    return copy;
  }

  #record(value: object, prototype: object | null, path: string, depth: number): object {
    const copy = Object.create(prototype) as Record<string, unknown>;
    this.#seen.set(value, copy);
    for (const key of Reflect.ownKeys(value)) {
      if (typeof key === 'symbol')
        throw new Unstorable(path, `has a property with a symbol for its name, ${String(key)}.`);
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key)!;
      const at = path === '' ? key : `${path}.${key}`;
      if (descriptor.get !== undefined || descriptor.set !== undefined || descriptor.enumerable !== true) {
        throw new Unstorable(
          at,
          'is an accessor or hidden property (a lazy relation, for one). Load the relation eagerly and return plain columns.',
        );
      }
      this.size += 16 + 2 * key.length;
      define(copy, key, this.copy(descriptor.value, at, depth + 1));
    }
    return copy;
  }

  #builtin(value: object, prototype: object, path: string, depth: number): object {
    this.freezable = false;
    const copy = copyBytesOrTime(value, prototype);
    if (copy !== undefined) {
      this.#seen.set(value, copy);
      this.size += byteLength(copy);
      return copy;
    }
    if (prototype === Map.prototype) {
      const map = new Map<unknown, unknown>();
      this.#seen.set(value, map);
      for (const [key, item] of value as Map<unknown, unknown>) {
        map.set(this.copy(key, `${path}<key>`, depth + 1), this.copy(item, `${path}<value>`, depth + 1));
      }
      return map;
    }
    if (prototype === Set.prototype) {
      const set = new Set<unknown>();
      this.#seen.set(value, set);
      for (const item of value as Set<unknown>) set.add(this.copy(item, `${path}<item>`, depth + 1));
      return set;
    }
    const name = (value.constructor as { name?: string } | undefined)?.name ?? 'an unnamed class';
    throw new Unstorable(
      path,
      `is an instance of ${name}, which would not come back as one. Declare it with type: () => ${name}, or return plain data.`,
    );
  }
}

/** Assigns an own data property, also one named `__proto__`. */
export function define(target: object, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    (target as Record<string, unknown>)[key] = value;
  }
}

/** Copies a Date, RegExp, Buffer, ArrayBuffer or typed array; `undefined` for anything else. */
export function copyBytesOrTime(value: object, prototype: object): object | undefined {
  if (prototype === Date.prototype) return new Date((value as Date).getTime());
  if (prototype === Buffer.prototype) return Buffer.from(value as Buffer);
  if (prototype === RegExp.prototype) return new RegExp(value as RegExp);
  if (prototype === ArrayBuffer.prototype) return (value as ArrayBuffer).slice(0);
  if (ArrayBuffer.isView(value) && TYPED_ARRAYS.has(prototype)) return (value as Uint8Array).slice();
  return undefined;
}

const TYPED_ARRAYS = new Set<object>(
  [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ].map((type) => type.prototype),
);

function byteLength(value: object): number {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? value.byteLength : 16;
}
