import { type CacheStatus, type Call, metadataOf } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import { partOf, type PartValidators } from '../answer/synthetic-answer.js';
import type { CacheStatusParameters } from '../answer/cache-status-header.js';
import { ageOf, directivesOf, type ExchangeTimes, type JudgedFields } from '../answer/reuse-terms.js';
import { type metadataHeaders, statusHeaders } from '../answer/response-headers.js';
import { StoredResponse } from '../answer/stored-response.js';
import type { Exchange } from '../exchange.js';
import { listedFields, parseHttpDate } from '../headers/cache-control.js';
import type { HeaderValue, RecordedResponse, Replacement } from '../platform.interface.js';
import { type Conditions, hideConditions, isNotModified } from '../request/preconditions.js';
import { rawWithout } from '../rewarm/in-process-request.js';

/**
 * What a stored response answers a request: all of it, a part, or that the client has it already; with its Age (RFC 9111 §4,
 * §4.3.2, §5.1; RFC 9110 §13.2.2).
 *
 * @param conditions of the client
 * @param fwd where the handler was asked before
 */
export function storedAnswer(
  exchange: SharedExchange,
  conditions: Conditions,
  stored: StoredResponse,
  status: CacheStatus,
  now: number,
  fwd?: CacheStatusParameters,
): Replacement {
  const { request } = exchange;
  const { etag, lastModified, recorded, terms } = stored;
  const headOnly = request.method === 'HEAD';
  const notModified = stored.status === 200 && isNotModified(conditions, { etag, lastModified });
  const isWhole = notModified || request.headers['range'] === undefined;
  const age = ageOf(terms, now);
  return {
    recorded: (isWhole ? undefined : partOf(exchange, recorded, validatorsOf(stored))) ?? recorded,
    add: {
      Age: String(Math.floor(age / 1000)),
      ...statusHeaders(
        exchange,
        metadata(stored, status),
        { ...(fwd ?? { hit: true }), ttl: (terms.lifetime - age) / 1000 },
        stored.headers['cache-status'],
      ),
    },
    notModified,
    headOnly,
  };
}

/** Those of the handler alone: what it did not say is no strong validator. */
function validatorsOf(stored: StoredResponse): PartValidators {
  const { etag, date, 'last-modified': lastModified } = stored.judged.shared!.fields;
  return { etag, lastModified, date: parseHttpDate(date) };
}

function metadata({ terms }: StoredResponse, status: CacheStatus): Parameters<typeof metadataHeaders>[0] {
  const { receivedAt, lifetime, initialAge } = terms;
  return metadataOf(status, { cachedAt: receivedAt, freshUntil: receivedAt + lifetime - initialAge });
}

type Headers = RecordedResponse['headers'];

/**
 * A response as a shared cache stores it: without its Age, which each reuse has of its own, and without the fields that
 * `no-cache="…"` and `private="…"` list (RFC 9111 §5.2.2.4, §5.2.2.7); with a Date (RFC 9110 §6.6.1).
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
  if (given.date !== undefined) return new StoredResponse({ ...recorded, headers }, told(given, times));
  const date = new Date(times.receivedAt).toUTCString();
  return new StoredResponse(
    { ...recorded, headers: [...headers, ['Date', date]] },
    told({ ...given, date }, times),
  );
}

function told(fields: JudgedFields, times: ExchangeTimes): StoredResponse['judged'] {
  const { requestedAt, receivedAt } = times;
  return {
    etag: fields.etag,
    // What a client that asks by a date is told about a response without Last-Modified (RFC 9111 §4.3.2).
    lastModified: fields['last-modified'] ?? fields.date,
    cacheControl: fields['cache-control'],
    shared: { fields, requestedAt, receivedAt },
  };
}

/** They describe the bytes that are stored, and those are not replaced (RFC 9111 §3.2). */
const KEPT = new Set(['content-encoding', 'content-length', 'content-md5', 'content-range', 'etag']);

/**
 * A stored response with the headers of a 304, or of the answer to a HEAD: each replaces the stored one of its name, the
 * others stay (RFC 9111 §3.2, §4.3.4, §4.3.5).
 *
 * @param update all that the newer answer says; lower-case names, without what is never stored
 */
export function freshened(
  stored: StoredResponse,
  update: readonly (readonly [name: string, value: HeaderValue])[],
  given: JudgedFields,
  times: ExchangeTimes,
): StoredResponse {
  const { recorded } = stored;
  const { fields } = stored.judged.shared!;
  const newer = update.filter(([name]) => !KEPT.has(name.toLowerCase()));
  const replaced = new Set(newer.map(([name]) => name.toLowerCase()));
  const headers: Headers = [
    ...recorded.headers.filter(([name]) => !replaced.has(name.toLowerCase()) && !isTimeOf(name)),
    ...newer.filter(([name]) => name.toLowerCase() !== 'date'),
    ...(given.date === undefined ? [] : ([['Date', given.date]] as const)),
  ];
  // Its age begins anew: by the Date and Age of the answer, or else by the time it came.
  const { age: _age, date: _date, ...standing } = fields;
  const merged = { ...standing, ...given, etag: fields.etag ?? given.etag };
  return sharedResponse({ ...recorded, headers }, merged, times);
}

function isTimeOf(name: string): boolean {
  return name.toLowerCase() === 'date' || name.toLowerCase() === 'age';
}

/** Whether a newer answer is about the stored representation: every validator that it names is that one's (§4.3.4). */
export function isAbout(given: JudgedFields, stored: StoredResponse): boolean {
  const { fields } = stored.judged.shared!;
  if (given.etag !== undefined && fields.etag !== undefined)
    return opaque(given.etag) === opaque(fields.etag);
  const [newer, older] = [given['last-modified'], fields['last-modified']];
  return newer === undefined || older === undefined || parseHttpDate(newer) === parseHttpDate(older);
}

function opaque(etag: string): string {
  return etag.replace(/^W\//, '');
}

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
  // On HTTP/2 the class has a getter.
  const value = { value: raw, configurable: true, enumerable: true, writable: true };
  Object.defineProperty(request.raw ?? request, 'rawHeaders', value);
}

/** One request on its way through a route with `freshness: 'headers'`. */
export interface SharedExchange extends Exchange {
  readonly call: Call;
  /** It carries credentials: then its answer is shared only if that says so (RFC 9111 §3.5). */
  readonly isAuthenticated: boolean;
}

/** One run of the handler, for a request that nothing stored could answer. */
export interface SharedLoad extends SharedExchange {
  readonly load: Load;
  /** What is stored and may be freshened, or stand in for an error. */
  readonly stored: StoredResponse | undefined;
  /** The handler was asked whether the stored response is still good. */
  readonly isValidation: boolean;
}
