import { LATE, orLate, within } from '../../common/async.js';
import { CacheStatus, type Call, isRefreshDue, metadataOf } from '../../cache/engine/call.js';
import type { CacheEngine } from '../../cache/engine/engine.js';
import { Entry } from '../../stores/store.interface.js';
import type { AddedHeaders, RecordedResponse, Replacement } from '../platform.interface.js';
import { NO_DIRECTIVES, satisfies, acceptsStale } from '../request/directives.js';
import { conditionsOf, isNotModified } from '../request/preconditions.js';
import { NO_ANSWER } from '../rewarm/in-process-request.js';
import type { BackgroundRequests } from '../rewarm/rewarm-responses.js';
import { type RangeExchange, partOf } from './synthetic-answer.js';
import type { CacheStatusParameters } from './cache-status-header.js';
import {
  hitHeaders,
  reuseHeaders,
  secondsLeft,
  statusHeaders,
  type ReportedExchange,
} from './response-headers.js';
import { responseOf } from './stored-response.js';

/**
 * What a stored response answers a request: all of it, a part, or that the client has it already.
 *
 * @param said for `Cache-Status`, where there is more to say than that it was stored
 */
export function hitAnswer(
  asking: RangeExchange & ReportedExchange,
  { entry, status, handlerStatus: asked }: Reuse,
  now: number,
  said: CacheStatusParameters | undefined = saidOf(entry, status, asked, now),
): Replacement {
  const stored = responseOf(entry);
  const { method, headers } = asking.request;
  const notModified = stored.status === 200 && isNotModified(conditionsOf(headers), stored);
  const part = notModified || headers['range'] === undefined ? undefined : partOfEntry(asking, entry);
  return {
    recorded: part ?? stored.recorded,
    add:
      part?.status === 416
        ? noPart(asking, entry, status, now, said)
        : added(asking, entry, status, now, said),
    notModified,
    headOnly: method === 'HEAD',
  };
}

function added(
  told: ReportedExchange,
  entry: Entry,
  status: CacheStatus,
  now: number,
  said: CacheStatusParameters | undefined,
): AddedHeaders {
  if (said === undefined && told.explanation === undefined) return hitHeaders(told.route, entry, now);
  return reuseHeaders(told, entry, now, status, said ?? hitOf(entry, now));
}

/** A 416 is no answer to those who want the whole: it has neither its validators nor its lifetime. */
function noPart(
  told: ReportedExchange,
  entry: Entry,
  status: CacheStatus,
  now: number,
  said: CacheStatusParameters = hitOf(entry, now),
): AddedHeaders {
  return statusHeaders(told, metadataOf(status, entry), said, responseOf(entry).headers['cache-status']);
}

function partOfEntry(asking: RangeExchange, entry: Entry): RecordedResponse | undefined {
  const { recorded, etag, lastModified } = responseOf(entry);
  return partOf(asking, recorded, { etag, lastModified, date: entry.cachedAt });
}

function hitOf(entry: Entry, now: number): CacheStatusParameters {
  return { hit: true, ttl: secondsLeft(entry, now) };
}

/** What there is to say of a stored response that is no plain hit. */
function saidOf(
  { freshUntil }: Entry,
  status: CacheStatus,
  asked: number | undefined,
  now: number,
): CacheStatusParameters | undefined {
  if (asked === undefined && status !== CacheStatus.STALE) return undefined;
  const ttl = (freshUntil - now) / 1000;
  return asked === undefined ? { hit: true, ttl } : { fwd: 'stale', fwdStatus: asked, ttl };
}

/** A stored response that answers a request, and how it came to. */
export interface Reuse {
  readonly entry: Entry;
  readonly status: CacheStatus;
  /** What the handler answered, where it was asked. */
  readonly handlerStatus?: number;
}

/**
 * When a stored response is served though its handler must be asked anew. The handler answers a repeated request, so that the
 * client's own response stays free for what is stored.
 *
 * Source: RFC 5861.
 */
export class StaleResponses {
  constructor(
    private readonly engine: CacheEngine,
    private readonly repeated: BackgroundRequests,
  ) {}

  /** The stored response, at once, with a refresh behind the client's back where one is due. */
  serve(call: Call, entry: Entry, request: object, asked = NO_DIRECTIVES): Reuse | undefined {
    const { engine } = this;
    const now = engine.clock.now();
    if (asked !== NO_DIRECTIVES && !satisfies(asked, entry, now)) return undefined;
    if (entry.isFresh(now)) {
      if (isRefreshDue(call.target.policy, entry, now)) this.refresh(call, entry, request);
      return { entry, status: CacheStatus.HIT };
    }
    const isReloading = engine.mayServeStale(call, entry, now) && this.refresh(call, entry, request);
    return isReloading || acceptsStale(asked, entry, now) ? { entry, status: CacheStatus.STALE } : undefined;
  }

  /**
   * Asks the handler behind the client's back, but not at each hit where that is in vain.
   * @returns false where nothing can be repeated: then the client waits for the handler, unless it says that it need not be fresh
   */
  refresh(call: Call, entry: Entry, request: object): boolean {
    const { pauses } = this.engine;
    if (pauses.covers(call, entry)) return true;
    const refresh = this.repeated.start(call.key, request);
    void refresh?.then(() => pauses.begin(call, entry));
    return refresh !== undefined;
  }

  /** Whether a handler that fails or takes too long is better not asked by the client itself. */
  isFallback(call: Call, entry: Entry): boolean {
    const { softTimeout, hardTimeout, staleIfError } = call.target.policy;
    if (staleIfError === 0 && softTimeout === Infinity && hardTimeout === Infinity) return false;
    return this.engine.clock.now() < entry.keepUntil;
  }

  /**
   * What a handler brings that is asked behind the client's back, or the stale response in its place.
   * @returns nothing where the client has to ask itself: its answer is not stored, or the stale one must not be served
   */
  async ask(call: Call, stale: Entry, request: object): Promise<Reuse | undefined> {
    const { engine } = this;
    if (!(await engine.mayServeLate(call, stale))) return undefined;
    const asking = this.repeated.start(call.key, request);
    if (asking === undefined) return undefined;
    const { softTimeout, hardTimeout, staleIfError } = call.target.policy;
    const asked = await within(engine.clock, Math.min(softTimeout, hardTimeout), asking, orLate);
    if (asked === LATE) return this.#stale(call, stale);
    if (asked < 500 && asked !== NO_ANSWER) return this.#answered(call, asked);
    if (engine.clock.now() >= stale.freshUntil + staleIfError) return undefined;
    engine.log.error(
      `stale-if-error ${call.target.topic}`,
      `${call.target.name} failed, a stale response was served`,
      new Error(asked === NO_ANSWER ? 'It did not answer.' : `It answered ${asked}.`),
    );
    return this.#stale(call, stale, asked);
  }

  /** Judged once more: it may have been dropped while the handler ran. */
  async #stale(call: Call, entry: Entry, asked?: number): Promise<Reuse | undefined> {
    if (!(await this.engine.mayServeLate(call, entry))) return undefined;
    return { entry, status: CacheStatus.STALE, ...(asked === undefined ? {} : { handlerStatus: asked }) };
  }

  /** The response as it was stored; its store may still be taking it. */
  async #answered(call: Call, asked: number): Promise<Reuse | undefined> {
    const { engine } = this;
    const joined = engine.join(call, await engine.reader.stamp(call));
    const entry = joined === undefined ? await engine.reader.read(call.copy()) : (await joined.wait()).entry;
    if (!(entry instanceof Entry) || !entry.isFresh(engine.clock.now())) return undefined;
    if (!(await engine.reader.isCurrent(call, entry.stamp))) return undefined;
    return { entry, status: CacheStatus.MISS, handlerStatus: asked };
  }
}
