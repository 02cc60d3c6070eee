import { tap, type Observable } from 'rxjs';
import { CacheStatus } from '../cache/cache-status.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Call } from '../cache/call.js';
import type { Load } from '../cache/loads.js';
import { cacheStatusHeader } from './cache-status-header.js';
import type { Conditions } from './conditional.js';
import type { AddedHeaders } from './http-platform.interface.js';
import { RecordedAnswer } from './recorded-answer.js';
import type { Exchange } from './response-cache.interceptor.js';
import { metadataHeaders, standingHeaders } from './response-headers.js';
import { joined } from './stored-response.js';

/** Records the answer of a handler while it goes out, and has it stored if it may be. */
export class ResponseRecorder {
  constructor(private readonly runtime: CacheRuntime) {}

  /**
   * @param handlerIsDone called when the handler's answer is complete
   * @returns what watches the handler: its errors end the recording
   */
  record(
    { route, request, response, forwarded }: Exchange,
    call: Call,
    load: Load,
    conditions: Conditions,
    handlerIsDone: () => void,
  ): { watch<T>(handled: Observable<T>): Observable<T> } {
    const answer = new RecordedAnswer(
      this.runtime,
      route,
      call,
      load,
      conditions,
      handlerIsDone,
      forwarded ?? route.missOf(call),
    );
    const control = route.platform.record(request, response, {
      maxBodyBytes: route.options.maxBodyBytes,
      head: (head) => answer.head(head),
      done: (recording) => answer.done(recording),
    });
    // A hard timeout gives the handler up: what then goes out is not its answer.
    const fail = (): void => control.fail();
    return { watch: (handled) => handled.pipe(tap({ error: fail, unsubscribe: fail })) };
  }

  /** Gives the answer to a HEAD the headers that a GET would have; it has no body to store. */
  recordHead({ route, request, response }: Exchange): void {
    route.platform.record(request, response, {
      maxBodyBytes: route.options.maxBodyBytes,
      head: ({ headers }) => ({
        add: {
          ...standingHeaders(route, joined(headers['cache-control'])),
          ...(route.setCacheHeaders ? metadataHeaders({ cacheStatus: CacheStatus.MISS }) : {}),
          ...(route.setCacheHeaders ? cacheStatusHeader({ fwd: 'uri-miss' }, headers['cache-status']) : {}),
        },
      }),
      done: () => undefined,
    });
  }

  /** Adds headers to a response at once, before the handler runs. */
  addNow(response: object, headers: AddedHeaders): void {
    const target = response as {
      setHeader?(name: string, value: string): void;
      header?(name: string, value: string): void;
    };
    for (const name in headers) {
      if (target.setHeader !== undefined) target.setHeader(name, headers[name]!);
      else target.header?.(name, headers[name]!);
    }
  }
}
