import { tap, type Observable } from 'rxjs';
import { CacheStatus } from '../cache/cache-status.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Call } from '../cache/call.js';
import type { Load } from '../cache/loads.js';
import type { CachedRoute } from './cached-route.js';
import { isNotModified, type Conditions } from './conditional.js';
import type {
  AddedHeaders,
  HeadDecision,
  Recording,
  RecordingControl,
  ResponseHead,
} from './http-platform.interface.js';
import type { Exchange } from './response-cache.interceptor.js';
import { lifetimeHeaders, metadataHeaders, revalidation } from './response-headers.js';
import { judgeResponse } from './storable.js';
import { joined, single, StoredResponse, strongETag } from './stored-response.js';

/** What refusals by the platform say to whoever wonders why a route is not cached. */
const REFUSALS: Readonly<Partial<Record<NonNullable<Recording['refusal']>, string>>> = {
  'too-large': 'its body is larger than maxBodyBytes',
  hijacked: 'its handler took over the connection',
  'event-stream': 'it is a stream of events, which has no end',
  'set-cookie': 'it sets a cookie; set cookies in middleware or another route',
  trailers: 'it has trailers',
  'length-mismatch': 'its Content-Length is not the length of its body',
};

/** Records the answer of a handler while it goes out, and has it stored if it may be. */
export class ResponseRecorder {
  constructor(private readonly runtime: CacheRuntime) {}

  /** @returns what watches the handler: its errors end the recording */
  record(
    exchange: Exchange,
    call: Call,
    load: Load,
    conditions: Conditions,
  ): { watch<T>(handled: Observable<T>): Observable<T> } {
    const { route, request, response } = exchange;
    let control: RecordingControl | undefined;
    control = route.platform.record(request, response, {
      maxBodyBytes: route.options.maxBodyBytes,
      head: (head) => this.#head(route, head, conditions),
      done: (recording) => this.#done(route, call, load, recording),
    });
    return { watch: (handled) => handled.pipe(tap({ error: () => control.fail() })) };
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

  /** What our layer adds to the live answer, once the handler's head is complete. */
  #head(route: CachedRoute, head: ResponseHead, conditions: Conditions): HeadDecision {
    const cacheControl = joined(head.headers['cache-control']);
    const add: Record<string, string> = {};
    if (head.status !== 200) {
      if (route.setCacheHeaders) Object.assign(add, metadataHeaders({ cacheStatus: CacheStatus.MISS }));
      return { add };
    }
    const etag = this.#etag(head);
    if (etag !== undefined) add['ETag'] = etag;
    Object.assign(add, revalidation(route, cacheControl), this.#times(route, head, cacheControl));
    return {
      add,
      notModified: isNotModified(conditions, { etag, lastModified: single(head.headers['last-modified']) }),
    };
  }

  /** A strong tag where the body is known; the platform's own weak one is replaced, the handler's is kept. */
  #etag(head: ResponseHead): string | undefined {
    const given = single(head.headers['etag']);
    if (head.body === undefined || (given !== undefined && !given.startsWith('W/'))) return given;
    return strongETag(head.body);
  }

  /** The times a miss can tell before its value is stored: where the lifetime is no function of the value. */
  #times(route: CachedRoute, head: ResponseHead, cacheControl: string | undefined): AddedHeaders {
    const { ttl } = route.target.policy;
    const judgement = judgeResponse(head.status, cacheControl, [], route.options);
    const now = this.runtime.engine.clock.now();
    const stored =
      judgement.refusal === undefined && head.headers['set-cookie'] === undefined && typeof ttl === 'number';
    const freshUntil = stored ? now + Math.min(ttl, judgement.lifetime) : now;
    return {
      ...(stored ? lifetimeHeaders(route, cacheControl, freshUntil, now) : {}),
      ...(route.setCacheHeaders ? metadataHeaders(metadataOfMiss(stored, now, freshUntil)) : {}),
    };
  }

  #done(route: CachedRoute, call: Call, load: Load, recording: Recording): void {
    const reason = recording.response === undefined ? REFUSALS[recording.refusal] : undefined;
    if (recording.response === undefined) return this.#refuse(route, call, load, reason);
    const stored = new StoredResponse(recording.response);
    const { vary } = recording.response;
    const judgement = judgeResponse(stored.status, stored.cacheControl, vary, route.options);
    if (judgement.refusal !== undefined) return this.#refuse(route, call, load, judgement.refusal);
    if (!route.covers(call, vary)) {
      load.settle({ failed: false });
      if (!route.learn(call, vary))
        return this.#refuse(route, call, load, `it varies by too many headers: ${vary.join(', ')}`);
    }
    void this.runtime.engine.writer.write(call, load, stored, judgement.lifetime);
  }

  #refuse(route: CachedRoute, call: Call, load: Load, reason: string | undefined): void {
    const { engine, log } = this.runtime;
    engine.uncacheable.set(call.key);
    load.settle({ failed: false });
    if (reason !== undefined)
      log.warn(
        `refused ${route.target.name} ${reason}`,
        `An answer of ${route.target.name} is not cached: ${reason}.`,
      );
  }
}

function metadataOfMiss(
  stored: boolean,
  now: number,
  freshUntil: number,
): Parameters<typeof metadataHeaders>[0] {
  if (!stored) return { cacheStatus: CacheStatus.MISS };
  const resetAt = Number.isFinite(freshUntil) ? new Date(freshUntil).toISOString() : null;
  return { cacheStatus: CacheStatus.MISS, cachedAt: new Date(now).toISOString(), resetAt };
}
