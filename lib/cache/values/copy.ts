import { define } from './define.js';
import { defineOn } from './instances.js';
import { copyBytesOrTime, type Snapshot } from './snapshot.js';

/** Copies a snapshot so that a caller may change what it gets. The value is known to be storable. */
export function copySnapshot(snapshot: Snapshot): unknown {
  const { value } = snapshot;
  if (typeof value !== 'object' || value === null) return value;
  return snapshot.tree ? copyTree(value) : copyGraph(value, new Map());
}

/** The common case, a tree: no book is kept of what was seen. */
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
  if (prototype !== Object.prototype && prototype !== null) {
    const special =
      copyBytesOrTime(value, prototype) ?? copyCollection(value, prototype, (item) => copyAny(item));
    if (special !== undefined) return special;
  }
  return copyRecord(value, prototype, copyAny);
}

function copyAny(value: unknown): unknown {
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
  return copyRecord(value, prototype, copyItem, remember);
}

function copyRecord(
  value: object,
  prototype: object | null,
  copyItem: (item: unknown) => unknown,
  remember?: (copy: object) => void,
): object {
  const copy: object = prototype === Object.prototype ? {} : (Object.create(prototype) as object);
  const put = prototype === Object.prototype || prototype === null ? define : defineOn;
  remember?.(copy);
  const keys = Object.keys(value);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    put(copy, key, copyItem((value as Record<string, unknown>)[key]));
  }
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

/** Freezes a snapshot in place, wholly; only for snapshots that are `freezable`. */
export function freezeSnapshot(snapshot: Snapshot): void {
  freeze(snapshot.value);
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const key of Object.keys(value)) freeze((value as Record<string, unknown>)[key]);
}
