import { type Observable, of } from 'rxjs';
import { CacheStatus } from '../../cache/engine/call.js';
import type { Exchange } from '../exchange.js';
import { parseHttpDate, splitList } from '../headers/cache-control.js';
import { ABSENT_FROM_PARTS } from '../headers/header-rules.js';
import type { HttpPlatform, RecordedResponse, SendingManner } from '../platform.interface.js';
import { asksForPart, type PartialRequest } from '../request/preconditions.js';
import { statusHeaders } from './response-headers.js';

/** An answer made by this cache, for one request only: outer caches must not store it. */
export function syntheticAnswer(status: number, headers: RecordedResponse['headers'] = []): RecordedResponse {
  return {
    status,
    headers: [['cache-control', 'no-store'], ...headers],
    removed: ['cdn-cache-control', 'expires'],
    vary: [],
    body: Buffer.alloc(0),
  };
}

/** The 504 for `only-if-cached` where nothing is stored (RFC 9111 §5.2.1.7). */
export function notCached(exchange: Exchange): Observable<unknown> {
  const { route, request, response, counter } = exchange;
  counter.count(CacheStatus.MISS);
  const add = statusHeaders(exchange, { cacheStatus: CacheStatus.MISS }, { detail: 'only-if-cached' });
  const options = { add, notModified: false, headOnly: request.method === 'HEAD' };
  return of(route.platform.replay(request, response, syntheticAnswer(504), options));
}

/** A request that may want a part, and the response that will carry it. */
export interface RangeExchange {
  readonly request: PartialRequest;
  readonly response: object;
  readonly route: { readonly platform: HttpPlatform };
}

/** Validators that If-Range is compared with. */
export interface PartValidators {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  /** When the whole was sent. Milliseconds since 1970. */
  readonly date: number | undefined;
}

/**
 * The answer to a Range request from a stored 200: the part (206), or that there is no such part (416). Only for one range
 * of bytes; anything else is answered in full, as a server may (RFC 9110 §14.2).
 *
 * @returns `undefined` where the whole response is the answer
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

/** The last bytes of nothing are there, but no Content-Range says so (§14.1.2, §14.4). */
function lastBytes(length: number, size: number): readonly [number, number] | 'unsatisfiable' | undefined {
  if (length === 0) return 'unsatisfiable';
  return size === 0 ? undefined : [Math.max(0, size - length), size - 1];
}

/** Its status has a reason of its own, and its bytes may begin within a character. */
function mannerOfPart({ manner }: RecordedResponse): SendingManner | undefined {
  return manner?.onRaw === true ? { onRaw: true } : undefined;
}

/** Whether a part continues what the client has (RFC 9110 §13.1.5). */
function continues(
  exchange: RangeExchange,
  recorded: RecordedResponse,
  condition: string,
  validators: PartValidators,
): boolean {
  return isCurrent(condition, validators) && !mayHoldOtherBytes(exchange, recorded);
}

/** By strong comparison; a date only where it is a strong validator (§8.8.2.2). */
function isCurrent(condition: string, { etag, lastModified, date }: PartValidators): boolean {
  if (condition.startsWith('"')) return condition === etag;
  const wanted = parseHttpDate(condition);
  const isStrong = wanted !== undefined && date !== undefined && date - wanted >= 1000;
  return isStrong && wanted === parseHttpDate(lastModified);
}

/** Compression below this cache makes other bytes of the whole, and leaves its validators as they are. */
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
