import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/time.js';
import type { OnceLog } from '../../observability/once-log.js';
import { BumpLog } from '../../stores/generations.js';
import type { Entry } from '../../stores/store.interface.js';
import { orLate, within } from '../../common/async.js';
import type { Call } from './call.js';
import { type FleetLock, tryFleetLock } from './fleet-lock.js';
import { runOutsideLoads } from './load-context.js';
import type { Load, LoadTable } from './loads.js';
import type { StoreReader } from './store-reader.js';
import { isLocalStamp } from './outage.js';

/** The shutdown waits at most this long for refreshes. Milliseconds. */
const MAX_DRAIN_MS = 5_000;

/** The part of the engine that refreshes use. */
export interface RefreshingEngine {
  readonly clock: Clock;
  readonly log: OnceLog;
  readonly loads: LoadTable;
  readonly pauses: RefreshPauses;
  readonly reader: StoreReader;
  /** Runs the loader and stores what it returns. */
  run(call: Call, load: Load, stale: Entry | undefined): Promise<unknown>;
}

/** Loads entries again in the background after they were served; one refresh of a key at a time. */
export class BackgroundRefresh {
  readonly #running = new Map<string, Promise<void>>();

  constructor(private readonly engine: RefreshingEngine) {}

  /** @param entry the entry that was served, and is until the refresh stores another */
  start(call: Call, entry: Entry): void {
    const { clock, log, pauses } = this.engine;
    if (this.#running.has(call.key) || pauses.covers(call, entry)) return;
    const { name, policy, topic } = call.target;
    const own = call.copy();
    own.previous = entry;
    const refresh = runOutsideLoads(() => this.#refresh(own)).catch((error: unknown) => {
      log.error(`refresh ${topic}`, `A background refresh of ${name} failed`, error);
      return true;
    });
    // After the timeout another refresh may start, since this one may hang.
    const over = within(clock, policy.hardTimeout, refresh, orLate).then((hasLoaded) => {
      this.#running.delete(call.key);
      if (own.entry !== undefined) pauses.end(call.key);
      else if (hasLoaded !== false) pauses.begin(call, entry);
    });
    this.#running.set(call.key, over);
  }

  /** Resolves when no refresh is running, or after {@link MAX_DRAIN_MS}. */
  async drain(): Promise<void> {
    await within(this.engine.clock, MAX_DRAIN_MS, Promise.allSettled(this.#running.values()));
  }

  /** @returns whether the loader ran; it does not if another load of the key runs, or the store is down */
  async #refresh(call: Call): Promise<boolean> {
    const { loads } = this.engine;
    const stamp = await this.engine.reader.stamp(call);
    if (
      stamp === undefined ||
      isLocalStamp(stamp) ||
      loads.isFull ||
      loads.find(call.key, stamp) !== undefined
    )
      return false;
    const { policy, store } = call.target;
    const load = loads.begin(call.key, stamp, store, policy.hardTimeout);
    // With `lock: 'distributed'`, one process refreshes for all.
    const lock: FleetLock | 'taken' =
      policy.lock === 'distributed' ? await tryFleetLock(this.engine.clock, call) : {};
    const { entry, lease } = lock === 'taken' ? {} : lock;
    if (lock === 'taken' || entry !== undefined) {
      load.settle({ failed: false, entry });
      return false;
    }
    await this.engine.run(call, load, undefined).finally(() => lease?.release());
    return true;
  }
}

/** Pause after the first refresh without a new entry; each further one doubles it. Milliseconds. */
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const MAX_PAUSES = 10_000;

/** Pause of one entry in one state, after refreshes that stored no other. */
interface Pause {
  readonly cachedAt: number;
  readonly expired: boolean;
  readonly length: number;
  readonly until: number;
  /** Position in the log of bumps. */
  readonly since: number;
}

/**
 * Pauses between refreshes of an entry that stored no new one, so that a failing loader does not run at every hit. A pause belongs
 * to one entry in one state: it ends when the entry is replaced or invalidated.
 */
export class RefreshPauses {
  readonly #pauses = new LRUCache<string, Pause>({ max: MAX_PAUSES });
  readonly #bumps = new BumpLog();

  constructor(private readonly clock: Clock) {}

  /** True if it is too early to refresh an entry again. */
  covers(call: Call, entry: Entry): boolean {
    const pause = this.#find(call, entry);
    return pause !== undefined && this.clock.now() < pause.until;
  }

  /** A refresh of an entry has ended without a new entry. */
  begin(call: Call, entry: Entry): void {
    const before = this.#find(call, entry);
    const now = this.clock.now();
    if (before !== undefined && now < before.until) return;
    const length = before === undefined ? FIRST_MS : Math.min(2 * before.length, LONGEST_MS);
    const { cachedAt, expired } = entry;
    const since = this.#bumps.now();
    this.#pauses.set(call.key, { cachedAt, expired, length, until: now + length, since });
  }

  end(key: string): void {
    this.#pauses.delete(key);
  }

  /** Ends pauses of entries with these tags: an invalidated entry may be refreshed at once. */
  bumped(tags: readonly string[]): void {
    if (this.#pauses.size > 0) this.#bumps.note(tags);
  }

  #find(call: Call, { cachedAt, expired }: Entry): Pause | undefined {
    const pause = this.#pauses.get(call.key);
    if (pause === undefined) return undefined;
    const isOfAnother = pause.cachedAt !== cachedAt || pause.expired !== expired;
    if (!isOfAnother && !this.#bumps.bumpedSince(pause.since, call.tags())) return pause;
    this.#pauses.delete(call.key);
    return undefined;
  }
}
