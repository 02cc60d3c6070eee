import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { CacheStatus, type Call, metadataOf } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { CacheStatusParameters } from '../answer/cache-status-header.js';
import type { FreshnessRules } from '../answer/freshness-rules.js';
import {
  type AnswerRules,
  forwardReason,
  type RecordedAnswer,
  type Verdict,
} from '../answer/recorded-answer.js';
import { statusHeaders } from '../answer/response-headers.js';
import {
  ageOf,
  type ExchangeTimes,
  type JudgedFields,
  judgedFieldsOf,
  type ReuseTerms,
  reuseTermsOf,
} from '../answer/reuse-terms.js';
import type { Reuse, StaleResponses } from '../answer/stale-responses.js';
import { responseOf, type StoredResponse } from '../answer/stored-response.js';
import { partOf } from '../answer/synthetic-answer.js';
import type { Exchange } from '../exchange.js';
import { parseHttpDate } from '../headers/cache-control.js';
import { varyMembers } from '../headers/vary.js';
import type { RecordedResponse, Replacement, ResponseHead } from '../platform.interface.js';
import { type Admission, unheldCookies } from '../request/admission.js';
import { NO_DIRECTIVES } from '../request/directives.js';
import { type Conditions, conditionsOf, isNotModified } from '../request/preconditions.js';
import { bumpInBackground } from '../request/unsafe-request.js';
import type { Entry } from '../../stores/store.interface.js';
import { mayReplaceError, reusabilityOf, type Reusability, storingRefusal } from './rules.js';
import { freshened, isAbout, setConditions, sharedResponse } from './shared-response.js';

/** Time past its lifetime during which a response is kept, to be validated or served for `max-stale`. Milliseconds. */
const KEEP_STALE_MS = 24 * 3600 * 1000;

const STATUSES: Readonly<Record<Exclude<Reusability, 'validated'>, CacheStatus>> = {
  fresh: CacheStatus.HIT,
  stale: CacheStatus.STALE,
  'while-revalidating': CacheStatus.STALE,
};

/** Routes with `freshness: 'headers'`: a shared cache (RFC 9111) whose origin is the handler. */
export class HeaderFreshness implements FreshnessRules {
  readonly loadsForHead = true;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly admission: Admission,
    private readonly stale: StaleResponses,
  ) {}

  reuse({ directives, request }: Exchange, call: Call, entry: Entry): Reuse | 'stale' | 'request' {
    const { terms } = responseOf(entry);
    const now = this.runtime.engine.clock.now();
    // The terms are in the time of the process that stored the response.
    const reusability = entry.expired ? 'validated' : reusabilityOf(terms, directives, now - entry.shift);
    const mayReuse = reusability !== 'while-revalidating' || this.stale.refresh(call, entry, request);
    if (mayReuse && reusability !== 'validated') return { entry, status: STATUSES[reusability] };
    return directives.noCache || directives.maxAge < Infinity ? 'request' : 'stale';
  }

  answer(
    exchange: Exchange,
    { entry, status }: Reuse,
    now: number,
    reported?: CacheStatusParameters,
  ): Replacement {
    return storedAnswer(
      exchange,
      conditionsOf(exchange.request.headers),
      responseOf(entry),
      entry.shift,
      status,
      now,
      reported,
    );
  }

  begin(exchange: Exchange, call: Call, load: Load, stale: Entry | undefined): AnswerRules {
    // The inputs of the load need no watch: the headers of the answer name them.
    load.context.inputSink = () => undefined;
    const { request } = exchange;
    const stored = stale && responseOf(stale);
    const conditions = conditionsOf(request.headers);
    const isValidation = setConditions(request, request.method === 'GET' ? stored : undefined);
    const isAuthenticated = this.admission.mayBeAuthenticated(request);
    const hasCookies = unheldCookies(exchange.route, request.headers['cookie']).length > 0;
    return new HeaderAnswerRules(this.runtime, exchange, call, conditions, {
      stored,
      shift: stale?.shift ?? 0,
      isValidation,
      isAuthenticated,
      hasCookies,
    });
  }
}

/** The state before one run of the handler. */
interface Run {
  /** The stored response. The answer may freshen it, or it may be served instead of an error. */
  readonly stored: StoredResponse | undefined;
  /** Milliseconds from the clock of the process that stored it to that of this one. */
  readonly shift: number;
  /** True if the handler was asked to validate the stored response. */
  readonly isValidation: boolean;
  /** True if the request carries credentials: then its answer is stored only if its headers allow sharing (RFC 9111 §3.5). */
  readonly isAuthenticated: boolean;
  /** True if it carries cookies that are not ignored: they count as credentials, unless the answer varies by them. */
  readonly hasCookies: boolean;
}

/** Advice for refusals by headers. Answers without a lifetime, or with a status that is not stored, are normal and need none. */
const ADVICE: Readonly<Record<string, string>> = {
  'no-store': 'it has no-store; send max-age or s-maxage if it may be stored',
  private: 'it has private; send s-maxage if every client may get it',
  'Vary: *': 'it has Vary: *; name the request headers that it depends on',
  authorization:
    'its request has credentials, and cookies count as such unless ignoreCookies lists them; send public or s-maxage if others may have ' +
    'the answer (RFC 9111 §3.5), or Vary: Cookie if cookies choose it',
};

/** Judges the answer of a handler by its headers: stores it, or applies it to the stored response. */
class HeaderAnswerRules implements AnswerRules {
  readonly verbatim = true;
  readonly status = CacheStatus.MISS;
  readonly #requestedAt: number;
  #fields: JudgedFields = {};
  #times: ExchangeTimes = { requestedAt: 0, receivedAt: 0 };

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly exchange: Exchange,
    private readonly call: Call,
    readonly conditions: Conditions,
    private readonly run: Run,
  ) {
    this.#requestedAt = this.#now;
  }

  get #now(): number {
    return this.runtime.engine.clock.now();
  }

  replace(head: ResponseHead, answer: RecordedAnswer): ReturnType<NonNullable<AnswerRules['replace']>> {
    const { stored, shift, isValidation } = this.run;
    this.#fields = judgedFieldsOf(head.headers);
    this.#times = { requestedAt: this.#requestedAt, receivedAt: this.#now };
    if (stored === undefined) return undefined;
    if (head.status === 304 && isValidation) return this.#validated(head, stored, answer);
    const { directives } = this.exchange;
    return mayReplaceError(stored.terms, directives, head.status, this.#times.receivedAt - shift)
      ? this.#replaceBy(stored, shift, CacheStatus.STALE, head.status)
      : undefined;
  }

  judge(head: ResponseHead, answer: RecordedAnswer): Verdict {
    const { etag, 'last-modified': lastModified } = this.#fields;
    const vary = [...varyMembers(head.headers['vary'] ?? ''), ...this.exchange.route.ownVary];
    const verdict = { vary, etag, lastModified, isShareable: true };
    if (this.exchange.request.method === 'HEAD') {
      this.#updateByHead(head, answer);
      return { ...verdict, refusal: {} };
    }
    const { stored } = this.run;
    const refusal = storingRefusal(head.status, this.#fields, vary, this.#hasCredentials(vary));
    if (refusal !== undefined) {
      // The stored response is outdated.
      if (stored !== undefined && head.status < 500) this.#dropUnlessPersonal(refusal);
      const why = refusal.replace(/\W+/g, '-').toLowerCase();
      return { ...verdict, refusal: { reason: ADVICE[refusal], why } };
    }
    const terms = reuseTermsOf(head.status, this.#fields, this.#times);
    if (!isWorthKeeping(terms, this.#fields)) return { ...verdict, refusal: { why: 'no-lifetime' } };
    // Waiting requests may get the answer if a request without directives may.
    const isShareable = reusabilityOf(terms, NO_DIRECTIVES, this.#times.receivedAt) === 'fresh';
    return { ...verdict, isShareable };
  }

  stored(recorded: RecordedResponse): ReturnType<AnswerRules['stored']> {
    return this.#forStorage(sharedResponse(recorded, this.#fields, this.#times));
  }

  /** @param vary the members of the answer's Vary */
  #hasCredentials(vary: readonly string[]): boolean {
    const { isAuthenticated, hasCookies } = this.run;
    return isAuthenticated || (hasCookies && !vary.includes('cookie'));
  }

  #forStorage(response: StoredResponse): ReturnType<AnswerRules['stored']> {
    const { terms } = response;
    return { response, lifetime: Math.max(0, terms.lifetime - ageOf(terms, this.#now)) + KEEP_STALE_MS };
  }

  /** Handles the handler's 304: the stored response is still valid (RFC 9111 §4.3.3, §4.3.4). */
  #validated(
    head: ResponseHead,
    stored: StoredResponse,
    answer: RecordedAnswer,
  ): Replacement & { status: CacheStatus } {
    if (!isAbout(this.#fields, stored)) {
      this.#drop('purge');
      return this.#replaceBy(stored, this.run.shift, CacheStatus.REFRESH, head.status);
    }
    const fresh = freshened(stored, head.changed, this.#fields, this.#times);
    this.#keep(fresh, answer);
    return this.#replaceBy(fresh, 0, CacheStatus.REFRESH, head.status);
  }

  /** Handles the answer to a HEAD: it updates the headers of the stored response, or shows that the response has changed (§4.3.5). */
  #updateByHead(head: ResponseHead, answer: RecordedAnswer): void {
    const { stored } = this.run;
    if (stored === undefined || head.status !== 200) return;
    const length = head.headers['content-length'];
    const isSameLength = length === undefined || Number(length) === stored.body.length;
    if (isSameLength && stored.status === 200 && isAbout(this.#fields, stored))
      this.#keep(freshened(stored, head.changed, this.#fields, this.#times), answer);
    else this.#drop('expire');
  }

  #replaceBy(
    stored: StoredResponse,
    shift: number,
    status: CacheStatus,
    fwdStatus: number,
  ): Replacement & { readonly status: CacheStatus } {
    const { exchange, conditions } = this;
    const reported = { fwd: forwardReason(exchange, this.call), fwdStatus };
    return { ...storedAnswer(exchange, conditions, stored, shift, status, this.#now, reported), status };
  }

  /** Stores a freshened response, or drops it if it must not be stored any more. */
  #keep(freshened: StoredResponse, answer: RecordedAnswer): void {
    const { fields } = freshened;
    const vary = varyMembers(freshened.headers['vary']?.toString() ?? '');
    const refusal = storingRefusal(freshened.status, fields, vary, this.#hasCredentials(vary));
    if (refusal === undefined && isWorthKeeping(freshened.terms, fields)) {
      const { response, lifetime } = this.#forStorage(freshened);
      answer.store(response, lifetime, vary);
      return;
    }
    if (refusal !== undefined) this.#dropUnlessPersonal(refusal);
    answer.leave();
  }

  /** Drops the stored response, unless the answer belongs to one user's credentials: it says nothing about the answers to others. */
  #dropUnlessPersonal(refusal: string): void {
    if (refusal !== 'authorization') this.#drop('purge');
  }

  #drop(mode: 'purge' | 'expire'): void {
    bumpInBackground(this.runtime, [this.exchange.route.target.keyTag(this.call)], mode);
  }
}

/** True if a response can ever be reused: fresh, stale if allowed, or after validation. */
function isWorthKeeping(terms: ReuseTerms, fields: JudgedFields): boolean {
  if (fields.etag !== undefined || fields['last-modified'] !== undefined) return true;
  return !terms.alwaysValidate && terms.lifetime + terms.staleWhileRevalidate + terms.staleIfError > 0;
}

/**
 * The answer to a request from a stored response: all of it, a part, or 304; with its Age (RFC 9111 §4, §4.3.2, §5.1; RFC 9110 §13.2.2).
 *
 * @param conditions conditions of the client's request
 * @param shift milliseconds from the clock of the process that stored the response to that of this one
 * @param reported parameters of `Cache-Status`, unless this is a plain hit
 */
function storedAnswer(
  exchange: Exchange,
  conditions: Conditions,
  stored: StoredResponse,
  shift: number,
  status: CacheStatus,
  now: number,
  reported: CacheStatusParameters = { hit: true },
): Replacement {
  const { method, headers } = exchange.request;
  const { etag, lastModified, recorded, terms } = stored;
  const notModified = stored.status === 200 && isNotModified(conditions, { etag, lastModified });
  const isWhole = notModified || headers['range'] === undefined;
  const age = ageOf(terms, now - shift);
  const { lifetime, initialAge } = terms;
  const receivedAt = terms.receivedAt + shift;
  const metadata = metadataOf(status, {
    cachedAt: receivedAt,
    freshUntil: receivedAt + lifetime - initialAge,
  });
  const parameters = { ...reported, ttl: (lifetime - age) / 1000 };
  return {
    recorded: (isWhole ? undefined : partOf(exchange, recorded, rangeValidators(stored))) ?? recorded,
    add: {
      Age: String(Math.floor(age / 1000)),
      ...statusHeaders(exchange, metadata, parameters, stored.headers['cache-status']),
    },
    notModified,
    headOnly: method === 'HEAD',
  };
}

/** The handler's own validators, since other ones are not strong. */
function rangeValidators(stored: StoredResponse): Parameters<typeof partOf>[2] {
  const { etag, date, 'last-modified': lastModified } = stored.fields;
  return { etag, lastModified, date: parseHttpDate(date) };
}
