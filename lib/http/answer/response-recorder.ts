import { tap, type Observable } from 'rxjs';
import { CacheStatus, type Call } from '../../cache/engine/call.js';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { Load } from '../../cache/engine/loads.js';
import { HandlerLoad } from './handler-load.js';
import { conditionsOf, hideConditions, isNotModified, type Conditions } from '../request/preconditions.js';
import { loadedStatus, RecordedAnswer } from './recorded-answer.js';
import type { Exchange } from '../exchange.js';
import { standingHeaders, statusHeaders } from './response-headers.js';
import { etagOf, joined, single } from './stored-response.js';

/** Records the answer of a handler while it goes out, and has it stored if it may be. */
export class ResponseRecorder {
  constructor(private readonly runtime: CacheRuntime) {}

  /**
   * @param handlerIsDone called when the handler's answer is complete
   * @returns what runs the handler: its errors end the recording
   */
  record(
    exchange: Exchange,
    call: Call,
    load: Load,
    conditions: Conditions,
    handlerIsDone: () => void,
  ): { run<T>(handle: () => Observable<T>): Observable<T> } {
    const { route, request, response, forwarded, counter } = exchange;
    counter.count(loadedStatus(forwarded));
    const answer = new RecordedAnswer(
      this.runtime,
      exchange,
      call,
      load,
      conditions,
      handlerIsDone,
      forwarded ?? route.missOf(call),
    );
    const handler = new HandlerLoad(this.runtime, route);
    const control = route.platform.record(request, response, {
      maxBodyBytes: route.options.maxBodyBytes,
      head: (head) => answer.head(head),
      done: (recording) => handler.ended(recording, answer.done(recording)),
    });
    // A hard timeout gives the handler up: what then goes out is not its answer.
    const fail = (): void => control.fail();
    return { run: (handle) => handler.run(handle, fail).pipe(tap({ unsubscribe: fail })) };
  }

  /** Gives the answer to a HEAD the headers, and the status, that a GET would have; it has no body to store. */
  recordHead(exchange: Exchange): void {
    const { route, request, response, counter, forwarded = 'uri-miss' } = exchange;
    counter.count(CacheStatus.MISS);
    const metadata = { cacheStatus: CacheStatus.MISS };
    const conditions = conditionsOf(request.headers);
    hideConditions(request.headers);
    route.platform.record(request, response, {
      maxBodyBytes: route.options.maxBodyBytes,
      head: ({ status, headers, body }) => {
        // Express counts the body and leaves it out; Fastify has it still.
        const etag = etagOf(single(headers['etag']), body?.length === 0 ? undefined : body);
        const lastModified = single(headers['last-modified']);
        const isTagged = etag !== undefined && route.options.statuses.has(status);
        return {
          add: {
            ...standingHeaders(route, joined(headers['cache-control'])),
            ...(isTagged && { ETag: etag }),
            ...statusHeaders(exchange, metadata, { fwd: forwarded, why: 'head' }, headers['cache-status']),
          },
          notModified: status === 200 && isNotModified(conditions, { etag, lastModified }),
        };
      },
      done: () => undefined,
    });
  }
}
