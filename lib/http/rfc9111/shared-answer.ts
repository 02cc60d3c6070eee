import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { CacheStatus } from '../../cache/engine/call.js';
import type { ForwardReason } from '../answer/cache-status-header.js';
import { isNotModified, type Conditions } from '../request/preconditions.js';
import type { HeadDecision, Recording, ResponseHead } from '../platform.interface.js';
import { whyNotRecorded } from '../answer/recorded-answer.js';
import { statusHeaders } from '../answer/response-headers.js';
import { isStorable } from '../answer/storable.js';
import { varyMembers } from '../headers/vary.js';
import type { StoredResponse } from '../answer/stored-response.js';
import {
  ageOf,
  type ExchangeTimes,
  type JudgedFields,
  judgedFieldsOf,
  type ReuseTerms,
  reuseTermsOf,
} from '../answer/reuse-terms.js';
import { storingRefusal } from './may-store.js';
import { NO_DIRECTIVES } from '../request/directives.js';
import { mayStandInForError, reuseOf } from './may-reuse.js';
import { bumpInBackground } from '../request/unsafe-request.js';
import { freshened, isAbout, type SharedLoad, sharedResponse, storedAnswer } from './stored-answer.js';

/** How long past its lifetime a response is kept, to be validated or asked for with `max-stale`. Milliseconds. */
const KEEP_STALE_MS = 24 * 3600 * 1000;

/** What to write where the headers refuse; what has no lifetime or another status is as it is. */
const ADVICE: Readonly<Record<string, string>> = {
  'no-store': 'it says no-store; send max-age or s-maxage if it may be stored',
  private: 'it says private; send s-maxage if all may have it',
  'Vary: *': 'it says Vary: *; name the request headers that it depends on',
  authorization:
    'its request has credentials; send public or s-maxage if others may have the answer (RFC 9111 §3.5)',
};

/** The answer of a handler in `freshness: 'headers'`: sent, stored, or taken as word about what is stored. */
export class SharedAnswer {
  readonly #requestedAt: number;
  #fields: JudgedFields = {};
  #vary: readonly string[] = [];
  #times: ExchangeTimes = { requestedAt: 0, receivedAt: 0 };
  #refusal: string | undefined;
  #isOverLimit = false;
  /** As far as is known when the head goes out. */
  #isToBeStored = false;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly exchange: SharedLoad,
    /** The client's own, which the handler does not see. */
    private readonly conditions: Conditions,
  ) {
    this.#requestedAt = runtime.engine.clock.now();
  }

  /** What goes out instead of, or beside, what the handler sends. */
  head(head: ResponseHead): HeadDecision {
    const { stored, isValidation, request } = this.exchange;
    this.#fields = judgedFieldsOf(head.headers);
    this.#times = { requestedAt: this.#requestedAt, receivedAt: this.runtime.engine.clock.now() };
    if (stored !== undefined) {
      if (head.status === 304 && isValidation) return this.#validated(head, stored);
      if (this.#mayStandIn(head.status, stored))
        return this.#replaceBy(stored, CacheStatus.STALE, head.status);
    }
    this.exchange.counter.count(CacheStatus.MISS);
    if (request.method === 'HEAD') this.#headAnswer(head);
    else this.#judge(head);
    const etag = this.#fields.etag;
    const lastModified = this.#fields['last-modified'];
    return {
      add: statusHeaders(
        this.exchange,
        { cacheStatus: CacheStatus.MISS },
        {
          fwd: this.#fwd,
          stored: this.#isToBeStored,
          detail: this.#isOverLimit ? 'key-limit' : undefined,
          why: this.#refusal?.replace(/\W+/g, '-').toLowerCase(),
        },
        head.headers['cache-status'],
      ),
      notModified: head.status === 200 && isNotModified(this.conditions, { etag, lastModified }),
    };
  }

  get #fwd(): ForwardReason {
    const { directives: asked, call, route, stored } = this.exchange;
    if (stored === undefined) return route.missOf(call);
    return asked.noCache || asked.maxAge < Infinity ? 'request' : 'stale';
  }

  /** @returns whether it was given to the store, or was no answer to store */
  done(recording: Recording): boolean {
    // A client that went before the head did was told nothing.
    this.exchange.counter.count(CacheStatus.MISS);
    if (recording.refusal === 'replaced' || this.exchange.request.method === 'HEAD') {
      this.#leave();
      return true;
    }
    if (recording.response === undefined) {
      const { maxBodyBytes } = this.exchange.route.options;
      this.#refuse(whyNotRecorded(recording.refusal, maxBodyBytes));
      return false;
    }
    if (this.#refusal !== undefined) {
      this.#refuse(undefined);
      return false;
    }
    return this.#store(sharedResponse(recording.response, this.#fields, this.#times));
  }

  #judge(head: ResponseHead): void {
    const { call, isAuthenticated, route, stored } = this.exchange;
    this.#vary = [...varyMembers(head.headers['vary'] ?? ''), ...route.ownVary];
    this.#refusal = storingRefusal(head.status, this.#fields, this.#vary, isAuthenticated);
    if (this.#refusal !== undefined) {
      // What is stored is not what the handler has to say any more.
      if (stored !== undefined && head.status < 500) this.#dropUnlessPersonal(this.#refusal);
      return this.#refuse(ADVICE[this.#refusal]);
    }
    const terms = reuseTermsOf(head.status, this.#fields, this.#times);
    this.#isToBeStored =
      isStorable(this.exchange.load, head, route.options.maxBodyBytes) && isWorthKeeping(terms, this.#fields);
    if (this.#isToBeStored && stored === undefined && !route.keyLimit.take(call.key)) {
      this.#isOverLimit = true;
      this.#isToBeStored = false;
      this.#refusal = route.keyLimit.refusal;
      return this.#refuse(this.#refusal);
    }
    if (!isReusable(terms, this.#times)) this.#leave();
  }

  /** The handler said that what is stored is still good (RFC 9111 §4.3.3, §4.3.4). */
  #validated(head: ResponseHead, stored: StoredResponse): HeadDecision {
    if (!isAbout(this.#fields, stored)) {
      this.#drop('purge');
      return this.#replaceBy(stored, CacheStatus.REFRESH, head.status);
    }
    const fresh = freshened(stored, head.changed, this.#fields, this.#times);
    this.#keep(fresh);
    return this.#replaceBy(fresh, CacheStatus.REFRESH, head.status);
  }

  /** What a HEAD says of the stored answer to GET: its newer headers, or that it is another one by now (§4.3.5). */
  #headAnswer(head: ResponseHead): void {
    const { stored } = this.exchange;
    if (stored === undefined || head.status !== 200) return;
    const length = head.headers['content-length'];
    const isSameLength = length === undefined || Number(length) === stored.body.length;
    if (isSameLength && stored.status === 200 && isAbout(this.#fields, stored))
      this.#keep(freshened(stored, head.changed, this.#fields, this.#times));
    else this.#drop('expire');
  }

  #mayStandIn(status: number, stored: StoredResponse): boolean {
    return mayStandInForError(stored.terms, this.exchange.directives, status, this.#times.receivedAt);
  }

  #replaceBy(stored: StoredResponse, status: CacheStatus, fwdStatus: number): HeadDecision {
    const { exchange } = this;
    exchange.counter.count(status);
    const now = this.runtime.engine.clock.now();
    const forwarded = { fwd: this.#fwd, fwdStatus };
    return { replaceBy: storedAnswer(exchange, this.conditions, stored, status, now, forwarded) };
  }

  /** Stores what a newer answer made of a stored response, or drops that one where it must not be kept any more. */
  #keep(stored: StoredResponse): void {
    const { isAuthenticated } = this.exchange;
    const { fields } = stored.judged.shared!;
    this.#vary = varyMembers(stored.headers['vary']?.toString() ?? '');
    const refusal = storingRefusal(stored.status, fields, this.#vary, isAuthenticated);
    if (refusal === undefined) return void this.#store(stored);
    this.#dropUnlessPersonal(refusal);
    this.#leave();
  }

  /** What is said to one user's credentials says nothing of what all others get. */
  #dropUnlessPersonal(refusal: string): void {
    if (refusal !== 'authorization') this.#drop('purge');
  }

  /** @returns whether it was given to the store */
  #store(stored: StoredResponse): boolean {
    const { route, call, load } = this.exchange;
    const { engine } = this.runtime;
    const { terms } = stored;
    const now = engine.clock.now();
    if (!isWorthKeeping(terms, stored.judged.shared!.fields)) {
      this.#refuse(undefined);
      return false;
    }
    const covered = route.cover(call, [...new Set([...varyMembers(stored.recorded.vary), ...this.#vary])]);
    if (covered === 'too-many') {
      this.#refuse('it varies by too many headers');
      return false;
    }
    // Who waits may have asked for another variant: the key did not tell.
    if (covered === 'moved') load.settle({ failed: false });
    const lifetime = Math.max(0, terms.lifetime - ageOf(terms, now)) + KEEP_STALE_MS;
    void engine.writer.write(call, load, stored, lifetime);
    return true;
  }

  #drop(mode: 'purge' | 'expire'): void {
    const { call, route } = this.exchange;
    bumpInBackground(this.runtime, [route.target.keyTag(call)], mode);
  }

  /** Those who wait go their own ways, and for a while nobody waits for this key. */
  #leave(): void {
    this.runtime.engine.hitForMiss.mark(this.exchange.call.key);
    this.exchange.load.settle({ failed: false });
  }

  #refuse(reason: string | undefined): void {
    const { name } = this.exchange.route.target;
    this.#leave();
    if (reason !== undefined)
      this.runtime.log.warn(`refused ${name} ${reason}`, `An answer of ${name} is not cached: ${reason}.`);
  }
}

/** Whether a request that asks for nothing special may have it as it is: then it is worth waiting for. */
function isReusable(terms: ReuseTerms, { receivedAt }: ExchangeTimes): boolean {
  return reuseOf(terms, NO_DIRECTIVES, receivedAt) === 'fresh';
}

/** Whether it can ever be reused: while it is fresh, or stale by leave, or once it was validated. */
function isWorthKeeping(terms: ReuseTerms, fields: JudgedFields): boolean {
  if (fields.etag !== undefined || fields['last-modified'] !== undefined) return true;
  return !terms.alwaysValidate && terms.lifetime + terms.staleWhileRevalidate + terms.staleIfError > 0;
}
