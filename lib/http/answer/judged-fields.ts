import { parseCacheControl, type CacheControlDirectives } from '../headers/cache-control.js';
import type { ResponseHead } from '../platform.interface.js';
import { parseTargeted } from './targeted-cache-control.js';

/** RFC 9110 §15.1, but for 206, which is never stored here. */
export const HEURISTICALLY_CACHEABLE = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);

/** Headers whose lines are one list; of the others only the first line counts (RFC 9111 §4.2.1, §5.1). */
const LISTS = ['cache-control', 'cdn-cache-control'] as const;
const SINGLES = ['age', 'date', 'etag', 'expires', 'last-modified'] as const;

type JudgedName = (typeof LISTS)[number] | (typeof SINGLES)[number];

/** The headers that say whether, how long and how a response may be reused. Kept with it: a 304 changes some of them. */
export type JudgedFields = Readonly<Partial<Record<JudgedName, string>>>;

export function judgedFieldsOf(headers: ResponseHead['headers']): JudgedFields {
  const fields: Partial<Record<JudgedName, string>> = {};
  for (const name of LISTS) {
    const value = headers[name];
    if (value !== undefined) fields[name] = String(value);
  }
  for (const name of SINGLES) {
    const value = headers[name];
    if (value !== undefined) fields[name] = String(Array.isArray(value) ? value[0] : value);
  }
  return fields;
}

/** What a response says to this cache. */
export interface ResponseDirectives {
  readonly directives: CacheControlDirectives;
  /** It spoke to caches like this one; then Cache-Control and Expires say nothing to it (RFC 9213 §2.2). */
  readonly isTargeted: boolean;
}

export function directivesOf(fields: JudgedFields): ResponseDirectives {
  const targeted = parseTargeted(fields['cdn-cache-control']);
  if (targeted !== undefined) return { directives: targeted, isTargeted: true };
  return { directives: parseCacheControl(fields['cache-control']), isTargeted: false };
}
