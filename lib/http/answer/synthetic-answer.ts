import { type Observable, of } from 'rxjs';
import { CacheStatus } from '../../cache/engine/call.js';
import type { Exchange } from '../exchange.js';
import { parseHttpDate, splitList } from '../headers/cache-control.js';
import { ABSENT_FROM_PARTS } from '../headers/header-rules.js';
import type { HttpPlatform, RecordedResponse, SendingManner } from '../platform.interface.js';
import { asksForPart, type PartialRequest } from '../request/preconditions.js';
import { statusHeaders } from './response-headers.js';

/** An answer that this cache makes for one request: outer caches must not store it. */
export function syntheticAnswer(status: number, headers: RecordedResponse['headers'] = []): RecordedResponse {
  return {
    status,
    headers: [['cache-control', 'no-store'], ...headers],
    removed: ['cdn-cache-control', 'expires'],
    vary: [],
    body: Buffer.alloc(0),
  };
}

/** The 504 for `only-if-cached` without a stored response (RFC 9111 §5.2.1.7). */
export function notCached(exchange: Exchange): Observable<unknown> {
  const { route, request, response, counter } = exchange;
  counter.count(CacheStatus.MISS);
  const add = statusHeaders(exchange, { cacheStatus: CacheStatus.MISS }, { detail: 'only-if-cached' });
  const options = { add, notModified: false, headOnly: request.method === 'HEAD' };
  return of(route.platform.replay(request, response, syntheticAnswer(504), options));
}

/** A request that may want a part, and the response that contains it. */
export interface RangeExchange {
  readonly request: PartialRequest;
  readonly response: object;
  readonly route: { readonly platform: HttpPlatform };
}

/** Validators to compare with If-Range. */
export interface PartValidators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** Time when the whole response was sent. Milliseconds since 1970. */
  readonly date: number | undefined;
}

/**
 * The answer to a Range request from a stored 200: the part (206), or 416 if the range is outside of the body. Only for a single range of
 * bytes; other ranges get the full response, as RFC 9110 §14.2 allows.
 *
 * @returns `undefined` if the whole response is the answer
 */
export function partOf(
  exchange: RangeExchange,
  recorded: RecordedResponse,
  validators: PartValidators,
): RecordedResponse | undefined {
  const { range, 'if-range': condition } = exchange.request.headers;
  if (typeof range !== 'string' || recorded.status !== 200 || !asksForPart(exchange.request))
    return undefined;
  if (condition !== undefined && !continues(exchange, recorded, String(condition).trim(), validators))
    return undefined;
  const size = recorded.body.length;
  const bounds = boundsOf(range, size);
  if (bounds === undefined) return undefined;
  if (bounds === 'unsatisfiable') return syntheticAnswer(416, [['Content-Range', `bytes */${size}`]]);
  const [first, last] = bounds;
  return {
    ...recorded,
    status: 206,
    headers: [
      ...recorded.headers.filter(([name]) => !ABSENT_FROM_PARTS.has(name.toLowerCase())),
      ['Content-Range', `bytes ${first}-${last}/${size}`],
    ],
    body: recorded.body.subarray(first, last + 1),
    manner: mannerOfPart(recorded),
  };
}

function boundsOf(range: string, size: number): readonly [number, number] | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(range) ?? [];
  if (from === undefined || (from === '' && to === '')) return undefined;
  if (from === '') return lastBytes(Number(to), size);
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'unsatisfiable' : [first, last];
}

/** A suffix range of an empty body is satisfiable, but Content-Range cannot express it (§14.1.2, §14.4). */
function lastBytes(length: number, size: number): readonly [number, number] | 'unsatisfiable' | undefined {
  if (length === 0) return 'unsatisfiable';
  return size === 0 ? undefined : [Math.max(0, size - length), size - 1];
}

/** Leaves out the reason phrase, since a part has another status, and sending as text, since a part may begin within a character. */
function mannerOfPart({ manner }: RecordedResponse): SendingManner | undefined {
  return manner?.onRaw === true ? { onRaw: true } : undefined;
}

/** True if a part continues the representation that the client has (RFC 9110 §13.1.5). */
function continues(
  exchange: RangeExchange,
  recorded: RecordedResponse,
  condition: string,
  validators: PartValidators,
): boolean {
  return isCurrent(condition, validators) && !mayHoldOtherBytes(exchange, recorded);
}

/** Strong comparison; a date counts only if it is a strong validator (§8.8.2.2). */
function isCurrent(condition: string, { etag, lastModified, date }: PartValidators): boolean {
  if (condition.startsWith('"')) return condition === etag;
  const wanted = parseHttpDate(condition);
  const isStrong = wanted !== undefined && date !== undefined && date - wanted >= 1000;
  return isStrong && wanted === parseHttpDate(lastModified);
}

/** True if the client may hold compressed bytes under these validators: compression below the cache does not change them. */
function mayHoldOtherBytes(
  { request, response, route }: RangeExchange,
  { headers }: RecordedResponse,
): boolean {
  if (headers.some(([name]) => name.toLowerCase() === 'content-encoding')) return false;
  return acceptsCoding(request.headers['accept-encoding']) && route.platform.mayEncode(request, response);
}

function acceptsCoding(accepted: string | string[] | undefined): boolean {
  const codings = splitList(String(accepted ?? '').toLowerCase());
  return codings.some((coding) => !/^identity\b|;\s*q=0(\.0*)?$/.test(coding));
}
