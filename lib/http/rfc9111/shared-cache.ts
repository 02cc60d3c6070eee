import { from, of, switchMap, type Observable } from 'rxjs';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { CacheStatus } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import { runInLoad } from '../../cache/engine/load-context.js';
import { Entry } from '../../stores/store.interface.js';
import type { Stamp } from '../../stores/stamp.js';
import { addHeaders } from '../headers/vary.js';
import type { Admission, IsAuthenticated } from '../request/admission.js';
import { conditionsOf } from '../request/preconditions.js';
import { HandlerLoad, withLoadGate } from '../answer/handler-load.js';
import type { BackgroundRequests } from '../rewarm/rewarm-responses.js';
import type { Exchange, GeneralReason } from '../exchange.js';
import { notCached } from '../answer/synthetic-answer.js';
import { statusHeaders } from '../answer/response-headers.js';
import type { StaleResponses } from '../answer/reused-response.js';
import { responseOf } from '../answer/stored-response.js';
import { requestDirectives, RELOAD } from '../request/directives.js';
import { reuseOf, type Reuse } from './may-reuse.js';
import { SharedAnswer } from './shared-answer.js';
import { setConditions, type SharedExchange, storedAnswer } from './stored-answer.js';

/** A request that asks for more than a cache can judge (RFC 9110 §13.1.1, §13.1.4). */
const LEFT_TO_THE_HANDLER = ['if-match', 'if-unmodified-since'];

/** Why a request goes to the handler as it is. */
type ForwardReason = GeneralReason | 'condition' | 'no-store' | 'range';

const STATUSES: Readonly<Record<Exclude<Reuse, 'validated'>, CacheStatus>> = {
  fresh: CacheStatus.HIT,
  stale: CacheStatus.STALE,
  'while-revalidating': CacheStatus.STALE,
};

/**
 * Answers routes with `freshness: 'headers'`: a shared cache (RFC 9111) whose origin is the handler.
 *
 * The flow of a request: forward? → key → read → reuse what is fresh, or may be stale → join the handler's run in flight, or
 * have it run, asked with the validators of what is stored.
 */
export class SharedCache {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly admission: Admission,
    private readonly isAuthenticated: IsAuthenticated,
    private readonly repeated: BackgroundRequests,
    private readonly stale: StaleResponses,
  ) {}

  answer(exchange: Exchange): Observable<unknown> {
    const shared = this.#sharedExchange(exchange);
    if (typeof shared === 'string') return this.#forward(exchange, shared);
    if (exchange.explanation !== undefined) exchange.explanation.call = shared.call;
    const reading = this.runtime.engine.reader.read(shared.call);
    if (reading instanceof Promise)
      return from(reading).pipe(switchMap((settled) => this.#answer(shared, settled)));
    return this.#answer(shared, reading);
  }

  /** The request goes to the handler as it is, and nothing is stored. */
  #forward(exchange: Exchange, why: ForwardReason): Observable<unknown> {
    exchange.counter.count(CacheStatus.BYPASS);
    const fwd = why === 'no-store' ? 'request' : 'bypass';
    // Its key is not told: what the handler says of caching goes before what keeps it from caches outside.
    if (exchange.explanation !== undefined) exchange.explanation.call = undefined;
    addHeaders(exchange.response, statusHeaders(exchange, { cacheStatus: CacheStatus.BYPASS }, { fwd, why }));
    return exchange.next.handle();
  }

  /** The request with what it demands, or why it is forwarded. */
  #sharedExchange(exchange: Exchange): SharedExchange | ForwardReason {
    const { request, route } = exchange;
    if (LEFT_TO_THE_HANDLER.some((name) => request.headers[name] !== undefined)) return 'condition';
    const asked = this.repeated.has(request) ? RELOAD : requestDirectives(request.headers);
    if (asked.noStore) return 'no-store';
    let isAuthenticated = true;
    const call = this.admission.callOf<never>(route, request, () => {
      isAuthenticated = this.isAuthenticated(request);
      return undefined;
    });
    return typeof call === 'string' ? call : { ...exchange, directives: asked, call, isAuthenticated };
  }

  #answer(exchange: SharedExchange, reading: Entry | Stamp | undefined): Observable<unknown> {
    const { engine } = this.runtime;
    const entry = reading instanceof Entry ? reading : undefined;
    if (entry !== undefined) {
      const reuse = this.#reuse(exchange, entry);
      if (reuse !== 'validated') return this.#replay(exchange, entry, STATUSES[reuse]);
    }
    if (exchange.directives.onlyIfCached) return notCached(exchange);
    // Of a part nothing is stored, and no condition of ours may change what it is a part of.
    if (exchange.request.headers['range'] !== undefined) return this.#forward(exchange, 'range');
    if (!(reading instanceof Entry)) return this.#load(exchange, reading, undefined);
    return from(engine.reader.stamp(exchange.call)).pipe(
      switchMap((stamp) => this.#load(exchange, stamp, reading)),
    );
  }

  #reuse({ directives: asked, call, request }: SharedExchange, entry: Entry): Reuse {
    const { clock } = this.runtime.engine;
    if (entry.expired) return 'validated';
    const reuse = reuseOf(responseOf(entry).terms, asked, clock.now());
    if (reuse !== 'while-revalidating') return reuse;
    return this.stale.refresh(call, entry, request) ? reuse : 'validated';
  }

  #replay(exchange: SharedExchange, entry: Entry, status: CacheStatus): Observable<unknown> {
    const { route, request, response, call, counter } = exchange;
    counter.count(status);
    this.runtime.engine.serve(call, entry, status);
    const conditions = conditionsOf(request.headers);
    const now = this.runtime.engine.clock.now();
    const answer = storedAnswer(exchange, conditions, responseOf(entry), status, now);
    return of(route.platform.replay(request, response, answer.recorded, answer));
  }

  #load(exchange: SharedExchange, stamp: Stamp | undefined, stale: Entry | undefined): Observable<unknown> {
    const { engine } = this.runtime;
    const { directives: asked, call, request } = exchange;
    // The answer to a HEAD has no body to share; who asks end to end takes no answer to an earlier request.
    const mayJoin = request.method === 'GET' && !asked.noCache && asked.maxAge > 0;
    const joined = mayJoin ? engine.join(call, stamp) : undefined;
    if (joined !== undefined) return from(this.#wait(exchange, joined)).pipe(switchMap((answer) => answer));
    const load =
      request.method === 'GET'
        ? engine.begin(call, stamp)
        : engine.loads.beginUnshared(call.key, stamp, call.target.store);
    return withLoadGate(engine.gate, load, () => this.#lead(exchange, load, stale));
  }

  /** Waits for the answer to somebody else's request, and takes it only if it is one to this request, and current. */
  async #wait(exchange: SharedExchange, load: Load): Promise<Observable<unknown>> {
    const { reader } = this.runtime.engine;
    const { call, route } = exchange;
    const { entry } = await load.wait();
    if (entry !== undefined && (await reader.isCurrent(call, entry.stamp))) {
      const reuse = this.#reuse(exchange, entry);
      if (reuse !== 'validated') return this.#replay(exchange, entry, STATUSES[reuse]);
    }
    const again = route.call(exchange.request);
    again.retries = call.retries + 1;
    if (exchange.explanation !== undefined) exchange.explanation.call = again;
    return this.#answer({ ...exchange, call: again }, await reader.read(again));
  }

  #lead(exchange: SharedExchange, load: Load, stale: Entry | undefined): Observable<unknown> {
    const { route, request, response, next } = exchange;
    const stored = stale && responseOf(stale);
    const conditions = conditionsOf(request.headers);
    const isValidation = setConditions(request, request.method === 'GET' ? stored : undefined);
    const answer = new SharedAnswer(this.runtime, { ...exchange, load, stored, isValidation }, conditions);
    const handler = new HandlerLoad(this.runtime, route);
    const control = route.platform.record(request, response, {
      maxBodyBytes: route.options.maxBodyBytes,
      verbatim: true,
      head: (head) => answer.head(head),
      done: (recording) => handler.ended(recording, answer.done(recording)),
    });
    const run = (): Observable<unknown> =>
      handler.run(
        () => next.handle(),
        () => control.fail(),
      );
    return runInLoad(load.context, run);
  }
}
