import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { CacheStatus, type Call, isoTime } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import { varyMembers } from '../headers/vary.js';
import type {
  AddedHeaders,
  HeadDecision,
  Recording,
  RecordingRefusal,
  ResponseHead,
} from '../platform.interface.js';
import { type Conditions, isNotModified } from '../request/preconditions.js';
import type { ForwardReason } from './cache-status-header.js';
import {
  lifetimeHeaders,
  type metadataHeaders,
  standingHeaders,
  statusHeaders,
  type ReportedExchange,
} from './response-headers.js';
import { isStorable, isTooLarge, type Judgement, judgeResponse, type Refusal, varyOf } from './storable.js';
import { ageOf, etagOf, joined, single, StoredResponse, type JudgedHeaders } from './stored-response.js';

type Refusals = Readonly<Partial<Record<RecordingRefusal, string>>>;

const REFUSALS: Refusals = {
  aborted:
    'its client went away, or its handler failed, before it was complete. If that is not rare, let the handler finish what it begins',
  hijacked: 'its handler took over the connection; leave it without @CacheResponse()',
  'event-stream': 'it is a stream of events, which has no end; leave its handler without @CacheResponse()',
  'set-cookie': 'it sets a cookie; set cookies in middleware or another route',
  trailers: 'it has trailers; say in headers what they say, or leave its handler without @CacheResponse()',
  'length-mismatch': 'its Content-Length is not the length of its body; leave that header to the platform',
};

/** Why an answer could not be recorded, and what to write; nothing where another one went out in its place. */
export function whyNotRecorded(refusal: RecordingRefusal, maxBodyBytes: number): string | undefined {
  if (refusal !== 'too-large') return REFUSALS[refusal];
  return `its body is larger than ${maxBodyBytes} bytes; maxBodyBytes: ${maxBodyBytes * 10} would store ten times as much`;
}

/** The answer of one handler on its way out: what is added to it, and whether it is stored. */
export class RecordedAnswer {
  #judgement: Judgement | undefined;
  #told: JudgedHeaders = {};
  /** What the whole response varies by, that of middleware included. */
  #vary: readonly string[] = [];

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly told: ReportedExchange,
    private readonly call: Call,
    private readonly load: Load,
    private readonly conditions: Conditions,
    /** The handler has said all it has to say; what is read from now on, lower layers read. */
    private readonly handlerIsDone: () => void,
    /** Why the handler was asked. */
    private readonly fwd: ForwardReason,
  ) {}

  /** What our layer adds to the live answer, once the handler's head is complete. */
  head(head: ResponseHead): HeadDecision {
    if (head.body !== undefined) this.handlerIsDone();
    const cacheControl = joined(head.headers['cache-control']);
    this.#vary = [...varyOf(head.headers), ...this.told.route.ownVary];
    this.#judgement = this.#judge(head, cacheControl);
    this.#releaseWaiters();
    const add: Record<string, string> = { ...standingHeaders(this.told.route, cacheControl) };
    const etag = etagOf(single(head.headers['etag']), head.body);
    const lastModified = single(head.headers['last-modified']);
    this.#told = { etag, lastModified, cacheControl };
    if (etag !== undefined && this.told.route.options.statuses.has(head.status)) add['ETag'] = etag;
    Object.assign(add, this.#times(head, cacheControl));
    const notModified = head.status === 200 && isNotModified(this.conditions, { etag, lastModified });
    return { add, notModified };
  }

  #judge(head: ResponseHead, cacheControl: string | undefined): Judgement {
    const { call, fwd } = this;
    const { route } = this.told;
    const judgement = judgeResponse(
      head.status,
      cacheControl,
      ageOf(head.headers['age']),
      this.#vary,
      route.options,
    );
    const isMiss = fwd !== 'stale' && fwd !== 'request';
    const makesKey = judgement.refusal === undefined && isMiss && this.#isStorable(head);
    if (!makesKey || route.keyLimit.take(call.key)) return judgement;
    return { refusal: route.keyLimit.refusal, detail: 'key-limit' };
  }

  /** @returns whether it was given to the store */
  done(recording: Recording): boolean {
    const refusal = this.#offer(recording);
    if (refusal !== undefined) this.#refuse(refusal.because);
    return refusal === undefined;
  }

  /** @returns why it is not stored */
  #offer(recording: Recording): { readonly because: string | undefined } | undefined {
    if (recording.response === undefined) {
      const { maxBodyBytes } = this.told.route.options;
      return { because: whyNotRecorded(recording.refusal, maxBodyBytes) };
    }
    const judgement = this.#judgement!;
    if (judgement.refusal !== undefined) return { because: judgement.refusal };
    const { call, load } = this;
    const { route } = this.told;
    const vary = [...new Set([...varyMembers(recording.response.vary), ...this.#vary])];
    const covered = route.cover(call, vary);
    if (covered === 'too-many') return { because: `it varies by too many headers: ${vary.join(', ')}` };
    // Who waits may have asked for another variant: the key did not tell.
    if (covered === 'moved') load.settle({ failed: false });
    const stored = new StoredResponse(recording.response, this.#told);
    void this.runtime.engine.writer.write(call, load, stored, judgement.lifetime);
    return undefined;
  }

  /** A response that will not be stored is told as soon as its head is known: its body may take long. */
  #releaseWaiters(): void {
    const { refusal } = this.#judgement!;
    if (refusal !== undefined) return this.#refuse(refusal);
    if (this.load.context.refusal === undefined) return;
    if (this.load.context.lasting) this.runtime.engine.hitForMiss.mark(this.call.key);
    this.load.settle({ failed: false });
  }

  /** The times a miss can tell before its value is stored: where neither lifetime nor storing depends on the value. */
  #times(head: ResponseHead, cacheControl: string | undefined): AddedHeaders {
    const { load } = this;
    const { route } = this.told;
    const { ttl, condition } = route.target.policy;
    const judgement = this.#judgement!;
    const now = this.runtime.engine.clock.now();
    const known =
      judgement.refusal === undefined &&
      this.#isStorable(head) &&
      condition === undefined &&
      typeof ttl === 'number';
    const before = head.headers['cache-status'];
    if (!known) {
      const { detail, why, because } = this.#unstored(head);
      const said = { fwd: this.fwd, detail, why };
      return statusHeaders(this.told, { cacheStatus: loadedStatus(this.fwd) }, said, before, because);
    }
    const freshUntil = Math.min(now + Math.min(ttl, judgement.lifetime), load.context.freshUntil);
    const said = { fwd: this.fwd, stored: true };
    return {
      ...lifetimeHeaders(route, cacheControl, now, freshUntil),
      ...statusHeaders(
        this.told,
        { cacheStatus: loadedStatus(this.fwd), ...timesOf(now, freshUntil) },
        said,
        before,
      ),
    };
  }

  #isStorable(head: ResponseHead): boolean {
    return isStorable(this.load, head, this.told.route.options.maxBodyBytes);
  }

  /** Why it is not known to be stored: a word for `Cache-Status`, and a sentence. */
  #unstored(head: ResponseHead): { detail?: string; why?: string; because?: string } {
    const { refusal, detail, why } = this.#judgement as Partial<Refusal>;
    if (refusal !== undefined) return { detail, why, because: refusal };
    const { refusal: because } = this.load.context;
    if (because !== undefined) return { why: 'load', because };
    if (head.headers['set-cookie'] !== undefined) return { why: 'set-cookie' };
    if (isTooLarge(head, this.told.route.options.maxBodyBytes)) return { why: 'too-large' };
    return { why: this.#isStorable(head) ? 'undecided' : 'store-down' };
  }

  #refuse(reason: string | undefined): void {
    const { engine, log } = this.runtime;
    const { name } = this.told.route.target;
    engine.hitForMiss.mark(this.call.key);
    this.load.settle({ failed: false });
    if (reason !== undefined)
      log.warn(`refused ${name} ${reason}`, `An answer of ${name} is not cached: ${reason}.`);
  }
}

/** What a client is told that the handler answered: it may have refused what is stored. */
export function loadedStatus(fwd: ForwardReason | undefined): CacheStatus {
  return fwd === 'request' ? CacheStatus.REFRESH : CacheStatus.MISS;
}

function timesOf(now: number, freshUntil: number): Parameters<typeof metadataHeaders>[0] {
  return { cachedAt: isoTime(now), resetAt: isoTime(freshUntil) };
}
