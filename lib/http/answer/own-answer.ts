import { of, type Observable } from 'rxjs';
import { CacheStatus } from '../../cache/engine/call.js';
import type { Exchange } from '../exchange.js';
import type { RecordedResponse } from '../platform.interface.js';
import { statusHeaders } from './response-headers.js';

/** An answer of this cache's own, to one request alone: kept by a cache outside, it would be the answer to all. */
export function ownAnswer(status: number, headers: RecordedResponse['headers'] = []): RecordedResponse {
  return {
    status,
    headers: [['cache-control', 'no-store'], ...headers],
    removed: ['cdn-cache-control', 'expires'],
    vary: [],
    body: Buffer.alloc(0),
  };
}

/** The answer to a request that wants what is stored or nothing, where nothing is (RFC 9111 §5.2.1.7). */
export function notCached(exchange: Exchange): Observable<unknown> {
  const { route, request, response, told } = exchange;
  told.tell(CacheStatus.MISS);
  const add = statusHeaders(exchange, { cacheStatus: CacheStatus.MISS }, { detail: 'only-if-cached' });
  const options = { add, notModified: false, headOnly: request.method === 'HEAD' };
  return of(route.platform.replay(request, response, ownAnswer(504), options));
}
