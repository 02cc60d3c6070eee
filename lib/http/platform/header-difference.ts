import { isStorableHeader } from '../headers/header-rules.js';
import { listMembers, varyMembers } from '../headers/vary.js';
import type { HeaderValue } from '../platform.interface.js';
import type { LiveHeaders } from './raw-response.interface.js';

/** Headers at one moment. */
export type HeaderSnapshot = ReadonlyMap<string, HeaderValue>;

/** The changes of a handler to the headers that were set before it. */
export interface HeaderDifference {
  readonly headers: readonly (readonly [name: string, value: HeaderValue])[];
  readonly removed: readonly string[];
  readonly vary: readonly string[];
  /** True if the handler set, changed or removed a cookie. */
  readonly setsCookie: boolean;
}

/** Copies the headers: Node and Fastify append to the lists they hand out. */
export function snapshotHeaders(headers: LiveHeaders): HeaderSnapshot {
  const snapshot = new Map<string, HeaderValue>();
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) snapshot.set(name.toLowerCase(), frozenValue(value));
  }
  return snapshot;
}

/**
 * The changes between two moments that may be replayed to another request.
 *
 * @param spellings header names as the handler spelt them, if the platform keeps the spelling
 * @param verbatim keeps Date, and keeps Vary as a header unless middleware set it too
 */
export function headerDifference(
  before: HeaderSnapshot,
  after: HeaderSnapshot,
  spellings: readonly string[] = [],
  verbatim = false,
): HeaderDifference {
  const spelt = new Map<string, string>();
  for (const name of spellings) spelt.set(name.toLowerCase(), name);
  const ofConnection = varyMembers(after.get('connection'));
  const ownsVary = !before.has('vary');
  const headers: (readonly [string, HeaderValue])[] = [];
  const removed: string[] = [];
  for (const [name, value] of after) {
    // If middleware began the Vary, the members that the handler added are recorded.
    const isWhole = name !== 'vary' || ownsVary;
    if (isWhole && isStorableHeader(name, ofConnection, verbatim) && !isSame(before.get(name), value))
      headers.push(Object.freeze([spelt.get(name) ?? name, value] as const));
  }
  for (const name of before.keys()) {
    if (!after.has(name) && isStorableHeader(name, ofConnection, verbatim)) removed.push(name);
  }
  return Object.freeze({
    headers: Object.freeze(headers),
    removed: Object.freeze(removed),
    vary: Object.freeze(ownsVary && verbatim ? [] : appendedVary(before.get('vary'), after.get('vary'))),
    setsCookie: !isSame(before.get('set-cookie'), after.get('set-cookie')),
  });
}

function appendedVary(before: HeaderValue | undefined, after: HeaderValue | undefined): string[] {
  const known = new Set(varyMembers(before));
  const members = listMembers(after);
  if (members.includes('*')) return known.has('*') ? [] : ['*'];
  const isNew = (name: string): boolean => !known.has(name) && known.add(name).has(name);
  return members.filter((member) => isNew(member.toLowerCase()));
}

function frozenValue(value: string | string[] | number): HeaderValue {
  return Array.isArray(value) ? Object.freeze(value.map(String)) : String(value);
}

function isSame(left: HeaderValue | undefined, right: HeaderValue | undefined): boolean {
  if (typeof left !== 'object' || typeof right !== 'object') return left === right;
  return left.length === right.length && left.every((value, index) => value === right[index]);
}
