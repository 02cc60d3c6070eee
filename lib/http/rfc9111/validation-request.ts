import { hideConditions } from '../request/preconditions.js';
import { rawWithout } from '../rewarm/in-process-request.js';
import type { StoredResponse } from '../answer/stored-response.js';

const CONDITIONS: ReadonlySet<string> = new Set(['if-none-match', 'if-modified-since']);

/** A request as handlers see it: Express's and Node's own, or Fastify's around it. */
export interface MutableRequest {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly raw?: { rawHeaders: string[] };
  rawHeaders?: string[];
}

/**
 * Gives a request the conditions that validate a stored response, in place of the client's (RFC 9111 §4.3.1): in its headers
 * and in the raw ones, so that handlers that pass either on ask the right question.
 *
 * @param stored `undefined` to ask for the whole
 * @returns whether there is something to ask with
 */
export function setConditions(request: MutableRequest, stored: StoredResponse | undefined): boolean {
  const fields = stored?.told.shared?.fields;
  const conditions: [string, string][] = [];
  if (fields?.etag !== undefined) conditions.push(['If-None-Match', fields.etag]);
  if (fields?.['last-modified'] !== undefined)
    conditions.push(['If-Modified-Since', fields['last-modified']]);
  hideConditions(request.headers);
  const raw = rawWithout(request.raw?.rawHeaders ?? request.rawHeaders ?? [], CONDITIONS);
  for (const [name, value] of conditions) {
    request.headers[name.toLowerCase()] = value;
    raw.push(name, value);
  }
  setRawHeaders(request, raw);
  return conditions.length > 0;
}

function setRawHeaders(request: MutableRequest, raw: string[]): void {
  // On HTTP/2 the class has a getter.
  const value = { value: raw, configurable: true, enumerable: true, writable: true };
  Object.defineProperty(request.raw ?? request, 'rawHeaders', value);
}
