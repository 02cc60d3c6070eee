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

/** A judgement on an answer whose head is complete. */
export interface Verdict extends Validators {
  readonly refusal?: Refusal | undefined;
  /** Whether requests that wait for this answer may get it. */
  readonly isShareable: boolean;
  /** Names of the request headers that the whole answer varies by, those of middleware included. */
  readonly vary: readonly string[];
}

/** The answer of one run of a handler, judged by the TTL of its route or by its own headers. */
export interface AnswerRules {
  /** What the client is told that the handler did. */
  readonly status: CacheStatus;
  /** Conditions of the client, which the handler does not see. */
  readonly conditions: Conditions;
  /** Whether Date and Vary are recorded as they are. */
  readonly verbatim: boolean;
  /** A stored response to send in place of what the handler sends. */
  replace?(
    head: ResponseHead,
    answer: RecordedAnswer,
  ): (Replacement & { readonly status: CacheStatus }) | undefined;
  judge(head: ResponseHead, answer: RecordedAnswer): Verdict;
  /** @returns when a stored answer stops being fresh, where that is told to clients */
  freshUntil?(now: number): number;
  /** Headers to add. @param freshUntil where the answer will be stored, and its lifetime is told */
  headers?(head: ResponseHead, now: number, freshUntil: number | undefined): AddedHeaders;
  /**
   * Judges once more what has gone out: layers below may have changed it.
   * @param cacheControl as a layer below has changed it
   */
  refusalOfSent?(recorded: RecordedResponse, cacheControl: string | undefined): Refusal | undefined;
  /** What to store, and for how many milliseconds. */
  stored(recorded: RecordedResponse): { readonly response: StoredResponse; readonly lifetime: number };
}

/** The answer of one handler on its way out: judged once its head is complete, stored once its body is. */
export class RecordedAnswer implements RecordOptions {
  readonly maxBodyBytes: number;
  readonly verbatim: boolean;
  readonly #fwd: ForwardReason;
  #verdict: Verdict | undefined;
  /** Cache-Control as this layer leaves it. */
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

  /** Called with the complete head, before it goes out. @returns what goes out beside it, or in its place */
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

  /** @returns whether the answer was given to the store, or was no answer to store */
  #store(recording: Recording): boolean {
    const { request, counter } = this.exchange;
    // A client that left before the head was complete.
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
   * Stores a response under the variant that its Vary names.
   *
   * @param lifetime milliseconds
   * @returns whether it was given to the store
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
    // Waiting requests may have asked for another variant: their key did not tell.
    if (covered === 'moved') this.runtime.engine.loads.move(load, call.key);
    if (!this.exchange.route.variants.takes(call))
      return this.#refuseCounted({
        reason: 'it has more variants than are read; hold in its key what chooses between them',
        why: 'variants',
      });
    void this.runtime.engine.writer.write(call, load, response, lifetime);
    return true;
  }

  /** Waiting requests go to the handler themselves, and for a while no request waits for this key (hit-for-miss). */
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

  /** As soon as the head tells that nothing will be stored: the body may take long. */
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
    // The ttl function and the condition of a route need the whole answer.
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

  /** Why the answer is not known to be stored. */
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

/** Why a request was forwarded to its handler: for want of a stored response, where nothing else is said. */
export function forwardReason({ forwarded, route }: Exchange, call: Call): ForwardReason {
  return forwarded ?? route.missOf(call);
}

const REFUSALS: Readonly<Partial<Record<RecordingRefusal, string>>> = {
  aborted:
    'its client went away, or its handler failed, before it was complete. If that is not rare, let the handler finish what it begins',
  hijacked: 'its handler took over the connection; leave it without @CacheResponse()',
  'event-stream': 'it is a stream of events, which has no end; leave its handler without @CacheResponse()',
  'set-cookie': 'it sets a cookie; set cookies in middleware or another route',
  trailers: 'it has trailers; say in headers what they say, or leave its handler without @CacheResponse()',
  'length-mismatch': 'its Content-Length is not the length of its body; leave that header to the platform',
};

function whyNotRecorded(refusal: RecordingRefusal, maxBodyBytes: number): string | undefined {
  if (refusal !== 'too-large') return REFUSALS[refusal];
  return `its body is larger than ${maxBodyBytes} bytes; maxBodyBytes: ${maxBodyBytes * 10} would store ten times as much`;
}
