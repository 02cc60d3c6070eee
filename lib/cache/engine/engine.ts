import { watchLoad } from '../../observability/load-watch.js';
import { UNCOUNTED } from '../../observability/metrics.js';
import type { OnceLog } from '../../observability/once-log.js';
import { Entry, type MaybePromise } from '../../stores/store.interface.js';
import type { Stamp } from '../../stores/stamp.js';
import { BackgroundRefresh, RefreshPauses } from './refresh.js';
import { CacheStatus, type Call, isRefreshDue } from './call.js';
import type { Clock } from '../../common/time.js';
import { bypassInLoad, counted, loadWithin, reportLoad, reportEntry } from './call-wrappers.js';
import { EntryWriter } from './entry-writer.js';
import { waitForFleetLock } from './fleet-lock.js';
import { type Load, LoadTable, HitForMiss } from './loads.js';
import { currentLoad, runInLoad } from './load-context.js';
import { StoreReader } from './store-reader.js';
import { LoadGate, LocalStamps } from './outage.js';

/** Loads that may be joined at one time; beyond it they run, but unshared. */
const MAX_SHARED_LOADS = 10_000;

/** A reader that waited this often for a load that a bump overtook loads on its own. */
const MAX_RETRIES = 3;

/**
 * The engine. The main flow is `fetch`: read, serve what is fresh, else load once for all who wait, store what the
 * fence allows, and report to the load that the call was made in.
 */
export class CacheEngine {
  readonly loads: LoadTable;
  readonly refreshes = new BackgroundRefresh(this);
  /** Between refreshes of one entry that are in vain. */
  readonly pauses: RefreshPauses;
  readonly hitForMiss: HitForMiss;
  readonly writer: EntryWriter;
  readonly localStamps = new LocalStamps();
  /** Keeps the database from what a store that is down lets through. */
  readonly gate: LoadGate;
  /** Asks the store. */
  readonly reader: StoreReader;

  constructor(
    readonly clock: Clock,
    readonly log: OnceLog,
    maxLoadsWhenDown: number,
    /** Whether anything may be stored, now. */
    isEnabled: () => boolean,
  ) {
    this.loads = new LoadTable(MAX_SHARED_LOADS, clock);
    this.pauses = new RefreshPauses(clock);
    this.hitForMiss = new HitForMiss(clock);
    this.reader = new StoreReader(log, this.localStamps, this.loads);
    this.gate = new LoadGate(maxLoadsWhenDown, clock);
    this.writer = new EntryWriter(clock, log, this.hitForMiss, isEnabled);
  }

  /** Answers a call from the cache, or loads and stores its value. A memory hit answers without a promise. */
  fetch(call: Call, counters = call.target.counters): MaybePromise<unknown> {
    const reading = this.reader.read(call);
    if (reading instanceof Promise) return reading.then((settled) => this.answer(call, settled, counters));
    return this.answer(call, reading, counters);
  }

  /** Answers a call by what the store had for it, and counts what its caller is told. */
  answer(
    call: Call,
    reading: Entry | Stamp | undefined,
    counters = call.target.counters,
  ): MaybePromise<unknown> {
    if (!(reading instanceof Entry))
      return counted(call, this.#loadShared(call, reading, undefined), counters);
    const now = this.clock.now();
    if (reading.isFresh(now)) {
      if (isRefreshDue(call.target.policy, reading, now)) this.refreshes.start(call, reading);
      counters.hits++;
      return this.serve(call, reading, CacheStatus.HIT);
    }
    if (this.mayServeStale(call, reading, now)) {
      this.refreshes.start(call, reading);
      counters.stale++;
      return this.serve(call, reading, CacheStatus.STALE);
    }
    return counted(call, this.#loadAfter(call, reading), counters);
  }

  /** Hands out an entry, and reports it to the load that the call was made in. */
  serve(call: Call, entry: Entry, status: CacheStatus): unknown {
    call.status = status;
    call.entry = entry;
    const outer = currentLoad();
    if (outer !== undefined) reportEntry(call, outer);
    return call.target.values.present(entry.value);
  }

  /** Whether an entry past its freshness may still be served while a fresh load runs. */
  mayServeStale(call: Call, entry: Entry, now: number): boolean {
    return now < entry.freshUntil + call.target.policy.staleWhileRevalidate;
  }

  async #loadAfter(call: Call, stale: Entry): Promise<unknown> {
    return this.#loadShared(call, await this.reader.stamp(call), stale);
  }

  #loadShared(call: Call, stamp: Stamp | undefined, stale: Entry | undefined): Promise<unknown> {
    return this.#inTime(call, stale, (own) => this.#loadOrWait(own, stamp, stale));
  }

  #inTime(call: Call, stale: Entry | undefined, load: (own: Call) => Promise<unknown>): Promise<unknown> {
    const { softTimeout, hardTimeout } = call.target.policy;
    if (softTimeout === Infinity && hardTimeout === Infinity) return load(call);
    return loadWithin(this, call, stale, load);
  }

  #loadOrWait(call: Call, stamp: Stamp | undefined, stale: Entry | undefined): Promise<unknown> {
    const joined = this.join(call, stamp);
    return joined === undefined
      ? this.#lead(call, this.begin(call, stamp), stale)
      : this.wait(call, joined, stale);
  }

  /** The load whose result this call may take: one in flight, or one that ended while the store was asked. */
  join(call: Call, stamp: Stamp | undefined): Load | undefined {
    if (stamp === undefined || !this.#mayShare(call)) return undefined;
    const { endedLoad: ended, key } = call;
    return this.loads.joinable(key, stamp) ?? (ended?.stamp?.equals(stamp) ? ended : undefined);
  }

  #mayShare(call: Call): boolean {
    return call.target.policy.lock !== false && call.retries < MAX_RETRIES && !this.hitForMiss.has(call.key);
  }

  /** @param isAnew in place of every load that is under way: what those bring began earlier, and is not stored over it */
  begin(call: Call, stamp: Stamp | undefined, isAnew = false): Load {
    const { policy, store } = call.target;
    const isShared = stamp !== undefined && this.loads.find(call.key, stamp) !== undefined;
    const shareable = isAnew || (this.#mayShare(call) && !isShared);
    const what = [call.key, stamp, store, policy.hardTimeout] as const;
    return shareable ? this.loads.begin(...what) : this.loads.beginUnshared(...what);
  }

  async #lead(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    const isTurn = call.target.policy.lock !== 'distributed' || this.hitForMiss.has(call.key);
    // Its lease is held, and not given back before this load has ended.
    if (isTurn || this.loads.waitsForCaller(call.key)) return this.run(call, load, stale);
    const { entry, lease } = await waitForFleetLock(this.clock, call);
    if (entry === undefined) return this.run(call, load, stale).finally(() => lease?.release());
    load.settle({ failed: false, entry });
    return this.serve(call, entry, CacheStatus.MISS);
  }

  /** Runs the loader, stores what it brings, and reports to the load that the call was made in. */
  async run(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    const outer = currentLoad();
    let value: unknown;
    try {
      const run = (): Promise<unknown> => this.#load(call, load);
      value = outer === undefined ? await run() : await outer.awaiting(load.context, run);
    } catch (error) {
      load.settle({ failed: true, error });
      return this.#failed(call, load, stale, error);
    }
    const written = await this.writer.write(call, load, value);
    if (written.isStored === true) call.entry = written.entry;
    if (outer !== undefined) reportLoad(call, load, outer);
    return call.target.values.presentLoaded(value, written.prepared);
  }

  async #load(call: Call, load: Load): Promise<unknown> {
    const { target } = call;
    const run = (): Promise<unknown> => runInLoad(load.context, () => target.load(call));
    // A batch is one load for the database: it enters for all its items, and is counted once.
    if (target.seat !== undefined) return run();
    const leave = await this.gate.enterFor(load);
    try {
      return await watchLoad(target.counters, this.clock, run);
    } finally {
      leave?.();
    }
  }

  /** Waits for somebody else's load, and takes its result only if it is current. */
  async wait(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    call.target.seat?.leave();
    const outer = currentLoad();
    const { entry, error, failed } = await (outer === undefined
      ? load.wait()
      : outer.awaiting(load.context, () => load.wait()));
    if (failed && (await this.#mayTakeError(call, load))) return this.#failed(call, load, stale, error);
    if (entry !== undefined && (await this.#mayTake(call, entry)))
      return this.serve(call, entry, CacheStatus.MISS);
    call.retries++;
    // It is counted where it was answered first.
    return this.fetch(call, UNCOUNTED);
  }

  /** A load failed: serve what is stale if the policy allows it, else hand the error on. */
  async #failed(call: Call, load: Load, stale: Entry | undefined, error: unknown): Promise<unknown> {
    const outer = currentLoad();
    const { ttl } = call.target.policy;
    if (typeof ttl === 'number') load.context.limit(this.clock.now() + ttl);
    if (outer !== undefined) reportLoad(call, load, outer);
    const mayServe =
      stale !== undefined && this.clock.now() < stale.freshUntil + call.target.policy.staleIfError;
    if (!mayServe || !(await this.reader.isUsable(call, stale))) throw error;
    this.log.error(
      `stale-if-error ${call.target.topic}`,
      `${call.target.name} failed, a stale value was served`,
      error,
    );
    return this.serve(call, stale, CacheStatus.STALE);
  }

  async #mayTake(call: Call, entry: Entry): Promise<boolean> {
    return entry.isFresh(this.clock.now()) && (await this.reader.isCurrent(call, entry.stamp));
  }

  /** An error too is a result of what the load read, inner calls included. */
  async #mayTakeError(call: Call, load: Load): Promise<boolean> {
    const stamp = load.context.complete(load.stamp!);
    return stamp !== undefined && (await this.reader.isCurrent(call, stamp));
  }

  /** Whether an entry past its freshness may be served because a fresh one takes too long. */
  async mayServeLate(call: Call, entry: Entry): Promise<boolean> {
    return this.clock.now() < entry.keepUntil && (await this.reader.isUsable(call, entry));
  }

  /** Computes and stores, whatever is cached. Never joins a load in flight. */
  async refresh(call: Call): Promise<unknown> {
    call.target.counters.refreshes++;
    const value = await this.#inTime(call, undefined, async (own) => {
      const load = this.begin(own, await this.reader.stamp(own), true);
      return this.run(own, load, undefined);
    });
    call.status = CacheStatus.REFRESH;
    return value;
  }

  /** Computes without reading or storing; inside another load it still reports what it depends on. */
  bypass(call: Call): Promise<unknown> {
    call.status = CacheStatus.BYPASS;
    call.target.counters.bypasses++;
    const outer = currentLoad();
    return outer === undefined ? call.target.load(call) : bypassInLoad(this, call, outer);
  }
}
