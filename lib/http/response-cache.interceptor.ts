import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { finalize, from, of, switchMap, type Observable } from 'rxjs';
import { CacheStatus, type Call } from '../cache/engine/call.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { runInLoad } from '../cache/engine/load-context.js';
import type { Load } from '../cache/engine/loads.js';
import { StatusCounter, UNCOUNTED } from '../observability/metrics.js';
import type { KeyRequest } from '../keys/key.interface.js';
import { Entry } from '../stores/store.interface.js';
import type { Stamp } from '../stores/stamp.js';
import { addHeaders } from './headers/vary.js';
import { Admission, type IsAuthenticated } from './request/admission.js';
import { type RangeExchange, notCached } from './answer/synthetic-answer.js';
import type { CacheStatusParameters, ForwardReason } from './answer/cache-status-header.js';
import type { CachedRoute } from './route/cached-route.js';
import type { BypassReason, Exchange, Lookup, RouteLookup } from './exchange.js';
import { Explainer, type Explanation } from './explain.js';
import { asksForPart, conditionsOf, hideConditions } from './request/preconditions.js';
import { withLoadGate, withFleetLock, withinHardTimeout } from './answer/handler-load.js';
import type { HitShortcut } from './answer/hit-shortcut.js';
import { demandsReload, honouredDirectives, NO_DIRECTIVES } from './request/directives.js';
import type { Replacement } from './platform.interface.js';
import { BackgroundRequests } from './rewarm/rewarm-responses.js';
import { statusHeaders, type ReportedExchange } from './answer/response-headers.js';
import type { ResponseRecorder } from './answer/response-recorder.js';
import { type Reuse, hitAnswer, StaleResponses } from './answer/reused-response.js';
import { SharedCache } from './rfc9111/shared-cache.js';
import { invalidateOnSuccess, isUnsafe } from './request/unsafe-request.js';
import { watchIdentity } from './request/identity-watch.js';

/**
 * Serves and stores the answers of decorated handlers. It stands before all other interceptors, so a hit runs the
 * guards and nothing else.
 *
 * The flow of a request: bypass? → key → read → replay what is fresh, or may be stale, or join the load in flight, or lead
 * it: run the handler while its answer is recorded.
 */
export class ResponseCacheInterceptor implements NestInterceptor {
  readonly #sharedCache: SharedCache;
  readonly #repeated: BackgroundRequests;
  readonly #admission: Admission;
  readonly #explainer: Explainer;
  readonly #stale: StaleResponses;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly routes: RouteLookup,
    private readonly recorder: ResponseRecorder,
    isAuthenticated: IsAuthenticated,
    explainSecret: string | undefined,
    private readonly shortcut: HitShortcut,
  ) {
    this.#explainer = new Explainer(runtime, explainSecret);
    this.#admission = new Admission(runtime, isAuthenticated);
    this.#repeated = new BackgroundRequests(runtime.engine.clock);
    this.#stale = new StaleResponses(runtime.engine, this.#repeated);
    this.#sharedCache = new SharedCache(
      runtime,
      this.#admission,
      isAuthenticated,
      this.#repeated,
      this.#stale,
    );
  }

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const http = context.switchToHttp();
    const request = http.getRequest<Exchange['request']>();
    const response = http.getResponse<object>();
    const route = this.routes.find(context.getHandler(), context.getClass());
    const before = this.shortcut.arrive(request, route, context);
    if (isUnsafe(request.method)) this.#watchUnsafe(route, request, response);
    if (route === undefined) return next.handle();
    const explanation = before === undefined ? this.#explainer.of(route, request) : before.explanation;
    const counter = new StatusCounter(this.#repeated.has(request) ? UNCOUNTED : route.target.counters);
    const asked = honouredDirectives(route, request);
    const exchange: Exchange = {
      route,
      request,
      response,
      next,
      counter,
      explanation,
      directives: asked,
    };
    if (route.options.freshness === 'headers' && route.caches(request.method))
      return this.#sharedCache.answer(exchange);
    const { call, reading } = before ?? this.#find(route, request, explanation);
    if (typeof call === 'string') return this.#bypass(exchange, call);
    if (reading instanceof Promise)
      return from(reading).pipe(switchMap((settled) => this.#answer(exchange, call, settled)));
    return this.#answer(exchange, call, reading);
  }

  /** What sends a hit without Nest's pipeline; else what was found, for {@link intercept} to go on with. */
  tryHit(route: CachedRoute, request: Exchange['request'], response: object): (() => void) | Lookup {
    const explanation = this.#explainer.of(route, request);
    const found = this.#find(route, request, explanation);
    const { call, reading } = found;
    if (typeof call === 'string' || !(reading instanceof Entry) || this.#repeated.has(request)) return found;
    if (honouredDirectives(route, request) !== NO_DIRECTIVES) return found;
    const reuse = this.#stale.serve(call, reading, request);
    if (reuse === undefined) return found;
    const answer = this.#serve({ route, request, response, explanation }, call, reuse);
    return () => {
      route.platform.send(request, response, answer.recorded, answer);
      call.target.counters.count(reuse.status);
    };
  }

  #find(route: CachedRoute, request: Exchange['request'], explanation: Explanation | undefined): Lookup {
    const call = this.#admission.admit(route, request);
    if (typeof call === 'string') return { call, reading: undefined, explanation };
    if (explanation !== undefined) explanation.call = call;
    return { call, reading: this.runtime.engine.reader.read(call), explanation };
  }

  #watchUnsafe(route: CachedRoute | undefined, request: KeyRequest, response: object): void {
    const { storedUris } = this.routes;
    // What its answers are cached for changes nothing.
    if (storedUris === undefined || route?.caches(request.method) === true) return;
    invalidateOnSuccess(this.runtime, storedUris, request, response);
  }

  #bypass(exchange: Exchange, why: BypassReason): Observable<unknown> {
    exchange.counter.count(CacheStatus.BYPASS);
    const fwd = why === 'method' ? why : why === 'no-store' ? 'request' : 'bypass';
    // Its key is not told: what the handler says of caching goes before what keeps it from caches outside.
    if (exchange.explanation !== undefined) exchange.explanation.call = undefined;
    addHeaders(exchange.response, statusHeaders(exchange, { cacheStatus: CacheStatus.BYPASS }, { fwd, why }));
    return exchange.next.handle();
  }

  #answer(exchange: Exchange, call: Call, reading: Entry | Stamp | undefined): Observable<unknown> {
    if (!(reading instanceof Entry)) return this.#load(exchange, call, reading);
    const { directives: demanded, request } = exchange;
    if (this.#repeated.has(request)) return this.#loadAnew(exchange, call);
    const reuse = this.#stale.serve(call, reading, request, demanded);
    if (reuse !== undefined) return this.#replay(exchange, call, reuse);
    if (reading.isFresh(this.runtime.engine.clock.now())) return this.#loadAnew(exchange, call, 'request');
    const mayFallBack =
      !demandsReload(demanded) && !demanded.onlyIfCached && this.#stale.isFallback(call, reading);
    if (!mayFallBack) return this.#loadAnew(exchange, call);
    return from(this.#stale.ask(call, reading, request)).pipe(
      switchMap((asked) =>
        asked === undefined ? this.#loadAnew(exchange, call) : this.#replay(exchange, call, asked),
      ),
    );
  }

  /** Loads in place of what is stored. */
  #loadAnew(exchange: Exchange, call: Call, forwarded: ForwardReason = 'stale'): Observable<unknown> {
    return from(this.runtime.engine.reader.stamp(call)).pipe(
      switchMap((stamp) => this.#load({ ...exchange, forwarded }, call, stamp)),
    );
  }

  /** The hit. */
  #replay(exchange: Exchange, call: Call, reuse: Reuse, said?: CacheStatusParameters): Observable<unknown> {
    const { route, request, response, counter } = exchange;
    counter.count(reuse.status);
    const answer = this.#serve(exchange, call, reuse, said);
    return of(route.platform.replay(request, response, answer.recorded, answer));
  }

  #serve(
    asking: RangeExchange & ReportedExchange,
    call: Call,
    reuse: Reuse,
    said?: CacheStatusParameters,
  ): Replacement {
    const { engine } = this.runtime;
    engine.serve(call, reuse.entry, reuse.status);
    return hitAnswer(asking, reuse, engine.clock.now(), said);
  }

  #load(exchange: Exchange, call: Call, stamp: Stamp | undefined): Observable<unknown> {
    const { directives: asked, request, route } = exchange;
    if (asked.onlyIfCached) return notCached(exchange);
    // Of a part nothing is stored.
    if (asksForPart(request)) return this.#bypass(exchange, 'range');
    // A HEAD answer has no body to store or to share.
    if (request.method === 'HEAD') {
      route.options.query?.hide(request);
      this.recorder.recordHead(exchange);
      return exchange.next.handle();
    }
    const { engine } = this.runtime;
    const isAnew = demandsReload(asked);
    const joined = isAnew ? undefined : engine.join(call, stamp);
    const answer =
      joined === undefined
        ? this.#run(exchange, call, engine.begin(call, stamp, isAnew))
        : from(this.#wait(exchange, call, joined)).pipe(switchMap((waited) => waited));
    return withinHardTimeout(engine.clock, call, answer, () => exchange.counter.count(CacheStatus.MISS));
  }

  #run(exchange: Exchange, call: Call, load: Load): Observable<unknown> {
    const { engine } = this.runtime;
    let leads = false;
    const lead = (): Observable<unknown> => {
      leads = true;
      return this.#lead(exchange, call, load);
    };
    const { directives: asked, forwarded, request } = exchange;
    const turn = {
      lead: () => withLoadGate(engine.gate, load, lead),
      replay: (entry: Entry) => this.#replayLoaded(exchange, call, entry),
    };
    // What the fleet has stored is what such a request refuses.
    const isRefused = forwarded === 'request' || demandsReload(asked);
    const answer = isRefused
      ? turn.lead()
      : withFleetLock(engine, call, load, this.#repeated.has(request), turn);
    // Given up before its turn came: whoever waits for it, or comes next, leads in its place.
    return answer.pipe(finalize(() => leads || load.settle({ failed: false })));
  }

  /** Waits for the answer to somebody else's request, and takes it only if it is one to this request, and current. */
  async #wait(exchange: Exchange, call: Call, load: Load): Promise<Observable<unknown>> {
    const { engine } = this.runtime;
    const { entry } = await load.wait();
    if (
      entry !== undefined &&
      entry.isFresh(engine.clock.now()) &&
      (await engine.reader.isCurrent(call, entry.stamp))
    ) {
      return this.#replayLoaded(exchange, call, entry);
    }
    const again = exchange.route.call(exchange.request, call.ambient);
    again.retries = call.retries + 1;
    if (exchange.explanation !== undefined) exchange.explanation.call = again;
    return this.#answer(exchange, again, await engine.reader.read(again));
  }

  /** What somebody else loaded in the meantime. */
  #replayLoaded(exchange: Exchange, call: Call, entry: Entry): Observable<unknown> {
    const fwd = exchange.forwarded ?? exchange.route.missOf(call);
    return this.#replay(exchange, call, { entry, status: CacheStatus.HIT }, { fwd, collapsed: true });
  }

  #lead(exchange: Exchange, call: Call, load: Load): Observable<unknown> {
    const { route, request, next } = exchange;
    const conditions = conditionsOf(request.headers);
    hideConditions(request.headers);
    route.options.query?.hide(request);
    const watched = !route.options.shared && !route.target.key.hasIdentity;
    const stopWatching = watched
      ? watchIdentity(request, load.context, route.target.name, route.heldIdentity)
      : noop;
    const record = this.recorder.record(exchange, call, load, conditions, stopWatching);
    return runInLoad(load.context, () => record.run(() => next.handle()));
  }
}

const noop = (): void => undefined;
