import type { CacheEngine } from '../../cache/engine/engine.js';
import { CacheStatus, type Call } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Exchange } from '../exchange.js';
import { varyMembers } from '../headers/vary.js';
import type { RequestInput } from '../inputs/request-input.js';
import type { CachedRoute } from '../route/cached-route.js';
import { baseOf } from '../route/variants.js';
import type { AddedHeaders, RecordedResponse, ResponseHead } from '../platform.interface.js';
import { watchLoad } from '../inputs/load-inputs.js';
import { type Conditions, conditionsOf, hideConditions, isNotModified } from '../request/preconditions.js';
import type { FreshnessRules } from './freshness-rules.js';
import { hitAnswer } from './hit-answer.js';
import type { AnswerRules, Verdict } from './recorded-answer.js';
import { lifetimeHeaders, standingHeaders, statusHeaders } from './response-headers.js';
import type { Reuse, StaleResponses } from './stale-responses.js';
import { judgeResponse, type Refusal, varyOf } from './storable.js';
import { ageOf, etagOf, joined, mayBeEncoded, weak, single, StoredResponse } from './stored-response.js';
import type { JudgedHeaders } from './response-shape.js';

/** Routes with `freshness: 'ttl'`: the decorator sets the lifetime; the handler's headers may shorten it or forbid storing. */
export class TtlFreshness implements FreshnessRules {
  readonly loadsForHead = false;
  readonly answer = hitAnswer;

  constructor(
    private readonly engine: CacheEngine,
    private readonly stale: StaleResponses,
  ) {}

  reuse({ request, directives }: Exchange, call: Call, entry: Entry): Reuse | 'stale' | 'request' {
    const reuse = this.stale.serve(call, entry, request, directives);
    return reuse ?? (entry.isFresh(this.engine.clock.now()) ? 'request' : 'stale');
  }

  begin(exchange: Exchange, call: Call, load: Load): AnswerRules {
    const { route, request, counter, forwarded } = exchange;
    const { options } = route;
    const conditions = conditionsOf(request.headers);
    // REFRESH if the request's directives refused the stored response.
    const status = forwarded === 'request' ? CacheStatus.REFRESH : CacheStatus.MISS;
    counter.count(status);
    hideConditions(request.headers);
    // Read before the recording replaces methods of the response.
    const isEncodable = mayBeEncoded(exchange);
    const stopWatching = this.#watch(exchange, call, load);
    options.query?.hide(request);
    return new TtlAnswerRules(exchange, call, load, status, conditions, isEncodable, stopWatching);
  }

  /**
   * Builds the key again, since the load may have waited: meanwhile other loads may have shown further inputs, or code may have changed the
   * request.
   */
  #renewKey({ route, request }: Exchange, call: Call, load: Load): void {
    const { key, variant } = route.call(request, call.ambient);
    if (baseOf(call) !== key.slice(0, key.length - variant.length))
      return load.context.refuse('code changed its request while it waited for its turn');
    call.key = key;
    call.variant = variant;
    this.engine.loads.move(load, key);
  }

  /** Watches what the load reads of its request. @returns a function that ends the watch */
  #watch(exchange: Exchange, call: Call, load: Load): () => void {
    const { route, request, response } = exchange;
    this.#renewKey(exchange, call, load);
    for (const input of route.inputsOf(call)) this.#report(route, input);
    const hold = (input: RequestInput): boolean => {
      const covered = route.variants.cover(call, [input]);
      // Waiting requests may have sent another value of this input.
      if (covered === 'moved') this.engine.loads.move(load, call.key);
      this.#report(route, input);
      return covered !== 'too-many';
    };
    const { inputs: rules, held, declaredHeaders } = route;
    const isAnswered = route.answersWhoAsks(request);
    if (route.isScoped && !isAnswered && !rules.hasKeyContext) load.context.refuse(SCOPED, true, 'scoped');
    return watchLoad(load.context, { request, response }, { rules, held, declaredHeaders, isAnswered, hold });
  }

  #report(route: CachedRoute, { name, advice }: RequestInput): void {
    if (!route.reports(name)) return;
    this.engine.log.info(
      `The answers of ${route.target.name} vary by ${name}, which code reads. To share them among its values, ${advice}.`,
    );
  }
}

const SCOPED =
  'its handler uses a request-scoped provider: write shared: true, add the user to its key, or write forRoot({ keyContext })';

class TtlAnswerRules implements AnswerRules {
  readonly verbatim = false;
  #judged: JudgedHeaders = {};
  #lifetime = 0;
  /** Headers that the answer depends on and that neither the route nor the handler has named. */
  #variedBy: readonly string[] = [];
  /** Header values of this response that its body must not repeat: a nonce, a token or an id. */
  #secrets: readonly string[] = [];

  constructor(
    private readonly exchange: Exchange,
    private readonly call: Call,
    private readonly load: Load,
    readonly status: CacheStatus,
    readonly conditions: Conditions,
    private readonly isEncodable: boolean,
    /** Called when the body is complete: what middleware reads later does not influence the answer. */
    private readonly stopWatching: () => void,
  ) {}

  judge({ status, headers, body, changed }: ResponseHead): Verdict {
    const { route } = this.exchange;
    if (body !== undefined) this.stopWatching();
    const vary = [...varyOf(headers), ...route.ownVary];
    const cacheControl = joined(headers['cache-control']);
    const etag = etagOf(single(headers['etag']), body);
    const lastModified = single(headers['last-modified']);
    const isPrivate = route.isPrivate(this.call);
    this.#variedBy = route.varyOf(this.call);
    this.#secrets = secretsOf(headers, changed);
    this.#judged = { etag, lastModified, cacheControl, ...(isPrivate && { isPrivate }) };
    const judgement = judgeResponse(status, cacheControl, ageOf(headers['age']), vary, route.options);
    if (typeof judgement === 'number') this.#lifetime = judgement;
    const refusal = typeof judgement === 'number' ? this.#refusalOfBody(body) : judgement;
    return { refusal, isShareable: true, vary, etag, lastModified };
  }

  #refusalOfBody(body: Buffer | undefined): Refusal | undefined {
    return this.#secrets.some((secret) => body?.includes(secret)) ? REPEATS_SECRET : undefined;
  }

  freshUntil(now: number): number {
    const ttl = this.exchange.route.target.policy.ttl as number;
    return Math.min(now + Math.min(ttl, this.#lifetime), this.load.context.freshUntil);
  }

  headers({ status }: ResponseHead, now: number, freshUntil: number | undefined): AddedHeaders {
    const { route } = this.exchange;
    const { etag, cacheControl, isPrivate } = this.#judged;
    const tag = etag !== undefined && route.options.statuses.has(status) ? etag : undefined;
    return {
      ...standingHeaders(route, cacheControl, isPrivate, this.#variedBy),
      ...(tag !== undefined && { ETag: this.isEncodable ? weak(tag) : tag }),
      ...(freshUntil !== undefined && lifetimeHeaders(route, cacheControl, now, freshUntil, isPrivate)),
    };
  }

  refusalOfSent(recorded: RecordedResponse, cacheControl: string | undefined): Refusal | undefined {
    const ofBody = this.#refusalOfBody(recorded.body);
    if (ofBody !== undefined || cacheControl === undefined) return ofBody;
    const { options } = this.exchange.route;
    const judgement = judgeResponse(recorded.status, cacheControl, 0, [], options);
    if (typeof judgement !== 'number') return judgement;
    this.#lifetime = Math.min(this.#lifetime, judgement);
    return undefined;
  }

  stored(recorded: RecordedResponse): ReturnType<AnswerRules['stored']> {
    const response = new StoredResponse(withVary(recorded, this.#variedBy), this.#judged);
    return { response, lifetime: this.#lifetime };
  }
}

const REPEATS_SECRET: Refusal = {
  reason:
    'its body repeats a nonce, a token or an id that a header of this response alone names; use hashes in the page, or remove ' +
    '@CacheResponse()',
  why: 'nonce',
};

/** Response headers whose value differs in each response. */
const OF_ONE_RESPONSE = [
  ...['x-request-id', 'request-id', 'x-correlation-id', 'correlation-id', 'x-trace-id'],
  ...['x-csrf-token', 'csrf-token', 'x-xsrf-token'],
];

const POLICIES = ['content-security-policy', 'content-security-policy-report-only'];

/** Length below which a value may occur in a body by chance. */
const SHORTEST_SECRET = 8;

/** @param changed headers that are stored with the body, so the body may repeat their values */
function secretsOf(headers: ResponseHead['headers'], changed: ResponseHead['changed']): readonly string[] {
  const live = (name: string): string =>
    headers[name] === undefined || changed.some(([stored]) => stored.toLowerCase() === name)
      ? ''
      : String(headers[name]);
  const nonces = POLICIES.flatMap((name) =>
    [...live(name).matchAll(/'nonce-([^']+)'/g)].map(([, nonce]) => nonce!),
  );
  // HTML pages may escape the padding, or omit it.
  return [...nonces.map((nonce) => nonce.replace(/=+$/, '')), ...OF_ONE_RESPONSE.map(live)].filter(
    (secret) => secret.length >= SHORTEST_SECRET,
  );
}

/** A replay must carry these headers in Vary, for outer caches. */
function withVary(recorded: RecordedResponse, names: readonly string[]): RecordedResponse {
  const known = varyMembers(recorded.vary);
  const missing = names.filter((name) => !known.includes(name));
  return missing.length === 0 ? recorded : { ...recorded, vary: [...recorded.vary, ...missing] };
}

/** Gives the answer to a HEAD the headers and the status of a GET. It has no body to store. */
export function recordHead(exchange: Exchange, call: Call): void {
  const { route, request, response, counter, forwarded = 'uri-miss' } = exchange;
  counter.count(CacheStatus.MISS);
  const conditions = conditionsOf(request.headers);
  hideConditions(request.headers);
  route.options.query?.hide(request);
  route.platform.record(request, response, {
    maxBodyBytes: route.options.maxBodyBytes,
    head: ({ status, headers, body }) => {
      // Express has removed the body but kept its length; Fastify still has the body.
      const etag = etagOf(single(headers['etag']), body?.length === 0 ? undefined : body);
      const lastModified = single(headers['last-modified']);
      return {
        add: {
          ...standingHeaders(
            route,
            joined(headers['cache-control']),
            route.isPrivate(call),
            route.varyOf(call),
          ),
          ...(etag !== undefined && route.options.statuses.has(status) && { ETag: etag }),
          ...statusHeaders(
            exchange,
            { cacheStatus: CacheStatus.MISS },
            { fwd: forwarded, why: 'head' },
            headers['cache-status'],
          ),
        },
        notModified: status === 200 && isNotModified(conditions, { etag, lastModified }),
      };
    },
    done: () => undefined,
  });
}
