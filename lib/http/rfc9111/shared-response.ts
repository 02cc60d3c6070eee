import { directivesOf, type ExchangeTimes, type JudgedFields } from '../answer/reuse-terms.js';
import { StoredResponse } from '../answer/stored-response.js';
import { KEPT_ON_UPDATE } from '../headers/header-rules.js';
import { listedFields, parseHttpDate } from '../headers/cache-control.js';
import type { HeaderValue, RecordedResponse } from '../platform.interface.js';
import { hideConditions } from '../request/preconditions.js';
import { rawWithout } from '../rewarm/in-process-request.js';

type Headers = RecordedResponse['headers'];

/**
 * Makes the response that a shared cache stores: without Age, which each reuse computes, and without the fields that `no-cache="…"` and
 * `private="…"` list (RFC 9111 §5.2.2.4, §5.2.2.7); with a Date (RFC 9110 §6.6.1).
 */
export function sharedResponse(
  recorded: RecordedResponse,
  given: JudgedFields,
  times: ExchangeTimes,
): StoredResponse {
  const { directives } = directivesOf(given);
  const omitted = new Set([
    'age',
    ...listedFields(directives, 'no-cache'),
    ...listedFields(directives, 'private'),
  ]);
  const headers = recorded.headers.filter(([name]) => !omitted.has(name.toLowerCase()));
  if (given.date !== undefined) return new StoredResponse({ ...recorded, headers }, judged(given, times));
  const date = new Date(times.receivedAt).toUTCString();
  return new StoredResponse(
    { ...recorded, headers: [...headers, ['Date', date]] },
    judged({ ...given, date }, times),
  );
}

function judged(fields: JudgedFields, times: ExchangeTimes): StoredResponse['judged'] {
  const { requestedAt, receivedAt } = times;
  return {
    etag: fields.etag,
    // Without Last-Modified, If-Modified-Since is compared with Date (RFC 9111 §4.3.2).
    lastModified: fields['last-modified'] ?? fields.date,
    cacheControl: fields['cache-control'],
    shared: { fields, requestedAt, receivedAt },
  };
}

/**
 * Updates a stored response with the headers of a 304 or of the answer to a HEAD: each replaces the stored header of its name, the others
 * stay (RFC 9111 §3.2, §4.3.4, §4.3.5).
 *
 * @param update headers of the newer answer, without those that are never stored; lower-case names
 */
export function freshened(
  stored: StoredResponse,
  update: readonly (readonly [name: string, value: HeaderValue])[],
  given: JudgedFields,
  times: ExchangeTimes,
): StoredResponse {
  const { recorded } = stored;
  const { fields } = stored;
  const newer = update.filter(([name]) => !KEPT_ON_UPDATE.has(name.toLowerCase()));
  const replaced = new Set(newer.map(([name]) => name.toLowerCase()));
  const headers: Headers = [
    ...recorded.headers.filter(([name]) => !replaced.has(name.toLowerCase()) && !isTimeOf(name)),
    ...newer.filter(([name]) => name.toLowerCase() !== 'date'),
    ...(given.date === undefined ? [] : ([['Date', given.date]] as const)),
  ];
  // The age starts again, from Date and Age of the answer, or else from the time of its arrival.
  const { age: _age, date: _date, ...standing } = fields;
  const merged = { ...standing, ...given, etag: fields.etag ?? given.etag };
  return sharedResponse({ ...recorded, headers }, merged, times);
}

function isTimeOf(name: string): boolean {
  return name.toLowerCase() === 'date' || name.toLowerCase() === 'age';
}

/** True if a newer answer is about the stored representation: all its validators match the stored ones (§4.3.4). */
export function isAbout(given: JudgedFields, stored: StoredResponse): boolean {
  const { fields } = stored;
  if (given.etag !== undefined && fields.etag !== undefined)
    return opaque(given.etag) === opaque(fields.etag);
  const [newer, older] = [given['last-modified'], fields['last-modified']];
  return newer === undefined || older === undefined || parseHttpDate(newer) === parseHttpDate(older);
}

function opaque(etag: string): string {
  return etag.replace(/^W\//, '');
}

const CONDITIONS: ReadonlySet<string> = new Set(['if-none-match', 'if-modified-since']);

/** A request as handlers see it: Express and Node, or Fastify's wrapper. */
export interface MutableRequest {
  readonly headers: Record<string, string | string[] | undefined>;
  readonly raw?: { rawHeaders: string[] };
  rawHeaders?: string[];
}

/**
 * Replaces the conditions of the client by those that validate a stored response (RFC 9111 §4.3.1), in the headers and in the raw headers,
 * because handlers may forward either.
 *
 * @param stored `undefined` to get the whole answer
 * @returns true if the stored response has a validator
 */
export function setConditions(request: MutableRequest, stored: StoredResponse | undefined): boolean {
  const fields = stored?.judged.shared?.fields;
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
  // On HTTP/2 the class has a getter, so the property must be defined.
  const value = { value: raw, configurable: true, enumerable: true, writable: true };
  Object.defineProperty(request.raw ?? request, 'rawHeaders', value);
}
