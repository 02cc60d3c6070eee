import { LATE, orLate, within } from '../../common/async.js';
import { CacheStatus, type Call, isRefreshDue } from '../../cache/engine/call.js';
import type { CacheEngine } from '../../cache/engine/engine.js';
import { Entry } from '../../stores/store.interface.js';
import { acceptsStale, NO_DIRECTIVES, satisfies } from '../request/directives.js';
import { NO_ANSWER } from '../rewarm/in-process-request.js';
import type { BackgroundRequests } from '../rewarm/background-requests.js';

/** A stored response that may answer a request, and the reason why it may. */
export interface Reuse {
  readonly entry: Entry;
  readonly status: CacheStatus;
  /** Status code of the handler's answer, if a background request ran the handler first. */
  readonly handlerStatus?: number;
}

/**
 * Serves stored responses while their handlers run again (stale-while-revalidate, stale-if-error, refresh-ahead). The handler
 * answers a background request, so that the client's own response stays free for the stored one.
 *
 * Source: RFC 5861.
 */
export class StaleResponses {
  constructor(
    private readonly engine: CacheEngine,
    private readonly background: BackgroundRequests,
  ) {}

  /** Serves the stored response at once, and starts a background refresh if one is due. */
  serve(call: Call, entry: Entry, request: object, directives = NO_DIRECTIVES): Reuse | undefined {
    const { engine } = this;
    const now = engine.clock.now();
    if (directives !== NO_DIRECTIVES && !satisfies(directives, entry, now)) return undefined;
    if (entry.isFresh(now)) {
      if (isRefreshDue(call.target.policy, entry, now)) this.refresh(call, entry, request);
      return { entry, status: CacheStatus.HIT };
    }
    const isReloading = engine.mayServeStale(call, entry, now) && this.refresh(call, entry, request);
    return isReloading || acceptsStale(directives, entry, now)
      ? { entry, status: CacheStatus.STALE }
      : undefined;
  }

  /**
   * Starts a background refresh. Pauses between refreshes that store nothing, so that not every hit starts one.
   * @returns false if the request cannot be repeated: then the client waits for the handler, unless it accepts stale answers
   */
  refresh(call: Call, entry: Entry, request: object): boolean {
    const { pauses } = this.engine;
    if (pauses.covers(call, entry)) return true;
    const refresh = this.background.start(call, request);
    void refresh?.then(() => pauses.begin(call, entry));
    return refresh !== undefined;
  }

  /** True if the entry may be served when the handler fails or takes too long. */
  isFallback(call: Call, entry: Entry): boolean {
    const { softTimeout, hardTimeout, staleIfError } = call.target.policy;
    if (staleIfError === 0 && softTimeout === Infinity && hardTimeout === Infinity) return false;
    return this.engine.clock.now() < entry.keepUntil;
  }

  /**
   * The new response after a background refresh, or the stale one if the refresh fails or takes too long.
   * @returns `undefined` if the client's own request must reach the handler: the answer is not stored, or the stale one must not be served
   */
  async refreshOrStale(call: Call, stale: Entry, request: object): Promise<Reuse | undefined> {
    const { engine } = this;
    if (!(await engine.mayServeLate(call, stale))) return undefined;
    const running = this.background.start(call, request);
    if (running === undefined) return undefined;
    const { softTimeout, hardTimeout, staleIfError } = call.target.policy;
    const status = await within(engine.clock, Math.min(softTimeout, hardTimeout), running, orLate);
    if (status === LATE) return this.#stale(call, stale);
    if (status < 500 && status !== NO_ANSWER) return this.#refreshed(call, status);
    if (engine.clock.now() >= stale.freshUntil + staleIfError) return undefined;
    engine.log.error(
      `stale-if-error ${call.target.topic}`,
      `${call.target.name} failed, a stale response was served`,
      new Error(status === NO_ANSWER ? 'It did not answer.' : `It answered ${status}.`),
    );
    return this.#stale(call, stale, status);
  }

  /** The stale response, unless it was dropped while the handler ran. */
  async #stale(call: Call, entry: Entry, handlerStatus?: number): Promise<Reuse | undefined> {
    if (!(await this.engine.mayServeLate(call, entry))) return undefined;
    return { entry, status: CacheStatus.STALE, ...(handlerStatus === undefined ? {} : { handlerStatus }) };
  }

  /** The response that a background refresh stored; its write may still be running. */
  async #refreshed(call: Call, handlerStatus: number): Promise<Reuse | undefined> {
    const { engine } = this;
    const joined = engine.join(call, await engine.reader.stamp(call));
    const entry = joined === undefined ? await engine.reader.read(call.copy()) : (await joined.wait()).entry;
    if (!(entry instanceof Entry) || !entry.isFresh(engine.clock.now())) return undefined;
    if (!(await engine.reader.isCurrent(call, entry.stamp))) return undefined;
    return { entry, status: CacheStatus.MISS, handlerStatus };
  }
}
