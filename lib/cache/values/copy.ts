import { defineOwn } from './classes.js';
import { copyBytes, indexesOf, isSparse, sparseArray } from './own-copy.js';

/** The part of a snapshot that copying needs. */
interface CopiedSnapshot {
  readonly value: unknown;
  /** False if it holds shared references, cycles or arrays with holes. */
  readonly tree: boolean;
}

/** Copies the value of a snapshot, so that a caller may change its copy. */
export function copySnapshot(snapshot: CopiedSnapshot): unknown {
  const { value } = snapshot;
  if (typeof value !== 'object' || value === null) return value;
  return snapshot.tree ? copyTree(value) : copyGraph(value, new Map());
}

/**
 * Copies a snapshot without shared references and holes: no map of seen objects is needed. On the hit path: V8 copies an object or array
 * as a whole faster than its members one by one (`npm run bench -- library`).
 */
function copyTree(value: object): object {
  if (Array.isArray(value)) {
    const copy = value.slice() as unknown[];
    for (let i = 0; i < copy.length; i++) {
      const item = copy[i];
      if (typeof item === 'object' && item !== null) copy[i] = copyTree(item);
    }
    return copy;
  }
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype === Object.prototype) return copyRecord(value as Record<string, unknown>);
  const special =
    prototype === null
      ? undefined
      : (copyBytesOrTime(value, prototype) ?? copyCollection(value, prototype, copyTreeMember));
  if (special !== undefined) return special;
  const copy = Object.create(prototype) as object;
  for (const [key, item] of Object.entries(value)) defineOwn(copy, key, copyTreeMember(item));
  return copy;
}

function copyRecord(value: Record<string, unknown>): Record<string, unknown> {
  const copy = { ...value };
  for (const key in copy) {
    const item = copy[key];
    // A member of Object.prototype that somebody added is none of the copy.
    if (typeof item === 'object' && item !== null && Object.hasOwn(copy, key)) copy[key] = copyTree(item);
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
    const hasHoles = isSparse(value);
    const copy = hasHoles ? sparseArray(value.length) : new Array<unknown>(value.length);
    remember(copy);
    if (hasHoles) for (const i of indexesOf(value)) copy[i] = copyItem(value[i]);
    else for (let i = 0; i < value.length; i++) copy[i] = copyItem(value[i]);
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

/**
 * Copies a Date, RegExp, Buffer, ArrayBuffer or typed array; `undefined` for anything else.
 * @param isKept whether the copy is kept, and so must not be a part of Node's pool of Buffers
 */
export function copyBytesOrTime(value: object, prototype: object, isKept = false): object | undefined {
  if (prototype === Date.prototype) return new Date((value as Date).getTime());
  if (prototype === Buffer.prototype)
    return isKept ? copyBytes(value as Buffer) : Buffer.from(value as Buffer);
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

export const TYPED_ARRAYS = new Set<object>(
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

/** Freezes a snapshot deeply, in place. Only for snapshots that are `freezable`. */
export function freezeSnapshot(snapshot: { readonly value: unknown }): void {
  freeze(snapshot.value);
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const key of Object.keys(value)) freeze((value as Record<string, unknown>)[key]);
}
