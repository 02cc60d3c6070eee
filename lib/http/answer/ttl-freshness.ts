import type { CacheEngine } from '../../cache/engine/engine.js';
import { CacheStatus, type Call } from '../../cache/engine/call.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Exchange } from '../exchange.js';
import type { AddedHeaders, RecordedResponse, ResponseHead } from '../platform.interface.js';
import { watchIdentity } from '../request/identity-watch.js';
import { type Conditions, conditionsOf, hideConditions, isNotModified } from '../request/preconditions.js';
import type { FreshnessRules } from './freshness-rules.js';
import { hitAnswer } from './hit-answer.js';
import type { AnswerRules, Verdict } from './recorded-answer.js';
import { lifetimeHeaders, standingHeaders, statusHeaders } from './response-headers.js';
import type { Reuse, StaleResponses } from './stale-responses.js';
import { judgeResponse, varyOf } from './storable.js';
import { ageOf, etagOf, joined, single, StoredResponse } from './stored-response.js';
import type { JudgedHeaders } from './response-shape.js';

/** Routes with `freshness: 'ttl'`: the decorator says how long an answer is fresh, the handler may shorten that or forbid it. */
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

  begin(exchange: Exchange, _call: Call, load: Load): AnswerRules {
    const { route, request, counter, forwarded } = exchange;
    const { options, target } = route;
    const conditions = conditionsOf(request.headers);
    // REFRESH where the client refused what is stored.
    const status = forwarded === 'request' ? CacheStatus.REFRESH : CacheStatus.MISS;
    counter.count(status);
    hideConditions(request.headers);
    options.query?.hide(request);
    const isPublic = options.shared || target.key.hasIdentity;
    const stopWatching = isPublic
      ? noop
      : watchIdentity(request, load.context, target.name, route.heldIdentity);
    return new TtlAnswerRules(exchange, load, status, conditions, stopWatching);
  }
}

const noop = (): void => undefined;

class TtlAnswerRules implements AnswerRules {
  readonly verbatim = false;
  #judged: JudgedHeaders = {};
  #lifetime = 0;

  constructor(
    private readonly exchange: Exchange,
    private readonly load: Load,
    readonly status: CacheStatus,
    readonly conditions: Conditions,
    /** The handler has said all it has to say; middleware may read who the user is from now on. */
    private readonly stopWatching: () => void,
  ) {}

  judge({ status, headers, body }: ResponseHead): Verdict {
    const { route } = this.exchange;
    if (body !== undefined) this.stopWatching();
    const vary = [...varyOf(headers), ...route.ownVary];
    const cacheControl = joined(headers['cache-control']);
    const etag = etagOf(single(headers['etag']), body);
    const lastModified = single(headers['last-modified']);
    this.#judged = { etag, lastModified, cacheControl };
    const judgement = judgeResponse(status, cacheControl, ageOf(headers['age']), vary, route.options);
    if (typeof judgement === 'number') this.#lifetime = judgement;
    const refusal = typeof judgement === 'number' ? undefined : judgement;
    return { refusal, isShareable: true, vary, etag, lastModified };
  }

  freshUntil(now: number): number {
    const ttl = this.exchange.route.target.policy.ttl as number;
    return Math.min(now + Math.min(ttl, this.#lifetime), this.load.context.freshUntil);
  }

  headers({ status }: ResponseHead, now: number, freshUntil: number | undefined): AddedHeaders {
    const { route } = this.exchange;
    const { etag, cacheControl } = this.#judged;
    return {
      ...standingHeaders(route, cacheControl),
      ...(etag !== undefined && route.options.statuses.has(status) && { ETag: etag }),
      ...(freshUntil !== undefined && lifetimeHeaders(route, cacheControl, now, freshUntil)),
    };
  }

  stored(recorded: RecordedResponse): ReturnType<AnswerRules['stored']> {
    return { response: new StoredResponse(recorded, this.#judged), lifetime: this.#lifetime };
  }
}

/** Gives the answer to a HEAD the headers, and the status, that a GET would have; it has no body to store. */
export function recordHead(exchange: Exchange): void {
  const { route, request, response, counter, forwarded = 'uri-miss' } = exchange;
  counter.count(CacheStatus.MISS);
  const conditions = conditionsOf(request.headers);
  hideConditions(request.headers);
  route.options.query?.hide(request);
  route.platform.record(request, response, {
    maxBodyBytes: route.options.maxBodyBytes,
    head: ({ status, headers, body }) => {
      // Express counts the body and leaves it out; Fastify has it still.
      const etag = etagOf(single(headers['etag']), body?.length === 0 ? undefined : body);
      const lastModified = single(headers['last-modified']);
      return {
        add: {
          ...standingHeaders(route, joined(headers['cache-control'])),
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
