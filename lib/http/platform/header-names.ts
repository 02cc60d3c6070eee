import { listMembers, varyMembers } from '../headers/vary.js';
import type { HeaderValue } from '../platform.interface.js';
import type { LiveHeaders } from './raw-response.interface.js';

/**
 * Headers that belong to one connection or one message, never to what was cached: the hop-by-hop ones (RFC 9110 §7.6.1),
 * those meant for a proxy (RFC 9111 §3.1), the framing, which each replay computes anew, and the Date, which each
 * response has of its own.
 */
const UNSTORABLE = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'content-length',
  'date',
]);

/**
 * What a 304 leaves out: the framing and the metadata of a representation it does not carry (RFC 9110 §15.4.5).
 */
export const ABSENT_FROM_NOT_MODIFIED: readonly string[] = Object.freeze([
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-range',
  'transfer-encoding',
]);

/** Statuses whose responses have no body, whatever the handler wrote (RFC 9110 §6.4.1). */
export function hasNoBody(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

/** A test for the headers that are never stored, including those that this response's Connection header names. */
export function unstorableHeaders(
  connection: string | string[] | number | undefined,
): (lowerName: string) => boolean {
  if (connection === undefined) return (name) => UNSTORABLE.has(name);
  const named = new Set(
    String(connection)
      .toLowerCase()
      .split(',')
      .map((member) => member.trim()),
  );
  return (name) => UNSTORABLE.has(name) || named.has(name);
}

/** Headers as they were at one moment. */
export type HeaderSnapshot = ReadonlyMap<string, HeaderValue>;

/** What a handler did to the headers it found. */
export interface HeaderDifference {
  readonly headers: readonly (readonly [name: string, value: HeaderValue])[];
  readonly removed: readonly string[];
  readonly vary: readonly string[];
  /** Whether the handler set, changed or removed a cookie. */
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
 * What changed between two moments, reduced to what may be replayed to another request.
 *
 * @param spellings header names as the handler spelt them, where the platform keeps that
 * @param verbatim keeps Date, and Vary as a header and nothing else where the handler alone set it
 */
export function headerDifference(
  before: HeaderSnapshot,
  after: HeaderSnapshot,
  spellings: readonly string[] = [],
  verbatim = false,
): HeaderDifference {
  const spelt = new Map(spellings.map((name) => [name.toLowerCase(), name]));
  const isUnstorableName = unstorableHeaders(after.get('connection') as string | string[] | undefined);
  const isUnstorable = (name: string): boolean => isUnstorableName(name) && !(verbatim && name === 'date');
  const ownsVary = !before.has('vary');
  const headers: (readonly [string, HeaderValue])[] = [];
  const removed: string[] = [];
  for (const [name, value] of after) {
    if (
      (isOrdinary(name) || (ownsVary && name === 'vary')) &&
      !isUnstorable(name) &&
      !isSame(before.get(name), value)
    ) {
      headers.push(Object.freeze([spelt.get(name) ?? name, value] as const));
    }
  }
  for (const name of before.keys()) {
    if (name !== 'set-cookie' && !isUnstorable(name) && !after.has(name)) removed.push(name);
  }
  return Object.freeze({
    headers: Object.freeze(headers),
    removed: Object.freeze(removed),
    vary: Object.freeze(ownsVary && verbatim ? [] : appendedVary(before.get('vary'), after.get('vary'))),
    setsCookie: !isSame(before.get('set-cookie'), after.get('set-cookie')),
  });
}

/** A Vary that middleware began is recorded by the members it got; a cookie is never recorded. */
function isOrdinary(name: string): boolean {
  return name !== 'vary' && name !== 'set-cookie';
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
