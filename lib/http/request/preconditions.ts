import { parseHttpDate } from '../headers/cache-control.js';

/** The conditions of a request that a cache may answer with 304. */
export interface Conditions {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

/** Validators to compare conditions with. */
export interface Validators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
}

const NO_CONDITIONS: Conditions = { ifNoneMatch: undefined, ifModifiedSince: undefined };

export function conditionsOf(headers: Readonly<Record<string, string | string[] | undefined>>): Conditions {
  const ifNoneMatch = headers['if-none-match'];
  const ifModifiedSince = headers['if-modified-since'];
  if (ifNoneMatch === undefined && ifModifiedSince === undefined) return NO_CONDITIONS;
  return {
    ifNoneMatch: String(ifNoneMatch ?? '') || undefined,
    ifModifiedSince: String(ifModifiedSince ?? '') || undefined,
  };
}

/** Removes the conditions from the request, so that the handler sends a full answer that can be stored. */
export function hideConditions(headers: Record<string, string | string[] | undefined>): void {
  delete headers['if-none-match'];
  delete headers['if-modified-since'];
}

/**
 * True if a stored 200 answers these conditions with 304 Not Modified: If-None-Match by weak comparison, and only
 * where it is absent If-Modified-Since (RFC 9110 §13.1.2, §13.1.3, §13.2.2).
 */
export function isNotModified(conditions: Conditions, validators: Validators): boolean {
  if (conditions === NO_CONDITIONS) return false;
  if (conditions.ifNoneMatch !== undefined) return matchesETag(conditions.ifNoneMatch, validators.etag);
  const since = parseHttpDate(conditions.ifModifiedSince);
  const modified = parseHttpDate(validators.lastModified);
  return since !== undefined && modified !== undefined && modified <= since;
}

function matchesETag(list: string, etag: string | undefined): boolean {
  if (list === etag || list.trim() === '*') return true;
  if (etag === undefined) return false;
  const opaque = withoutWeakness(etag);
  for (const [candidate] of list.matchAll(/(?:W\/)?"[^"]*"/g)) {
    if (withoutWeakness(candidate) === opaque) return true;
  }
  return false;
}

function withoutWeakness(etag: string): string {
  return etag.startsWith('W/') ? etag.slice(2) : etag;
}

/** A request that may want a part of a response. */
export interface PartialRequest {
  readonly method?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** True if a request wants a part. Range is ignored on HEAD (RFC 9110 §14.2). */
export function asksForPart({ method, headers }: PartialRequest): boolean {
  return headers['range'] !== undefined && method !== 'HEAD';
}

/** These conditions fail if the representation has changed, which only the handler knows (§13.1.1, §13.1.4). */
const FAILING_CONDITIONS = ['if-match', 'if-unmodified-since'];

/** True if a stored response may answer a request with a Range: a GET with a range of bytes. Other units are left to the handler. */
export function mayHavePart({ method, headers }: PartialRequest): boolean {
  if (method === 'HEAD') return true;
  if (method !== 'GET' || !/^bytes=/i.test(String(headers['range']))) return false;
  return FAILING_CONDITIONS.every((name) => headers[name] === undefined);
}
