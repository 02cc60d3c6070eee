import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { type CacheStatus, type Call, isoTime } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Exchange } from '../exchange.js';
import { varyMembers } from '../headers/vary.js';
import type {
  AddedHeaders,
  HeadDecision,
  RecordedResponse,
  Recording,
  RecordOptions,
  RecordingRefusal,
  Replacement,
  ResponseHead,
} from '../platform.interface.js';
import { type Conditions, isNotModified, type Validators } from '../request/preconditions.js';
import type { ForwardReason } from './cache-status-header.js';
import type { HandlerLoad } from './handler-load.js';
import { statusHeaders } from './response-headers.js';
import { isStorable, isTooLarge, type Refusal } from './storable.js';
import { joined, type StoredResponse } from './stored-response.js';

/** The verdict on an answer whose head is complete. */
export interface Verdict extends Validators {
  readonly refusal?: Refusal | undefined;
  /** True if requests that wait for this answer may get it. */
  readonly isShareable: boolean;
  /** Names of the request headers that the whole answer varies by, including those of middleware. */
  readonly vary: readonly string[];
}

/** Judges the answer of one run of a handler: by the TTL of its route, or by the headers of the answer. */
export interface AnswerRules {
  /** Status that is reported to the client. */
  readonly status: CacheStatus;
  /** Conditions of the client's request, which the handler does not see. */
  readonly conditions: Conditions;
  /** True if Date and Vary are recorded unchanged. */
  readonly verbatim: boolean;
  /** A stored response to send instead of the handler's answer. */
  replace?(
    head: ResponseHead,
    answer: RecordedAnswer,
  ): (Replacement & { readonly status: CacheStatus }) | undefined;
  judge(head: ResponseHead, answer: RecordedAnswer): Verdict;
  /** @returns the time when a stored answer stops being fresh, if clients are told */
  freshUntil?(now: number): number;
  /** Headers to add. @param freshUntil given if the answer will be stored and clients are told its lifetime */
  headers?(head: ResponseHead, now: number, freshUntil: number | undefined): AddedHeaders;
  /**
   * Judges the answer again after it was sent, because layers below may have changed it.
   * @param cacheControl Cache-Control, if a layer below has changed it
   */
  refusalOfSent?(recorded: RecordedResponse, cacheControl: string | undefined): Refusal | undefined;
  /** The response to store, and its lifetime in milliseconds. */
  stored(recorded: RecordedResponse): { readonly response: StoredResponse; readonly lifetime: number };
}

/** The answer of one handler run on its way to the client: judged when its head is complete, stored when its body is. */
export class RecordedAnswer implements RecordOptions {
  readonly maxBodyBytes: number;
  readonly verbatim: boolean;
  readonly #fwd: ForwardReason;
  #verdict: Verdict | undefined;
  /** Cache-Control as it leaves this layer. */
  #cacheControl: string | undefined;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly exchange: Exchange,
    private readonly call: Call,
    private readonly load: Load,
    private readonly rules: AnswerRules,
    private readonly handler: HandlerLoad,
  ) {
    this.maxBodyBytes = exchange.route.options.maxBodyBytes;
    this.verbatim = rules.verbatim;
    this.#fwd = forwardReason(exchange, call);
  }

  /** Called with the complete head, before it is sent. @returns headers to add, or the answer to send instead */
  head(head: ResponseHead): HeadDecision {
    const { exchange, rules } = this;
    const replaceBy = rules.replace?.(head, this);
    exchange.counter.count(replaceBy?.status ?? rules.status);
    if (replaceBy !== undefined) return { replaceBy };
    const canStore = isStorable(this.load, head, this.maxBodyBytes);
    const verdict = (this.#verdict = this.#judge(head, canStore));
    this.#releaseWaiters(verdict);
    const notModified = head.status === 200 && isNotModified(rules.conditions, verdict);
    const add = this.#headers(head, verdict, canStore);
    this.#cacheControl = add['Cache-Control'] ?? joined(head.headers['cache-control']);
    return { add, notModified };
  }

  done(recording: Recording): void {
    this.handler.ended(recording, this.#store(recording));
  }

  /** @returns true if the answer was passed to the store, or was not meant to be stored */
  #store(recording: Recording): boolean {
    const { request, counter } = this.exchange;
    // Counted here if the client left before the head was complete.
    counter.count(this.rules.status);
    if (recording.refusal === 'replaced' || request.method === 'HEAD') {
      this.leave();
      return true;
    }
    const refusal =
      recording.response === undefined
        ? { reason: whyNotRecorded(recording.refusal, this.maxBodyBytes), why: recording.refusal }
        : (this.#verdict!.refusal ??
          this.rules.refusalOfSent?.(recording.response, this.#changedBelow(recording.sentCacheControl)));
    if (refusal !== undefined) return this.#refuseCounted(refusal);
    const { response, lifetime } = this.rules.stored(recording.response!);
    return this.store(response, lifetime, this.#verdict!.vary);
  }

  #changedBelow(cacheControl: string | undefined): string | undefined {
    return cacheControl === this.#cacheControl ? undefined : cacheControl;
  }

  /**
   * Stores a response under the variant that its Vary selects.
   *
   * @param lifetime milliseconds
   * @returns true if it was passed to the store
   */
  store(response: StoredResponse, lifetime: number, varyOfAnswer: readonly string[]): boolean {
    const { call, load } = this;
    const vary = [...new Set([...varyMembers(response.recorded.vary), ...varyOfAnswer])];
    const covered = this.exchange.route.cover(call, vary);
    if (covered === 'too-many')
      return this.#refuseCounted({
        reason: `it varies by too many headers: ${vary.join(', ')}`,
        why: 'variants',
      });
    // Waiting requests may want another variant, because their key did not contain these headers yet.
    if (covered === 'moved') this.runtime.engine.loads.move(load, call.key);
    if (!this.exchange.route.variants.takes(call))
      return this.#refuseCounted({
        reason:
          'too many variants of it were stored and never read; add the input that it depends on to its key',
        why: 'variants',
      });
    void this.runtime.engine.writer.write(call, load, response, lifetime);
    return true;
  }

  /** Sends waiting requests to the handler, and for a while lets no request wait for this key (hit-for-miss). */
  leave(): void {
    this.runtime.engine.hitForMiss.mark(this.call.key);
    this.load.settle({ failed: false });
  }

  #judge(head: ResponseHead, canStore: boolean): Verdict {
    const { keyLimit } = this.exchange.route;
    const verdict = this.rules.judge(head, this);
    const isNewKey = this.#fwd !== 'stale' && this.#fwd !== 'request';
    const makesKey = isNewKey && verdict.refusal === undefined && canStore;
    if (!makesKey || keyLimit.take(this.call.key)) return verdict;
    return { ...verdict, refusal: { reason: keyLimit.refusal, detail: 'key-limit' } };
  }

  /** Releases waiting requests as soon as the head shows that nothing will be stored: the body may take long. */
  #releaseWaiters({ refusal, isShareable }: Verdict): void {
    const { context } = this.load;
    if (refusal !== undefined) this.#refuse(refusal);
    else if (!isShareable || context.lasting) this.leave();
    else if (context.refusal !== undefined) this.load.settle({ failed: false });
  }

  #headers(head: ResponseHead, verdict: Verdict, canStore: boolean): AddedHeaders {
    const { rules, exchange } = this;
    const now = this.runtime.engine.clock.now();
    const { ttl, condition } = exchange.route.target.policy;
    // The ttl function and the condition of a route need the whole answer, so it is not known yet whether it will be stored.
    const isStored =
      verdict.refusal === undefined && condition === undefined && typeof ttl === 'number' && canStore;
    const freshUntil = isStored ? rules.freshUntil?.(now) : undefined;
    const times =
      freshUntil === undefined ? undefined : { cachedAt: isoTime(now), resetAt: isoTime(freshUntil) };
    const { detail, why, reason } = isStored ? STORED : this.#unstored(head, verdict, canStore);
    return {
      ...rules.headers?.(head, now, freshUntil),
      ...statusHeaders(
        exchange,
        { cacheStatus: rules.status, ...times },
        { fwd: this.#fwd, stored: isStored, detail, why },
        head.headers['cache-status'],
        reason,
      ),
    };
  }

  /** The reason why the answer is not known to be stored. */
  #unstored(head: ResponseHead, { refusal }: Verdict, canStore: boolean): Refusal {
    if (refusal !== undefined) return refusal;
    const { refusal: reason } = this.load.context;
    if (reason !== undefined) return { why: 'load', reason };
    if (head.headers['set-cookie'] !== undefined) return { why: 'set-cookie' };
    if (isTooLarge(head, this.maxBodyBytes)) return { why: 'too-large' };
    return { why: canStore ? 'undecided' : 'store-down' };
  }

  /** Once for each answer: its head may have been refused before. */
  #refuseCounted(refusal: Refusal): false {
    const { counters, name } = this.call.target;
    const { why, detail, reason } = refusal;
    const line = reason === undefined ? undefined : `An answer of ${name} is not cached: ${reason}.`;
    counters.refusals.count(why ?? detail ?? 'answer', line);
    return this.#refuse(refusal);
  }

  #refuse({ reason }: Refusal): false {
    const { name } = this.exchange.route.target;
    this.leave();
    if (reason !== undefined)
      this.runtime.log.warn(`refused ${name} ${reason}`, `An answer of ${name} is not cached: ${reason}.`);
    return false;
  }
}

const STORED: Refusal = {};

/** The parameter `fwd` of `Cache-Status`: `uri-miss`, unless the lookup has named another reason. */
export function forwardReason({ forwarded, route }: Exchange, call: Call): ForwardReason {
  return forwarded ?? route.missOf(call);
}

const REFUSALS: Readonly<Partial<Record<RecordingRefusal, string>>> = {
  aborted:
    'the client disconnected or the handler failed before the answer was complete; if that happens often, let the handler finish',
  hijacked: 'its handler took over the connection; remove @CacheResponse() from it',
  'event-stream': 'it is an endless stream of events; remove @CacheResponse() from its handler',
  'set-cookie': 'it sets a cookie; set cookies in middleware or another route',
  trailers: 'it has trailers; send headers instead, or remove @CacheResponse() from its handler',
  'length-mismatch': 'its Content-Length is not the length of its body; let the platform set that header',
};

function whyNotRecorded(refusal: RecordingRefusal, maxBodyBytes: number): string | undefined {
  if (refusal !== 'too-large') return REFUSALS[refusal];
  return `its body is larger than ${maxBodyBytes} bytes; maxBodyBytes: ${maxBodyBytes * 10} would store ten times as much`;
}
