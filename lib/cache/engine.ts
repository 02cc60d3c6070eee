import type { OnceLog } from '../observability/once-log.js';
import { Entry } from '../stores/entry.js';
import type { Stamp } from '../stores/stamp.js';
import { StoreUnavailableError } from '../stores/store-host.js';
import type { MaybePromise } from '../stores/store.interface.js';
import { CacheStatus } from './cache-status.js';
import type { Call } from './call.js';
import type { Clock } from './clock.js';
import { EntryWriter } from './entry-writer.js';
import { CacheUsageError } from './errors.js';
import { bypassInside, reportLoad, reportServed } from './inner-call.js';
import { currentLoad, runInLoad, runOutsideLoads } from './load-context.js';
import { LoadTable, type Load } from './loads.js';
import { believe } from './store-answer.js';
import { isThenable } from './thenable.js';
import { UncacheableMarks } from './uncacheable-marks.js';

/** Loads that may be joined at one time; beyond it they run, but unshared. */
const MAX_SHARED_LOADS = 10_000;

/** A reader that waited this often for a load that a bump overtook loads on its own. */
const MAX_RETRIES = 3;

/**
 * The engine. The main flow is `fetch`: read, serve what is fresh, else load once for all who wait, store what the
 * fence allows, and report to the load that the call was made in.
 */
export class CacheEngine {
  readonly loads = new LoadTable(MAX_SHARED_LOADS);
  readonly uncacheable: UncacheableMarks;
  readonly writer: EntryWriter;

  constructor(
    readonly clock: Clock,
    readonly log: OnceLog,
  ) {
    this.uncacheable = new UncacheableMarks(clock);
    this.writer = new EntryWriter(clock, log, this.uncacheable);
  }

  /** Answers a call from the cache, or loads and stores its value. A memory hit answers without a promise. */
  fetch(call: Call): MaybePromise<unknown> {
    const reading = this.read(call);
    if (reading instanceof Promise) return reading.then((settled) => this.#answer(call, settled));
    return this.#answer(call, reading);
  }

  /** The entry of a call, or the stamp to load it under; `undefined` when the store fails. Never throws. */
  read(call: Call): MaybePromise<Entry | Stamp | undefined> {
    try {
      const answer: unknown = call.target.store.get(call);
      return isThenable(answer) ? this.#readLater(call, answer) : believe(call, answer);
    } catch (error) {
      return this.#storeFailed(call, error);
    }
  }

  async #readLater(call: Call, answer: PromiseLike<unknown>): Promise<Entry | Stamp | undefined> {
    try {
      return believe(call, await answer);
    } catch (error) {
      return this.#storeFailed(call, error);
    }
  }

  #answer(call: Call, reading: Entry | Stamp | undefined): MaybePromise<unknown> {
    if (!(reading instanceof Entry)) return this.#loadShared(call, reading, undefined);
    const now = this.clock.now();
    if (reading.isFresh(now)) return this.serve(call, reading, CacheStatus.HIT);
    if (this.mayServeStale(call, reading, now)) {
      this.refreshInBackground(call);
      return this.serve(call, reading, CacheStatus.STALE);
    }
    return this.#loadAfter(call, reading);
  }

  /** Hands out an entry, and reports it to the load that the call was made in. */
  serve(call: Call, entry: Entry, status: CacheStatus): unknown {
    call.status = status;
    call.entry = entry;
    const outer = currentLoad();
    if (outer !== undefined) reportServed(call, outer);
    return call.target.values.present(entry.value);
  }

  /** Whether an entry past its freshness may still be served while a fresh load runs. */
  mayServeStale(call: Call, entry: Entry, now: number): boolean {
    return now < entry.freshUntil + call.target.policy.staleWhileRevalidate;
  }

  /** Reads the stamp to load under; `undefined` when the store fails. Never rejects. */
  async stamp(call: Call): Promise<Stamp | undefined> {
    try {
      return believe(call, await call.target.store.stamp(call.tags())) as Stamp;
    } catch (error) {
      return this.#storeFailed(call, error);
    }
  }

  async #loadAfter(call: Call, stale: Entry): Promise<unknown> {
    return this.#loadShared(call, await this.stamp(call), stale);
  }

  #loadShared(call: Call, stamp: Stamp | undefined, stale: Entry | undefined): Promise<unknown> {
    const joined = this.join(call, stamp);
    return joined === undefined
      ? this.#lead(call, this.begin(call, stamp), stale)
      : this.#wait(call, joined, stale);
  }

  /** The load in flight whose result this call may take. */
  join(call: Call, stamp: Stamp | undefined): Load | undefined {
    if (stamp === undefined || call.retries >= MAX_RETRIES || this.uncacheable.has(call.key))
      return undefined;
    return this.loads.joinable(call.key, stamp);
  }

  begin(call: Call, stamp: Stamp | undefined): Load {
    const { store } = call.target;
    const shareable =
      call.retries < MAX_RETRIES &&
      !this.uncacheable.has(call.key) &&
      (stamp === undefined || this.loads.find(call.key, stamp) === undefined);
    return shareable ? this.loads.begin(call.key, stamp, store) : this.loads.alone(call.key, stamp, store);
  }

  async #lead(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    const outer = currentLoad();
    let value: unknown;
    try {
      const run = async (): Promise<unknown> => runInLoad(load.context, () => call.target.load(call));
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

  async #wait(call: Call, load: Load, stale: Entry | undefined): Promise<unknown> {
    const outer = currentLoad();
    const { entry, error, failed } = await (outer === undefined
      ? load.wait()
      : outer.awaiting(load.context, () => load.wait()));
    if (failed && (await this.#mayTakeError(call, load))) return this.#failed(call, load, stale, error);
    if (entry !== undefined && (await this.#mayTake(call, entry)))
      return this.serve(call, entry, CacheStatus.MISS);
    call.retries++;
    return this.fetch(call);
  }

  /** A load failed: serve what is stale if the policy allows it, else hand the error on. */
  async #failed(call: Call, load: Load, stale: Entry | undefined, error: unknown): Promise<unknown> {
    const outer = currentLoad();
    const { ttl } = call.target.policy;
    if (typeof ttl === 'number') load.context.limit(this.clock.now() + ttl);
    if (outer !== undefined) reportLoad(call, load, outer);
    if (stale === undefined || !(await this.#mayServeOnError(call, stale))) throw error;
    this.log.error(
      `stale-if-error ${call.target.name}`,
      `${call.target.name} failed, a stale value was served`,
      error,
    );
    return this.serve(call, stale, CacheStatus.STALE);
  }

  async #mayTake(call: Call, entry: Entry): Promise<boolean> {
    return entry.isFresh(this.clock.now()) && (await this.isCurrent(call, entry.stamp));
  }

  /** An error too is a result of what the load read, inner calls included. */
  async #mayTakeError(call: Call, load: Load): Promise<boolean> {
    const stamp = load.context.complete(load.stamp!);
    return stamp !== undefined && (await this.isCurrent(call, stamp));
  }

  /** Whether a stamp, inherited tags included, still equals the generations as they are now. */
  async isCurrent(call: Call, stamp: Stamp): Promise<boolean> {
    try {
      return (await call.target.store.judge(stamp)) === 'current';
    } catch (error) {
      this.#storeFailed(call, error);
      return false;
    }
  }

  async #mayServeOnError(call: Call, entry: Entry): Promise<boolean> {
    if (this.clock.now() >= entry.freshUntil + call.target.policy.staleIfError) return false;
    try {
      return (await call.target.store.judge(entry.stamp)) !== 'purged';
    } catch {
      return false;
    }
  }

  /** Computes and stores, whatever is cached. Never joins a load in flight. */
  async refresh(call: Call): Promise<unknown> {
    const load = this.loads.begin(call.key, await this.stamp(call), call.target.store);
    const value = await this.#lead(call, load, undefined);
    call.status = CacheStatus.REFRESH;
    return value;
  }

  /** Stores a value that was computed elsewhere, under the stamp that was read before it was. */
  async put(call: Call, value: unknown, stamp: Stamp | undefined): Promise<void> {
    const load = this.loads.alone(call.key, stamp, call.target.store);
    this.loads.overtake(call.key);
    const written = await this.writer.write(call, load, value);
    if (written.isStored === true) call.entry = written.entry;
  }

  /** Computes without reading or storing; inside another load it still reports what it depends on. */
  bypass(call: Call): Promise<unknown> {
    call.status = CacheStatus.BYPASS;
    const outer = currentLoad();
    return outer === undefined ? call.target.load(call) : bypassInside(this, call, outer);
  }

  /** Loads anew behind the back of a reader that was served a stale entry; one refresh of a key at a time. */
  refreshInBackground(call: Call): void {
    const again = call.again();
    runOutsideLoads(async () => {
      const stamp = await this.stamp(again);
      if (stamp === undefined || this.loads.isFull || this.loads.find(again.key, stamp) !== undefined) return;
      await this.#lead(again, this.loads.begin(again.key, stamp, again.target.store), undefined);
    }).catch((error: unknown) => {
      this.log.error(
        `refresh ${call.target.name}`,
        `A background refresh of ${call.target.name} failed`,
        error,
      );
    });
  }

  #storeFailed(call: Call, error: unknown): undefined {
    if (error instanceof CacheUsageError) {
      const { name } = call.target;
      this.log.warn(`tags ${name}`, `A call of ${name} was not cached: ${error.message}`);
      return undefined;
    }
    // Its store said so when it went, and will say so when it is back.
    if (error instanceof StoreUnavailableError) return undefined;
    this.log.error(
      `store ${call.target.store.kind}`,
      `The ${call.target.store.kind} store failed, values are loaded uncached`,
      error,
    );
    return undefined;
  }
}
