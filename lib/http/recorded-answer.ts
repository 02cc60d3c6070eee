import { CacheStatus } from '../cache/cache-status.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { Call } from '../cache/call.js';
import type { Load } from '../cache/loads.js';
import { cacheStatusHeader, type Forwarded } from './cache-status-header.js';
import type { CachedRoute } from './cached-route.js';
import { isNotModified, type Conditions } from './conditional.js';
import type { AddedHeaders, HeadDecision, Recording, ResponseHead } from './http-platform.interface.js';
import { lifetimeHeaders, metadataHeaders, standingHeaders } from './response-headers.js';
import { isStorable, judgeResponse, varyMembers, varyOf, type Judgement } from './storable.js';
import { etagOf, joined, single, StoredResponse, type ToldHeaders } from './stored-response.js';

/** What refusals by the platform say to whoever wonders why a route is not cached. */
const REFUSALS: Readonly<Partial<Record<NonNullable<Recording['refusal']>, string>>> = {
  'too-large': 'its body is larger than maxBodyBytes',
  hijacked: 'its handler took over the connection',
  'event-stream': 'it is a stream of events, which has no end',
  'set-cookie': 'it sets a cookie; set cookies in middleware or another route',
  trailers: 'it has trailers',
  'length-mismatch': 'its Content-Length is not the length of its body',
};

/** The answer of one handler on its way out: what is added to it, and whether it is stored. */
export class RecordedAnswer {
  #judgement: Judgement | undefined;
  #told: ToldHeaders = {};
  /** What the whole response varies by, that of middleware included. */
  #vary: readonly string[] = [];

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly route: CachedRoute,
    private readonly call: Call,
    private readonly load: Load,
    private readonly conditions: Conditions,
    /** The handler has said all it has to say; what is read from now on, lower layers read. */
    private readonly handlerIsDone: () => void,
    /** Why the handler was asked. */
    private readonly fwd: Forwarded,
  ) {}

  /** What our layer adds to the live answer, once the handler's head is complete. */
  head(head: ResponseHead): HeadDecision {
    if (head.body !== undefined) this.handlerIsDone();
    const cacheControl = joined(head.headers['cache-control']);
    this.#vary = [...varyOf(head.headers), ...this.route.ownVary];
    this.#judgement = this.#judge(head, cacheControl);
    this.#releaseWaiters();
    const add: Record<string, string> = { ...standingHeaders(this.route, cacheControl) };
    const etag = etagOf(single(head.headers['etag']), head.body);
    const lastModified = single(head.headers['last-modified']);
    this.#told = { etag, lastModified, cacheControl };
    if (etag !== undefined && this.route.options.statuses.has(head.status)) add['ETag'] = etag;
    Object.assign(add, this.#times(head, cacheControl));
    const notModified = head.status === 200 && isNotModified(this.conditions, { etag, lastModified });
    return { add, notModified };
  }

  #judge(head: ResponseHead, cacheControl: string | undefined): Judgement {
    const { fwd, load, route, call } = this;
    const judgement = judgeResponse(head.status, cacheControl, this.#vary, route.options);
    const makesKey = judgement.refusal === undefined && fwd !== 'stale' && isStorable(load, head);
    if (!makesKey || route.keyLimit.take(call.key)) return judgement;
    return { refusal: route.keyLimit.refusal, detail: 'key-limit' };
  }

  done(recording: Recording): void {
    if (recording.response === undefined) return this.#refuse(REFUSALS[recording.refusal]);
    const judgement = this.#judgement!;
    if (judgement.refusal !== undefined) return this.#refuse(judgement.refusal);
    const { route, call, load } = this;
    const vary = [...new Set([...varyMembers(recording.response.vary), ...this.#vary])];
    const covered = route.cover(call, vary);
    if (covered === 'too-many') return this.#refuse(`it varies by too many headers: ${vary.join(', ')}`);
    // Who waits may have asked for another variant: the key did not tell.
    if (covered === 'moved') load.settle({ failed: false });
    const stored = new StoredResponse(recording.response, this.#told);
    void this.runtime.engine.writer.write(call, load, stored, judgement.lifetime);
  }

  /** A response that will not be stored is told as soon as its head is known: its body may take long. */
  #releaseWaiters(): void {
    const { refusal } = this.#judgement!;
    if (refusal !== undefined) return this.#refuse(refusal);
    if (this.load.context.refusal === undefined) return;
    if (this.load.context.lasting) this.runtime.engine.uncacheable.set(this.call.key);
    this.load.settle({ failed: false });
  }

  /** The times a miss can tell before its value is stored: where neither lifetime nor storing depends on the value. */
  #times(head: ResponseHead, cacheControl: string | undefined): AddedHeaders {
    const { route, load } = this;
    const { ttl, condition } = route.target.policy;
    const judgement = this.#judgement!;
    const now = this.runtime.engine.clock.now();
    const known =
      judgement.refusal === undefined &&
      isStorable(load, head) &&
      condition === undefined &&
      typeof ttl === 'number';
    const detail = judgement.refusal === undefined ? undefined : judgement.detail;
    const status = cacheStatusHeader({ fwd: this.fwd, stored: known, detail }, head.headers['cache-status']);
    if (!known)
      return route.setCacheHeaders
        ? { ...metadataHeaders({ cacheStatus: CacheStatus.MISS }), ...status }
        : {};
    const freshUntil = Math.min(now + Math.min(ttl, judgement.lifetime), load.context.freshUntil);
    return {
      ...lifetimeHeaders(route, cacheControl, now, freshUntil),
      ...(route.setCacheHeaders ? { ...metadataHeaders(metadataOfMiss(now, freshUntil)), ...status } : {}),
    };
  }

  #refuse(reason: string | undefined): void {
    const { engine, log } = this.runtime;
    const { name } = this.route.target;
    engine.uncacheable.set(this.call.key);
    this.load.settle({ failed: false });
    if (reason !== undefined)
      log.warn(`refused ${name} ${reason}`, `An answer of ${name} is not cached: ${reason}.`);
  }
}

function metadataOfMiss(now: number, freshUntil: number): Parameters<typeof metadataHeaders>[0] {
  const resetAt = Number.isFinite(freshUntil) ? new Date(freshUntil).toISOString() : null;
  return { cacheStatus: CacheStatus.MISS, cachedAt: new Date(now).toISOString(), resetAt };
}
