import {
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  NotFoundException,
} from '@nestjs/common';
import { finalize, from, Observable, of, switchMap, tap } from 'rxjs';
import { CacheStatus, type Call } from '../cache/engine/call.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import {
  followsRequests,
  joinSurroundings,
  type LoadContext,
  runInLoad,
  scopeSurroundings,
} from '../cache/engine/load-context.js';
import type { Load } from '../cache/engine/loads.js';
import { StatusCounter, UNCOUNTED } from '../observability/metrics.js';
import { Entry } from '../stores/store.interface.js';
import type { Stamp } from '../stores/stamp.js';
import type { CacheStatusParameters } from './answer/cache-status-header.js';
import type { FreshnessRules } from './answer/freshness-rules.js';
import {
  HandlerLoad,
  withFleetLock,
  withHardTimeout,
  withLearnedTags,
  withLoadGate,
} from './answer/handler-load.js';
import { hitAnswer } from './answer/hit-answer.js';
import type { HitShortcut, HitSource } from './answer/hit-shortcut.js';
import { forwardReason, RecordedAnswer } from './answer/recorded-answer.js';
import { statusHeaders } from './answer/response-headers.js';
import { type Reuse, StaleResponses } from './answer/stale-responses.js';
import { StoredResponse } from './answer/stored-response.js';
import { notCached } from './answer/synthetic-answer.js';
import { recordHead, TtlFreshness } from './answer/ttl-freshness.js';
import type { BypassReason, Exchange, Lookup, RouteLookup } from './exchange.js';
import { Explainer } from './explain.js';
import { addHeaders, addIfAbsent } from './headers/vary.js';
import { Admission, type IsAuthenticated } from './request/admission.js';
import { runUnobserved } from './inputs/observed-reads.js';
import { InnerLoads } from './inputs/inner-loads.js';
import type { InputRules } from './inputs/input-rules.js';
import { watchInnerLoads } from './inputs/load-inputs.js';
import type { RequestObjects } from './inputs/request-input.js';
import { messageOf, watchOf } from './inputs/request-watch.js';
import { NO_DIRECTIVES, requestDirectives } from './request/directives.js';
import { asksForPart } from './request/preconditions.js';
import { invalidateOnSuccess, isUnsafe } from './request/unsafe-request.js';
import { BackgroundRequests, type Verification } from './rewarm/background-requests.js';
import { isAstray } from './rewarm/rewarm-responses.js';
import { HeaderFreshness } from './rfc9111/header-freshness.js';
import type { FastLane } from './lane/fast-lane.js';
import type { CachedRoute } from './route/cached-route.js';

/**
 * Serves and stores the answers of decorated handlers. It stands before all other interceptors, so a hit runs the
 * guards and nothing else; where there are no guards either, {@link tryHit} answers before Nest's pipeline.
 *
 * The flow of a request: bypass? → key → read → replay what may be reused, or join the load in flight, or lead it: run the
 * handler while its answer is recorded. `freshness: 'ttl'` and `'headers'` differ by their {@link FreshnessRules}.
 */
export class ResponseCacheInterceptor implements NestInterceptor, HitSource {
  /** Set when the routes are known: Nest creates the interceptor earlier. */
  routes: RouteLookup = NO_ROUTES;
  /** Set when the application has started, if a route uses the fast lane. */
  lane: FastLane | undefined;
  readonly #background: BackgroundRequests;
  readonly #admission: Admission;
  readonly #explainer: Explainer;
  readonly #stale: StaleResponses;
  readonly #freshness: Readonly<Record<'ttl' | 'headers', FreshnessRules>>;

  constructor(
    private readonly runtime: CacheRuntime,
    isAuthenticated: IsAuthenticated,
    private readonly explainSecret: string | undefined,
    private readonly shortcut: HitShortcut,
    private readonly inputRules: InputRules,
  ) {
    const { engine } = runtime;
    this.#explainer = new Explainer(runtime, explainSecret);
    this.#admission = new Admission(runtime, isAuthenticated);
    this.#background = new BackgroundRequests(engine.clock);
    this.#stale = new StaleResponses(engine, this.#background);
    this.#freshness = {
      ttl: new TtlFreshness(engine, this.#stale),
      headers: new HeaderFreshness(runtime, this.#admission, this.#stale),
    };
  }

  tryHit(route: CachedRoute, request: Exchange['request'], response: object): (() => void) | Lookup {
    watchOf(request)?.arrive(messageOf(request), request, response);
    const lookup = this.#lookUp(route, request);
    const { call, reading, directives, explanation, isRefresh } = lookup;
    if (typeof call === 'string' || !(reading instanceof Entry)) return lookup;
    if (isRefresh || directives !== NO_DIRECTIVES) return lookup;
    const { engine } = this.runtime;
    const reuse = this.#stale.serve(call, reading, request);
    if (reuse === undefined) return lookup;
    if (call.variant !== '') route.variants.read(call);
    engine.serve(call, reading, reuse.status);
    const answer = hitAnswer({ route, request, response, explanation }, reuse, engine.clock.now());
    this.lane?.observe({ route, request, response, call, reuse, answer });
    return () => {
      route.platform.send(request, response, answer.recorded, answer);
      call.target.counters.count(reuse.status);
    };
  }

  intercept(context: ExecutionContext, handler: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return handler.handle();
    const http = context.switchToHttp();
    const request = http.getRequest<Exchange['request']>();
    const response = http.getResponse<object>();
    const route = this.routes.find(context.getHandler(), context.getClass());
    if (isAstray(request, route)) throw new NotFoundException();
    watchOf(request)?.arrive(messageOf(request), request, response);
    const next = watchedHandler(handler, { request, response }, this.inputRules);
    const before = this.shortcut.arrive(request, route, context);
    if (request.method !== 'GET') this.#watchUnsafe(route, request, response);
    if (route === undefined) return next.handle();
    const { call, reading, directives, explanation, isRefresh } = before ?? this.#lookUp(route, request);
    const counter = new StatusCounter(isRefresh ? UNCOUNTED : route.target.counters);
    const exchange = { route, request, response, next, counter, explanation, directives, isRefresh };
    const verification = isRefresh ? this.#background.verificationOf(request) : undefined;
    if (verification !== undefined) return this.#verify(exchange, call, verification);
    if (typeof call === 'string') return this.#bypass(exchange, call);
    if (reading instanceof Promise)
      return from(reading).pipe(switchMap((settled) => this.#answer(exchange, call, settled)));
    return this.#answer(exchange, call, reading);
  }

  /** Examines a request: whatever is the same with and without Nest's pipeline is done here, once. */
  #lookUp(route: CachedRoute, request: Exchange['request']): Lookup {
    const isRefresh = this.#background.has(request);
    const mayExplain = route.explains || this.explainSecret !== undefined;
    const explanation = mayExplain ? this.#explainer.of(route, request) : undefined;
    const obeys = route.options.honourRequestDirectives;
    const directives = obeys ? requestDirectives(request.headers) : NO_DIRECTIVES;
    const call = this.#admission.admit(route, request, directives);
    if (typeof call === 'string') return { call, reading: undefined, directives, explanation, isRefresh };
    if (explanation !== undefined) explanation.call = call;
    if (isRefresh) this.#background.meet(request, call);
    return { call, reading: this.runtime.engine.reader.read(call), directives, explanation, isRefresh };
  }

  /** Drops the entries for the URI of an unsafe request. A cached route changes nothing, so its own requests drop nothing. */
  #watchUnsafe(route: CachedRoute | undefined, request: Exchange['request'], response: object): void {
    const { storedUris } = this.routes;
    if (storedUris === undefined || !isUnsafe(request.method) || route?.caches(request.method) === true)
      return;
    invalidateOnSuccess(this.runtime, storedUris, request, response);
  }

  #bypass(exchange: Exchange, why: BypassReason): Observable<unknown> {
    exchange.counter.count(CacheStatus.BYPASS);
    exchange.route.target.counters.refusals.count(why);
    const fwd = why === 'method' ? why : why === 'no-store' ? 'request' : 'bypass';
    // Without its key the request is not explained: the headers of an explanation would forbid outer caches to store an answer that the
    // handler allows.
    if (exchange.explanation !== undefined) exchange.explanation.call = undefined;
    addHeaders(exchange.response, statusHeaders(exchange, { cacheStatus: CacheStatus.BYPASS }, { fwd, why }));
    if (FOR_ONE.has(why)) addIfAbsent(exchange.response, 'Cache-Control', 'private');
    return exchange.next.handle();
  }

  /** Repeats the request of a call, past the cache. @returns `undefined` if it cannot be repeated, or made another key */
  readonly repeat = (call: Call, context: LoadContext): Promise<RepeatedAnswer | undefined> | undefined => {
    const verification: Verification = { context, key: call.key, recorded: undefined };
    return this.#background.verify(call, call.request!, verification)?.then(() => {
      context.close();
      const { recorded } = verification;
      return recorded && { stored: new StoredResponse(recorded), context };
    });
  };

  /** Runs the handler for an answer that is only compared with a stored one. */
  #verify(exchange: Exchange, call: Call | BypassReason, verification: Verification): Observable<unknown> {
    const { route, request, response, next } = exchange;
    if (typeof call === 'string' || call.key !== verification.key) return notCached(exchange);
    const { context } = verification;
    const control = runUnobserved(() => {
      route.options.query?.hide(request);
      return route.platform.record(request, response, {
        maxBodyBytes: route.options.maxBodyBytes,
        head: () => undefined,
        done: (recording) => void (verification.recorded = recording.response),
      });
    });
    const fail = (): void => control.fail();
    joinSurroundings(context);
    return within(
      (body) => runInLoad(context, body),
      () => next.handle().pipe(tap({ error: fail, unsubscribe: fail })),
    );
  }

  #rulesOf({ route }: Exchange): FreshnessRules {
    return this.#freshness[route.options.freshness];
  }

  #answer(exchange: Exchange, call: Call, reading: Entry | Stamp | undefined): Observable<unknown> {
    if (!(reading instanceof Entry)) return this.#miss(exchange, call, reading);
    if (exchange.isRefresh) return this.#miss({ ...exchange, forwarded: 'stale' }, call, reading);
    const reuse = this.#rulesOf(exchange).reuse(exchange, call, reading);
    if (typeof reuse !== 'string') return this.#replay(exchange, call, reuse);
    const forwarded: Exchange = { ...exchange, forwarded: reuse };
    if (reuse === 'stale') exchange.route.target.counters.expired++;
    const { directives, request } = exchange;
    const mayFallBack =
      reuse === 'stale' &&
      !directives.reload &&
      !directives.onlyIfCached &&
      this.#stale.isFallback(call, reading);
    if (!mayFallBack) return this.#miss(forwarded, call, reading);
    return from(this.#stale.refreshOrStale(call, reading, request)).pipe(
      switchMap((found) =>
        found === undefined ? this.#miss(forwarded, call, reading) : this.#replay(exchange, call, found),
      ),
    );
  }

  /** Sends a stored response. */
  #replay(
    exchange: Exchange,
    call: Call,
    reuse: Reuse,
    reported?: CacheStatusParameters,
  ): Observable<unknown> {
    const { route, request, response, counter } = exchange;
    const { engine } = this.runtime;
    counter.count(reuse.status);
    if (call.variant !== '') route.variants.read(call);
    engine.serve(call, reuse.entry, reuse.status);
    const answer = this.#rulesOf(exchange).answer(exchange, reuse, engine.clock.now(), reported);
    return of(route.platform.replay(request, response, answer.recorded, answer));
  }

  /** @param reading an entry that must not be served as it is, or the stamp for a new one */
  #miss(exchange: Exchange, call: Call, reading: Entry | Stamp | undefined): Observable<unknown> {
    const { directives, request } = exchange;
    if (directives.onlyIfCached) return notCached(exchange);
    // A partial answer is never stored, and this cache must not change the condition that selects the part.
    if (asksForPart(request)) return this.#bypass(exchange, 'range');
    if (!(reading instanceof Entry)) return this.#load(exchange, call, reading, undefined);
    return from(this.runtime.engine.reader.stamp(call)).pipe(
      switchMap((stamp) => this.#load(exchange, call, stamp, reading)),
    );
  }

  #load(
    exchange: Exchange,
    call: Call,
    stamp: Stamp | undefined,
    stale: Entry | undefined,
  ): Observable<unknown> {
    const { engine } = this.runtime;
    const { counter, directives, next } = exchange;
    // The answer to a HEAD has no body to store or to share.
    const isHead = exchange.request.method === 'HEAD';
    if (isHead && !this.#rulesOf(exchange).loadsForHead) {
      recordHead(exchange, call);
      return next.handle();
    }
    const joined = directives.reload || isHead ? undefined : engine.join(call, stamp);
    if (joined !== undefined) {
      const answer = from(this.#wait(exchange, call, joined)).pipe(switchMap((waited) => waited));
      return withHardTimeout(engine.clock, call, counter, answer);
    }
    const load = isHead
      ? engine.loads.beginUnshared(call.key, stamp, call.target.store)
      : engine.begin(call, stamp, directives.reload);
    return withHardTimeout(engine.clock, call, counter, this.#run(exchange, call, load, stale));
  }

  /** Runs the handler when the fleet lock is held and the load gate has a free slot. */
  #run(exchange: Exchange, call: Call, load: Load, stale: Entry | undefined): Observable<unknown> {
    const { engine } = this.runtime;
    const { directives, forwarded, isRefresh } = exchange;
    let leads = false;
    const lead = (): Observable<unknown> => {
      leads = true;
      return this.#lead(exchange, call, load, stale);
    };
    const fenced = (): Observable<unknown> => withLearnedTags(engine, call, load, lead);
    const admitted = (): Observable<unknown> => withLoadGate(engine.gate, load, fenced);
    // Such a request refuses the response that another process has stored.
    const refusesStored = forwarded === 'request' || directives.reload;
    const answer = refusesStored
      ? admitted()
      : withFleetLock(engine, call, load, isRefresh, admitted, (entry) =>
          this.#replayLoaded(exchange, call, { entry, status: CacheStatus.HIT }),
        );
    // Cancelled before its turn: a waiting request becomes the leader.
    return answer.pipe(finalize(() => leads || load.settle({ failed: false })));
  }

  #lead(exchange: Exchange, call: Call, load: Load, stale: Entry | undefined): Observable<unknown> {
    const { route, request, response, next } = exchange;
    const rules = this.#rulesOf(exchange).begin(exchange, call, load, stale);
    const handler = new HandlerLoad(this.runtime, route);
    const answer = new RecordedAnswer(this.runtime, exchange, call, load, rules, handler);
    const control = runUnobserved(() => route.platform.record(request, response, answer));
    joinSurroundings(load.context);
    return within(
      (body) => runInLoad(load.context, body),
      () => handler.run(next, control),
    );
  }

  /** Waits for the load of another request, and takes its response only if that answers this request and is current. */
  async #wait(exchange: Exchange, call: Call, load: Load): Promise<Observable<unknown>> {
    const { engine } = this.runtime;
    const { reader } = engine;
    const { entry, isLate } = await load.wait();
    if (entry !== undefined && (await reader.isCurrent(call, entry.stamp))) {
      const reuse = this.#rulesOf(exchange).reuse(exchange, call, entry);
      if (typeof reuse !== 'string') return this.#replayLoaded(exchange, call, reuse);
    }
    const again = exchange.route.call(exchange.request, call.ambient);
    if (isLate === true) engine.reportLate(call);
    again.retries = isLate === true ? call.retries : call.retries + 1;
    if (exchange.explanation !== undefined) exchange.explanation.call = again;
    return this.#answer(exchange, again, await reader.read(again));
  }

  /** Sends a response that another request or process has loaded in the meantime. */
  #replayLoaded(exchange: Exchange, call: Call, reuse: Reuse): Observable<unknown> {
    return this.#replay(exchange, call, reuse, { fwd: forwardReason(exchange, call), collapsed: true });
  }
}

/** The answer to a repeated request. */
interface RepeatedAnswer {
  readonly stored: StoredResponse;
  readonly context: LoadContext;
}

/** Begins an observable, and subscribes to it, in an ambient context: an interceptor may run the handler in either. */
function within(run: <T>(body: () => T) => T, begin: () => Observable<unknown>): Observable<unknown> {
  const answer = run(begin);
  return new Observable((subscriber) => run(() => answer.subscribe(subscriber)));
}

/** Runs the handler with the watch over its reads. */
function watchedHandler(handler: CallHandler, objects: RequestObjects, rules: InputRules): CallHandler {
  return {
    handle: () => {
      const watch = watchOf(objects.request);
      if (watch?.handOver(messageOf(objects.request)) !== true) return handler.handle();
      const prepare = (): void => watchInnerLoads(objects, rules);
      if (followsRequests()) scopeSurroundings(new InnerLoads(objects, rules, prepare));
      else prepare();
      return handler.handle();
    },
  };
}

/** Reasons for which outer caches must not share an answer either, unless its handler sends Cache-Control. */
const FOR_ONE: ReadonlySet<BypassReason> = new Set(['authenticated', 'unidentified', 'cookie']);

const NO_ROUTES: RouteLookup = { find: () => undefined, storedUris: undefined };
