import { watchLoad } from '../../observability/load-watch.js';
import { UNCOUNTED } from '../../observability/metrics.js';
import { activeTracer, type LoadedMethod } from '../../observability/tracing.js';
import type { OnceLog } from '../../observability/once-log.js';
import { Entry, type MaybePromise } from '../../stores/store.interface.js';
import type { Stamp } from '../../stores/stamp.js';
import type { Clock } from '../../common/time.js';
import { CacheStatus, type Call, hasTimeouts, isRefreshDue } from './call.js';
import { reportEntry, reportLoad } from './enclosing-load.js';
import { EntryWriter } from './entry-writer.js';
import { waitForFleetLock } from './fleet-lock.js';
import { LearnedTags } from './learned-tags.js';
import { currentLoad, type LoadContext, runInLoad, watchContexts } from './load-context.js';
import { loadWithTimeouts } from './load-timeouts.js';
import { HitForMiss, type Load, LoadTable, MAX_JOIN_MS } from './loads.js';
import { LoadGate, LocalStamps } from './outage.js';
import { BackgroundRefresh, RefreshPauses } from './refresh.js';
import { StoreReader } from './store-reader.js';

/** Loads that other calls may wait for, at one time. Above it, loads run unshared. */
const MAX_SHARED_LOADS = 10_000;

function tracedMethod({ request, target: { counters, name } }: Call): LoadedMethod {
  return { namespace: counters.namespace, method: name, isResponse: request !== undefined };
}

/** After this many waits for loads that an invalidation overtook, a call loads by itself. */
const MAX_RETRIES = 3;

/**
 * Answers calls: `fetch` reads the entry and serves it if it is fresh; otherwise it waits for a load of the same key, or loads and
 * stores the value if no invalidation came between (the fence).
 */
export class CacheEngine {
  readonly loads: LoadTable;
  readonly refreshes = new BackgroundRefresh(this);
  readonly pauses: RefreshPauses;
  readonly hitForMiss: HitForMiss;
  readonly writer: EntryWriter;
  readonly localStamps = new LocalStamps();
  readonly gate: LoadGate;
  readonly reader: StoreReader;
  readonly learned: LearnedTags;
  /** Called with each fresh entry before it is served; set where hits are verified. */
  onHit: ((call: Call, entry: Entry) => void) | undefined = undefined;

  constructor(
    readonly clock: Clock,
    readonly log: OnceLog,
    maxLoadsWhenDown: number,
    /** True if values may be stored now. */
    isEnabled: () => boolean,
  ) {
    watchContexts();
    this.loads = new LoadTable(MAX_SHARED_LOADS, clock);
    this.pauses = new RefreshPauses(clock);
    this.hitForMiss = new HitForMiss(clock);
    this.reader = new StoreReader(log, this.localStamps, this.loads);
    this.gate = new LoadGate(maxLoadsWhenDown, clock);
    this.learned = new LearnedTags(log);
    this.writer = new EntryWriter(clock, log, this.hitForMiss, this.learned, isEnabled);
  }

  /** Answers a call from the cache, or loads and stores its value. A hit in memory is answered without a promise. */
  fetch(call: Call, counters = call.target.counters): MaybePromise<unknown> {
    const reading = this.reader.read(call);
    if (reading instanceof Promise) return reading.then((settled) => this.answer(call, settled, counters));
    return this.answer(call, reading, counters);
  }

  /** Answers a call with the entry that was read, or by a load under the stamp that was read. Counts the status. */
  answer(
    call: Call,
    reading: Entry | Stamp | undefined,
    counters = call.target.counters,
  ): MaybePromise<unknown> {
    if (reading instanceof Entry) {
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
      counters.expired++;
    }
    return this.#miss(call, reading, counters);
  }

  /** Returns the value of an entry, and reports the entry to the enclosing load. */
  serve(call: Call, entry: Entry, status: CacheStatus): unknown {
    call.status = status;
    call.entry = entry;
    if (this.onHit !== undefined && status === CacheStatus.HIT) this.onHit(call, entry);
    if (this.reader.sampler !== undefined) this.reader.sampler.served(call, status);
    if (status !== CacheStatus.MISS) activeTracer()?.hit(tracedMethod(call), call.key);
    const enclosing = currentLoad();
    if (enclosing !== undefined) reportEntry(call, enclosing);
    return call.target.values.present(entry.value);
  }

  /** True if a stale entry may be served while it is refreshed (stale-while-revalidate). */
  mayServeStale(call: Call, entry: Entry, now: number): boolean {
    return now < entry.freshUntil + call.target.policy.staleWhileRevalidate;
  }

  async #miss(
    call: Call,
    reading: Entry | Stamp | undefined,
    counters: typeof call.target.counters,
  ): Promise<unknown> {
    try {
      const stale = reading instanceof Entry ? reading : undefined;
      call.previous = stale;
      // No await where the stamp is known: calls of one turn of the event loop must find each other's load.
      const stamp = reading instanceof Entry ? await this.reader.stamp(call) : reading;
      if (!hasTimeouts(call.target.policy)) return await this.#loadOrWait(call, stamp, stale);
      return await loadWithTimeouts(this, call, stale, (own) => this.#loadOrWait(own, stamp, stale));
    } finally {
      counters.count(call.status);
    }
  }

  async #loadOrWait(call: Call, stamp: Stamp | undefined, stale: Entry | undefined): Promise<unknown> {
    const running = this.join(call, stamp);
    if (running !== undefined) return this.wait(call, running, stale);
    const load = this.begin(call, stamp);
    if (!this.#needsFleetLock(call)) return this.run(call, load, stale);
    const { entry, lease } = await waitForFleetLock(this.clock, this.log, call, load);
    if (entry === undefined) return this.run(call, load, stale).finally(() => lease?.release());
    load.settle({ failed: false, entry });
    return this.serve(call, entry, CacheStatus.MISS);
  }

  /** Finds the load that a call may take the result of: a running one, or one that ended while the store was read. */
  join(call: Call, stamp: Stamp | undefined): Load | undefined {
    if (stamp === undefined || !this.#mayShare(call)) return undefined;
    const { endedLoad, key } = call;
    return this.loads.joinable(key, stamp) ?? (endedLoad?.stamp?.equals(stamp) ? endedLoad : undefined);
  }

  #mayShare(call: Call): boolean {
    return call.target.policy.lock !== false && call.retries < MAX_RETRIES && !this.hitForMiss.has(call.key);
  }

  /**
   * Begins a load, which others may join if the policy of the call allows it.
   * @param supersedes running loads of the key: they started earlier, so their results must not overwrite this one
   */
  begin(call: Call, stamp: Stamp | undefined, supersedes = false): Load {
    const { policy, store } = call.target;
    const isRunning = stamp !== undefined && this.loads.find(call.key, stamp) !== undefined;
    return supersedes || (!isRunning && this.#mayShare(call))
      ? this.loads.begin(call.key, stamp, store, policy.hardTimeout)
      : this.loads.beginUnshared(call.key, stamp, store, policy.hardTimeout);
  }

  #needsFleetLock(call: Call): boolean {
    return (
      call.target.policy.lock === 'distributed' &&
      !this.hitForMiss.has(call.key) &&
      // The load that this one runs inside holds the lease, and does not release it before this one has ended.
      !this.loads.waitsForCaller(call.key)
    );
  }

  /** Runs the loader, stores its value, and reports the load to the enclosing one. */
  async run(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    const enclosing = currentLoad();
    let value: unknown;
    try {
      value = await (enclosing === undefined
        ? this.#runLoader(call, load)
        : enclosing.awaiting(load.context, () => this.#runLoader(call, load)));
    } catch (error) {
      // An error depends on what was read, as a value does.
      const ended = this.learned.end(call, load);
      if (ended !== undefined) await ended;
      load.settle({ failed: true, error });
      return this.#serveStaleOrThrow(call, load, stale, error);
    }
    const written = await this.writer.write(call, load, value);
    if (written.isStored === true) call.entry = written.entry;
    if (enclosing !== undefined) reportLoad(call, load, enclosing);
    return call.target.values.presentLoaded(value, written.prepared);
  }

  async #runLoader(call: Call, load: Load): Promise<unknown> {
    const { target } = call;
    const run = (): Promise<unknown> => runInLoad(load.context, () => target.load(call));
    const begun = this.learned.begin(call, load);
    if (begun !== undefined) await begun;
    // The batch enters the gate and is counted once for all its items, since it is one load for the database.
    if (target.seat !== undefined) return run();
    const leave = await this.gate.enterFor(load);
    try {
      return await watchLoad(target.counters, this.clock, run);
    } finally {
      leave?.();
    }
  }

  /** Waits for a load of another call, and takes its result only if that is current; otherwise answers the call again. */
  async wait(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    call.target.seat?.leave();
    const enclosing = currentLoad();
    const { entry, error, failed, isLate } = await (enclosing === undefined
      ? load.wait()
      : enclosing.awaiting(load.context, () => load.wait()));
    if (failed && (await this.#isErrorCurrent(call, load)))
      return this.#serveStaleOrThrow(call, load, stale, error);
    if (entry?.isFresh(this.clock.now()) === true && (await this.reader.isCurrent(call, entry.stamp)))
      return this.serve(call, entry, CacheStatus.MISS);
    if (isLate === true) this.reportLate(call);
    else call.retries++;
    // The first answer() of this call counts it.
    return this.fetch(call, UNCOUNTED);
  }

  /** Logs that a call waited for a load for too long. */
  reportLate({ target: { name, topic } }: Call): void {
    this.log.warn(
      `late load ${topic}`,
      `A call of ${name} waited ${MAX_JOIN_MS / 1_000} s for a running load of its key and loads by itself. If its loader calls itself from ` +
        `another asynchronous context (a pool, an emitter, a queue), it waited for itself: write lock: false. If it is slow, write ` +
        `hardTimeout or staleWhileRevalidate.`,
    );
  }

  /** An error too depends on the data that the load read, inner calls included. */
  async #isErrorCurrent(call: Call, load: Load): Promise<boolean> {
    if (load.context.inputs.length > 0) return false;
    const stamp = load.context.complete(load.stamp!);
    return stamp !== undefined && (await this.reader.isCurrent(call, stamp));
  }

  /** After a failed load: serves the stale entry if the policy allows it (stale-if-error), otherwise throws the error. */
  async #serveStaleOrThrow(
    call: Call,
    load: Load,
    stale: Entry | undefined,
    error: unknown,
  ): Promise<unknown> {
    const { name, policy, topic } = call.target;
    const enclosing = currentLoad();
    if (typeof policy.ttl === 'number') load.context.limit(this.clock.now() + policy.ttl);
    if (enclosing !== undefined) reportLoad(call, load, enclosing);
    const mayServe = stale !== undefined && this.clock.now() < stale.freshUntil + policy.staleIfError;
    if (!mayServe || !(await this.reader.isUsable(call, stale))) throw error;
    this.log.error(`stale-if-error ${topic}`, `${name} failed, a stale value was served`, error);
    return this.serve(call, stale, CacheStatus.STALE);
  }

  /** True if a stale entry may be served because the load takes longer than a timeout. */
  async mayServeLate(call: Call, entry: Entry): Promise<boolean> {
    return this.clock.now() < entry.keepUntil && (await this.reader.isUsable(call, entry));
  }

  /** Loads and stores whatever is cached. Never joins a running load. */
  async refresh(call: Call): Promise<unknown> {
    call.target.counters.refreshes++;
    const load = async (own: Call): Promise<unknown> =>
      this.run(own, this.begin(own, await this.reader.stamp(own), true), undefined);
    const value = await (hasTimeouts(call.target.policy)
      ? loadWithTimeouts(this, call, undefined, load)
      : load(call));
    call.status = CacheStatus.REFRESH;
    return value;
  }

  /** Loads without reading or storing; inside another load it still reports what the value depends on. */
  bypass(call: Call): Promise<unknown> {
    call.status = CacheStatus.BYPASS;
    call.target.counters.bypasses++;
    const enclosing = currentLoad();
    return enclosing === undefined ? call.target.load(call) : this.#bypassInLoad(call, enclosing);
  }

  async #bypassInLoad(call: Call, enclosing: LoadContext): Promise<unknown> {
    const { name, policy, store, tableTags } = call.target;
    // What it reads is seen by the enclosing load, if that is watched.
    if (tableTags !== enclosing.tableTags && tableTags !== undefined)
      enclosing.refuse(`it was made from ${name}, which was called uncached`);
    const stamp = call.isKeyed ? await this.reader.stamp(call) : undefined;
    if (stamp === undefined)
      enclosing.refuse(`it was made from ${name}, which was called uncached`, !call.isKeyed);
    else
      enclosing.inherit(
        store,
        stamp,
        typeof policy.ttl === 'number' ? this.clock.now() + policy.ttl : Infinity,
      );
    const value = await call.target.load(call);
    if (typeof policy.ttl === 'function') this.writer.limitByTtlFunction(call, value, enclosing);
    return value;
  }
}
