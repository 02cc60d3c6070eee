import { isDeepStrictEqual, types } from 'node:util';

/** The objects within a value, keys of maps and members of sets included. */
function objectsIn(value: unknown, found = new Set<object>()): Set<object> {
  if (typeof value !== 'object' || value === null || found.has(value)) return found;
  found.add(value);
  if (ArrayBuffer.isView(value)) return found;
  if (types.isMap(value)) for (const [key, item] of value) objectsIn(item, objectsIn(key, found));
  else if (types.isSet(value)) for (const item of value) objectsIn(item, found);
  else for (const key of Object.keys(value)) objectsIn((value as Record<string, unknown>)[key], found);
  return found;
}

/** The objects that two values both hold, so that changing one changes the other. */
export function sharedObjects(one: unknown, other: unknown): object[] {
  const objects = objectsIn(other);
  return [...objectsIn(one)].filter((object) => objects.has(object));
}

/** Says where two values differ: in structure, type, or in what is one object and what is two. */
export function sameGraph(one: unknown, other: unknown): string {
  if (!isDeepStrictEqual(one, other)) return 'different structure';
  const [ours, theirs] = [[...objectsIn(one)], [...objectsIn(other)]];
  if (ours.length !== theirs.length) return 'different sharing';
  for (const [i, object] of ours.entries()) {
    if (Object.getPrototypeOf(object) !== Object.getPrototypeOf(theirs[i])) return 'different classes';
    if (types.isRegExp(object) && object.lastIndex !== (theirs[i] as RegExp).lastIndex)
      return 'different lastIndex';
  }
  return 'same';
}
