import { defineOwn, isNative, type KnownClasses, localPrototype, obstacleOf } from './classes.js';

/** Why a value cannot be stored: the path to the part that cannot, and what to return in its place. */
export class Unstorable {
  constructor(
    readonly path: string,
    readonly what: string,
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

/**
 * Copies a value and checks that it can be stored, alike for every store. Storable are primitives except symbols, arrays, plain
 * objects, Date, RegExp, Map, Set, Buffer, typed arrays, ArrayBuffer, and instances of known classes. Cycles and shared references
 * are kept.
 */
export function takeSnapshot(value: unknown, classes: KnownClasses): Snapshot | Unstorable {
  const copier = new SnapshotTaker(classes);
  try {
    const copied = copier.copy(value);
    const { size, tree, freezable, exotic } = copier;
    return { value: copied, size, tree, freezable, exotic };
  } catch (error) {
    if (error instanceof Unstorable) return error;
    throw error;
  }
}

class SnapshotTaker {
  size = 0;
  tree = true;
  freezable = true;
  exotic = false;
  readonly #seen = new Map<object, object>();
  readonly #path: string[] = [];

  constructor(private readonly classes: KnownClasses) {}

  copy(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        this.size += 16 + 2 * value.length;
        if (!value.isWellFormed()) this.exotic = true;
        return value;
      case 'function':
        throw this.#refuse('is a function. Return data, or leave this method uncached.');
      case 'symbol':
        throw this.#refuse('is a symbol. Return data, or leave this method uncached.');
      case 'object':
        if (value !== null) return this.#object(value);
    }
    this.size += 8;
    if (Object.is(value, -0)) this.exotic = true;
    return value;
  }

  /** Copies a member; the path is used only if it is refused. */
  #part(value: unknown, at: string): unknown {
    if (typeof value === 'number' || typeof value === 'boolean') return this.copy(value);
    if (this.#path.push(at) > MAX_DEPTH) throw this.#refuse(`is nested deeper than ${MAX_DEPTH} levels.`);
    const copy = this.copy(value);
    this.#path.pop();
    return copy;
  }

  #refuse(what: string): Unstorable {
    return new Unstorable(this.#path.join('').replace(/^\./, ''), what);
  }

  #object(value: object): object {
    const seen = this.#seen.get(value);
    if (seen !== undefined) {
      this.tree = false;
      return seen;
    }
    this.size += 40;
    if (Array.isArray(value)) return this.#array(value);
    const prototype = Object.getPrototypeOf(value) as object | null;
    if (prototype === Object.prototype || prototype === null) return this.#record(value, prototype);
    if (this.classes.has(prototype)) return this.#instance(value, prototype);
    const local = localPrototype(prototype);
    return local === Object.prototype ? this.#record(value, local) : this.#builtin(value, local);
  }

  #instance(value: object, prototype: object): object {
    const obstacle = obstacleOf(prototype);
    if (obstacle === '') return this.#record(value, prototype);
    throw this.#refuse(
      `is an instance of ${className(value)}, which ${obstacle}: a copy would lack them. Return plain data.`,
    );
  }

  #array(value: readonly unknown[]): unknown[] {
    const prototype = Object.getPrototypeOf(value) as object;
    if (prototype !== Array.prototype && localPrototype(prototype) !== Array.prototype) {
      throw this.#refuse(
        `is an instance of ${className(value)}, which extends Array. Return a plain array: Array.from(…).`,
      );
    }
    const copy = new Array<unknown>(value.length);
    this.#seen.set(value, copy);
    let own = 0;
    for (let i = 0; i < value.length; i++) {
      if (!(i in value)) continue;
      own++;
      copy[i] = this.#part(value[i], `[${i}]`);
    }
    if (own !== value.length) this.exotic = true;
    if (Object.keys(value).length !== own) throw this.#refuse('is an array with named properties.');
    return copy;
  }

  #record(value: object, prototype: object | null): object {
    if (prototype !== Object.prototype) this.exotic = true;
    const copy = Object.create(prototype) as Record<string, unknown>;
    this.#seen.set(value, copy);
    for (const key of Reflect.ownKeys(value)) {
      if (typeof key === 'symbol') {
        throw this.#refuse(`has a property with a symbol for its name, ${String(key)}.`);
      }
      const descriptor = Reflect.getOwnPropertyDescriptor(value, key)!;
      if (descriptor.get !== undefined || descriptor.set !== undefined || descriptor.enumerable !== true) {
        this.#path.push(`.${key}`);
        throw this.#refuse(
          'is an accessor or hidden property (a lazy relation, for one). Load the relation eagerly and return plain columns.',
        );
      }
      this.size += 16 + 2 * key.length;
      const isOrdinary = isOrdinaryName(key);
      if (!isOrdinary) this.exotic = true;
      const part = this.#part(descriptor.value, `.${key}`);
      if (isOrdinary && prototype === Object.prototype) copy[key] = part;
      else defineOwn(copy, key, part);
    }
    return copy;
  }

  #builtin(value: object, prototype: object): object {
    this.freezable = false;
    if (!ArrayBuffer.isView(value) && BUILT_IN.has(prototype) && Object.keys(value).length > 0) {
      throw this.#refuse(`is a ${className(value)} with named properties. Return them beside it.`);
    }
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
        map.set(this.#part(key, '<key>'), this.#part(item, '<value>'));
      }
      return map;
    }
    if (prototype === Set.prototype) {
      const set = new Set<unknown>();
      this.#seen.set(value, set);
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

/** Name of the property that marks escaped values in a codec (see `wire.ts`); an object that has it is escaped itself. */
export const MARK = '\u0000restflow';

/** True if a codec restores a property of this name; codecs recognise plain objects by their `constructor`. */
export function isOrdinaryName(name: string): boolean {
  return name !== '__proto__' && name !== 'constructor' && name !== MARK && name.isWellFormed();
}

/** Copies a Date, RegExp, Buffer, ArrayBuffer or typed array; `undefined` for anything else. */
function copyBytesOrTime(value: object, prototype: object): object | undefined {
  if (prototype === Date.prototype) return new Date((value as Date).getTime());
  if (prototype === Buffer.prototype) return Buffer.from(value as Buffer);
  if (prototype === RegExp.prototype) return copyRegExp(value as RegExp);
  if (prototype === ArrayBuffer.prototype) return (value as ArrayBuffer).slice(0);
  if (ArrayBuffer.isView(value) && TYPED_ARRAYS.has(prototype)) return (value as Uint8Array).slice();
  return undefined;
}

function copyRegExp(value: RegExp): RegExp {
  const copy = new RegExp(value);
  copy.lastIndex = value.lastIndex;
  return copy;
}

function className(value: object): string {
  const { name } = (value.constructor ?? {}) as { name?: string };
  return name === undefined || name === '' ? 'a class without a name' : name;
}

const BUILT_IN = new Set<object>([Date, RegExp, Map, Set, ArrayBuffer].map((type) => type.prototype));

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

/** Copies the value of a snapshot, so that a caller may change its copy. */
export function copySnapshot(snapshot: Snapshot): unknown {
  const { value } = snapshot;
  if (typeof value !== 'object' || value === null) return value;
  return snapshot.tree ? copyTree(value) : copyGraph(value, new Map());
}

/** Copies a snapshot without shared references: no map of seen objects is needed. On the hit path. */
function copyTree(value: object): object {
  if (Array.isArray(value)) {
    const length = value.length;
    const copy = new Array<unknown>(length);
    for (let i = 0; i < length; i++) {
      const item: unknown = value[i];
      if (typeof item === 'object' && item !== null) copy[i] = copyTree(item);
      else if (item !== undefined || i in value) copy[i] = item;
    }
    return copy;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  const isPlain = prototype === Object.prototype;
  if (!isPlain && prototype !== null) {
    const special = copyBytesOrTime(value, prototype) ?? copyCollection(value, prototype, copyTreeMember);
    if (special !== undefined) return special;
  }
  const copy = (isPlain ? {} : Object.create(prototype)) as Record<string, unknown>;
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const item = (value as Record<string, unknown>)[key];
    const own = typeof item === 'object' && item !== null ? copyTree(item) : item;
    if (isPlain && key !== '__proto__') copy[key] = own;
    else defineOwn(copy, key, own);
  }
  return copy;
}

function copyTreeMember(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? copyTree(value) : value;
}

function copyGraph(value: unknown, seen: Map<object, object>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known;
  const copyItem = (item: unknown): unknown => copyGraph(item, seen);
  const remember = (copy: object): void => void seen.set(value, copy);
  if (Array.isArray(value)) {
    const copy = new Array<unknown>(value.length);
    remember(copy);
    value.forEach((item, i) => (copy[i] = copyItem(item)));
    return copy;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== Object.prototype && prototype !== null) {
    const bytes = copyBytesOrTime(value, prototype);
    if (bytes !== undefined) remember(bytes);
    const special = bytes ?? copyCollection(value, prototype, copyItem, remember);
    if (special !== undefined) return special;
  }
  const copy = Object.create(prototype) as object;
  remember(copy);
  for (const [key, item] of Object.entries(value)) defineOwn(copy, key, copyItem(item));
  return copy;
}

function copyCollection(
  value: object,
  prototype: object,
  copyItem: (item: unknown) => unknown,
  remember?: (copy: object) => void,
): object | undefined {
  if (prototype === Map.prototype) {
    const map = new Map<unknown, unknown>();
    remember?.(map);
    for (const [key, item] of value as Map<unknown, unknown>) map.set(copyItem(key), copyItem(item));
    return map;
  }
  if (prototype === Set.prototype) {
    const set = new Set<unknown>();
    remember?.(set);
    for (const item of value as Set<unknown>) set.add(copyItem(item));
    return set;
  }
  return undefined;
}

/** Freezes a snapshot deeply, in place. Only for snapshots that are `freezable`. */
export function freezeSnapshot(snapshot: Snapshot): void {
  freeze(snapshot.value);
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const key of Object.keys(value)) freeze((value as Record<string, unknown>)[key]);
}
