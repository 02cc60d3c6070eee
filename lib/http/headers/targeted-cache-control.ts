import type { CacheControlDirectives } from './cache-control.js';

const KEY = '[a-z*][a-z0-9_.*-]*';
const ITEM = [
  '-?\\d{1,12}\\.\\d{1,3}(?!\\d)', // decimal
  '-?\\d{1,15}(?![\\d.])', // integer
  '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*"', // string
  "[A-Za-z*][\\w!#$%&'*+.^`|~:/-]*", // token
  ':[A-Za-z0-9+/=]*:', // bytes
  '\\?[01]', // boolean
].join('|');
const PARAMETERS = `(?:; *${KEY}(?:=(?:${ITEM}))?)*`;
const INNER_LIST = `\\( *(?:(?:${ITEM})${PARAMETERS}(?: +(?:${ITEM})${PARAMETERS})* *)?\\)`;
const MEMBER = new RegExp(`(${KEY})(?:=(${INNER_LIST}|${ITEM}))?${PARAMETERS}`, 'y');
const COMMA = /[ \t]*,[ \t]*/y;

/**
 * Parses a targeted field such as CDN-Cache-Control, a dictionary of structured fields (RFC 9213 §2.1, RFC 8941 §4.2.2), strictly: a field
 * that does not parse is ignored as a whole.
 *
 * @returns `undefined` for an empty field or one that does not parse: then Cache-Control and Expires count
 */
export function parseTargeted(value: string | undefined): CacheControlDirectives | undefined {
  const text = withoutOuterSpaces(value ?? '');
  if (text === '') return undefined;
  const directives = new Map<string, string | undefined>();
  for (let at = 0; ;) {
    MEMBER.lastIndex = at;
    const member = MEMBER.exec(text);
    if (member === null) return undefined;
    const [whole, key, item] = member;
    if (item === '?0') directives.delete(key!);
    else directives.set(key!, item === undefined || item === '?1' ? undefined : argumentOf(item));
    at += whole.length;
    if (at === text.length) return directives;
    COMMA.lastIndex = at;
    const comma = COMMA.exec(text);
    if (comma === null) return undefined;
    at += comma[0].length;
  }
}

/** Splits at spaces only: a tab is not allowed here. */
function withoutOuterSpaces(text: string): string {
  let start = 0;
  let end = text.length;
  while (text[start] === ' ') start++;
  while (end > start && text[end - 1] === ' ') end--;
  return text.slice(start, end);
}

/** Keeps the quotes of a string where a number is expected: `max-age="10"` has the wrong type (RFC 9213 §2.1). */
function argumentOf(item: string): string {
  if (!item.startsWith('"')) return item;
  const text = item.slice(1, -1).replace(/\\(.)/g, '$1');
  return /^\d+$/.test(text) ? item : text;
}
