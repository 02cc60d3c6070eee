import { propertyOf } from './property-of.js';

/** The message of an error, to be quoted in another message; anything may be thrown. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message : String(error);
  } catch {
    return 'an error that has no text';
  }
}

/** The beginning of data that another process sent, for a message. */
export function excerpt(value: unknown): string {
  try {
    return String(JSON.stringify(value)).slice(0, 200);
  } catch {
    return describe(value);
  }
}

/** Values of options and arguments as messages show them. */
export function describe(value: unknown): string {
  if (typeof value === 'function') {
    if (isClass(value)) return `the class ${value.name}`;
    return Object.prototype.toString.call(value) === '[object AsyncFunction]'
      ? 'an async function'
      : 'a function';
  }
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  const name = propertyOf(propertyOf(value, 'constructor'), 'name') ?? 'Object';
  return typeof name !== 'string' || name === 'Object' ? 'an object' : `an instance of ${name}`;
}

/** `1 rule`, `2 rules`. @param what in the singular */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

export function isClass(value: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

/** Known names that a mistyped name may stand for, the nearest first; at most three. */
export function nearestNames(name: string, known: readonly string[]): string[] {
  const reach = Math.max(2, Math.ceil(name.length / 3));
  return known
    .map((candidate) => ({ candidate, distance: distanceOf(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= reach)
    .sort((one, other) => one.distance - other.distance)
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

/** Levenshtein distance: letters to insert, delete or replace. */
function distanceOf(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const replaced = row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}

/**
 * The topic of an error in a log that reports each topic once: its code, or its message up to the first value. Whole messages
 * contain ids, so that their number has no bound.
 */
export function topicOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return String(code ?? String(message ?? error).split(/[:/"'\d]/, 1)[0]);
}

/** A copy whose members are sorted by name. */
export function sortMembers(value: object): object {
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** Equal values give equal texts, in every process. Functions are represented by their source, instances by their class. */
export function stableText(value: unknown): string {
  const seen = new WeakSet<object>();
  return JSON.stringify(value, (_, one: unknown): unknown => {
    if (typeof one === 'function') return `${one.name}${String(one)}`;
    if (typeof one === 'bigint') return `${one}n`;
    if (typeof one !== 'object' || one === null) return one;
    if (seen.has(one)) return '[again]';
    seen.add(one);
    if (Array.isArray(one)) return one;
    return isPlainObject(one) ? sortMembers(one) : `[${one.constructor.name}]`;
  });
}

export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
