import { type DurationMetrics, DurationHistogram, HIT_BOUNDS, LOAD_BOUNDS } from './histogram.js';
import { RefusalCounts } from './refusals.js';
import type { VerifyCounters, VerifyMetrics } from './verify-metrics.js';

/**
 * Counts of the calls of one cached method since the boot of this process; they never decrease. A field here is a metric: `MethodMetrics`
 * and `cache.metrics()` have it too.
 */
class MethodCounts {
  /** Served from the cache, fresh. */
  hits = 0;
  /** Not served from the cache: loaded by this call, or by another that it waited for; or it failed. */
  misses = 0;
  /** Served from the cache, past its lifetime. */
  stale = 0;
  /** Calls that went past the cache. */
  bypasses = 0;
  /** Calls that asked for a load, whatever was stored. */
  refreshes = 0;
  /** Runs of the method to fill the cache: those of misses, refreshes and of the background; not those of bypasses. */
  loads = 0;
  /** Loads that threw; of handlers, those answered with a status of 500 or above. */
  loadErrors = 0;
  /**
   * Loads whose value is known not to be stored: a change overtook it, `cacheIf` or its headers forbid it, it is too large, or the
   * store does not take it.
   */
  notStored = 0;
  /**
   * Entries that a call found past their lifetime, and did not serve at once. Those that a shared store has removed by then are not
   * known.
   */
  expired = 0;
  /** Estimated bytes of the values that were stored, all together. */
  storedBytes = 0;
}

/**
 * Outcomes of the calls of one cached method since the boot of this process.
 *
 * Each call counts once, under the `CacheStatus` that its caller sees, so that
 * `hits + misses + stale + bypasses + refreshes` are its calls.
 *
 * @publicApi
 */
export interface MethodMetrics extends Readonly<MethodCounts> {
  /** As in `cache.status()`; `CacheService` for what is cached by hand with `getOrSet`, `getOrSetMany` and `get`. */
  readonly name: string;
  /** Total duration of all loads, in seconds. */
  readonly loadSeconds: number;
  /** Loads by their duration. */
  readonly loadTimes: DurationMetrics;
  /** Hits by their duration, as far as they were sampled: only if something asks for it, e.g. `nestjs-restflow-cache/prometheus`. */
  readonly hitTimes: DurationMetrics;
  /**
   * Why the cache was not asked or the value not stored, by kind: `cookie`, `authenticated`, `input`, `condition` … A kind appears with
   * its first refusal.
   */
  readonly refusals: Readonly<Record<string, number>>;
}

/**
 * State of a store, as far as this process knows without asking it.
 *
 * @publicApi
 */
export interface StoreState {
  /** `down`: it does not answer, refuses writes, or its bus is silent. */
  readonly status: 'up' | 'down';
  /** The cause, and what to change; only while it is down. */
  readonly reason?: string | undefined;
  /** Tags whose invalidation has not reached the store yet. */
  readonly waitingBumps: number;
  /** Calls that it did not answer in time. */
  readonly timeouts: number;
  /** Calls that failed otherwise. */
  readonly errors: number;
  /** Entries in the memory of this process. Only of stores with memory. */
  readonly entries?: number | undefined;
  /** Estimated bytes of these entries. */
  readonly bytes?: number | undefined;
  /** Entries that gave way to others because the memory was full. Only of stores with memory. */
  readonly evictions?: number | undefined;
  /** Seconds that the last message took to come back over the bus. Only of stores with a bus, once one has. */
  readonly busLag?: number | undefined;
}

/**
 * A store in `cache.metrics()`.
 *
 * @publicApi
 */
export interface StoreMetrics extends StoreState {
  /** As in `cache.status()`. */
  readonly kind: string;
}

/** Counts of invalidations since the boot of this process. A field here is a metric, as in {@link MethodCounts}. */
class InvalidationCounts {
  /** Invalidations, of any cause: one for each commit and mode, not one for each tag. */
  bumps = 0;
  /** Tags that were invalidated. */
  tags = 0;
  /** Invalidations that a store did not accept at once. */
  failures = 0;
  /** Committed changes of entities that some rule concerns. */
  changes = 0;
  /** Commits after which a rule dropped everything of its method, because the changed partitions were unknown. */
  widened = 0;
  /** Failures of rules: of an invalidator, a mapping or a dispatcher. */
  ruleErrors = 0;
}

/**
 * Invalidations since the boot of this process.
 *
 * @publicApi
 */
export type InvalidationMetrics = Readonly<InvalidationCounts>;

/**
 * The queue of a dispatcher, as it was measured within the last ten seconds.
 *
 * @publicApi
 */
export interface QueueState {
  /** Jobs that are not done: those that wait, those that are delayed by a retry, and those that run. */
  readonly depth: number;
  /** Age of the oldest of them, in seconds; 0 without one. Above 60, `cache.health()` is `degraded`. */
  readonly oldestSeconds: number;
  /** Jobs that were given up. */
  readonly dead: number;
  /** Whether some process takes jobs from the queue; `undefined` if that is not known. */
  readonly hasConsumer: boolean | undefined;
}

/**
 * State of a dispatcher, as far as this process knows without a request.
 *
 * @publicApi
 */
export interface DispatcherState {
  /** `down`: its queue does not accept jobs. */
  readonly status: 'up' | 'down';
  /** Jobs that wait in this process to be sent or run. */
  readonly waitingJobs: number;
  /** The queue behind it. Only of dispatchers with a queue that can be asked, once it has answered. */
  readonly queue?: QueueState | undefined;
}

/**
 * State of a change source.
 *
 * @publicApi
 */
export interface ChangeSourceState {
  /** Name of the source, e.g. `pgOutputChanges`. */
  readonly name: string;
  /** `consumer`: this process reads the log. `standby`: another process does. `down`: there is no connection, it is tried again. */
  readonly role: 'consumer' | 'standby' | 'down';
  /** Age of the oldest change that was read and has not invalidated yet, or time without a connection. Seconds. */
  readonly lagSeconds: number;
}

/** Counts of one dispatcher since the boot of this process. A field here is a metric, as in {@link MethodCounts}. */
class DispatcherCounts {
  /** Jobs that it was given. Immediate invalidations are not jobs of `inline`. */
  jobs = 0;
  /** Jobs that ran in this process, whichever process dispatched them. */
  carriedOut = 0;
  /** Failures that it had or reported: a queue that is away, a dead job. */
  failures = 0;
}

/**
 * Work of a dispatcher since the boot of this process.
 *
 * @publicApi
 */
export interface DispatcherMetrics extends Readonly<DispatcherCounts> {
  /** Jobs that wait in this process now; 0 for dispatchers without a `state()`. */
  readonly waitingJobs: number;
  /** The queue behind it. Only of dispatchers with a queue that can be asked, once it has answered. */
  readonly queue?: QueueState | undefined;
}

/**
 * Result of `cache.metrics()`: plain JSON, counted since the boot of this process.
 *
 * @publicApi
 */
export interface CacheMetrics {
  /** Of the application. */
  readonly namespace: string;
  /** Every cached method that was called or bound so far, and `CacheService` for values cached by hand. */
  readonly methods: readonly MethodMetrics[];
  /** By the names of `forRoot({ stores })`; `default` is the one without a name. */
  readonly stores: Readonly<Record<string, StoreMetrics>>;
  readonly invalidation: InvalidationMetrics;
  /** By name; `InvalidationWorker` for jobs that were handed to it. */
  readonly dispatchers: Readonly<Record<string, DispatcherMetrics>>;
  /** Lines of `cache.status().advice`: tables that loads read and no rule covers among them. */
  readonly advice: number;
  /** Only with `forRoot({ verify })`. */
  readonly verify?: VerifyMetrics | undefined;
  /** Change sources with a `state()`, where there are any. */
  readonly changeSources?: readonly ChangeSourceState[] | undefined;
}

/** The count of each status that callers see. */
const FIELDS = {
  HIT: 'hits',
  MISS: 'misses',
  STALE: 'stale',
  BYPASS: 'bypasses',
  REFRESH: 'refreshes',
} as const;

/** A status that callers see. */
export type CountedStatus = keyof typeof FIELDS;

/** Counts the calls of one cached method. Plain numbers in one object: a hit costs one increment. */
export class MethodCounters extends MethodCounts {
  /** Milliseconds. The clock's rounding errors cancel out over many loads. */
  loadTime = 0;
  readonly loadTimes = new DurationHistogram(LOAD_BOUNDS);
  readonly hitTimes = new DurationHistogram(HIT_BOUNDS);
  readonly refusals = new RefusalCounts();

  constructor(
    readonly name: string,
    /** Of the application. */
    readonly namespace: string,
  ) {
    super();
  }

  /** To be called once for each call. */
  count(status: CountedStatus): void {
    this[FIELDS[status]]++;
  }

  report(): MethodMetrics {
    const { name, namespace: _, loadTime, loadTimes, hitTimes, refusals, ...counts } = this;
    return {
      name,
      ...counts,
      loadSeconds: loadTime / 1000,
      loadTimes: loadTimes.report(),
      hitTimes: hitTimes.report(),
      refusals: Object.fromEntries(refusals.report().map(({ kind, count }) => [kind, count])),
    };
  }
}

/** For calls of the cache itself, and calls that are counted elsewhere. */
export const UNCOUNTED = new MethodCounters('', '');

/** Counts the status of one call once, whichever of its possible answers comes first. */
export class StatusCounter {
  #isCounted = false;

  constructor(private readonly counters: MethodCounters) {}

  count(status: CountedStatus): void {
    if (this.#isCounted) return;
    this.#isCounted = true;
    this.counters.count(status);
  }
}

/** The name of values cached by hand. */
const BY_HAND = 'CacheService';

/** Counts of one application, except those of its methods and stores. */
export class CacheCounters {
  readonly byHand: MethodCounters;
  readonly invalidation = new InvalidationCounts();
  /** Set where hits are verified. */
  verify: VerifyCounters | undefined = undefined;
  readonly #dispatchers = new Map<string, DispatcherCounts>();

  constructor(namespace: string) {
    this.byHand = new MethodCounters(BY_HAND, namespace);
  }

  dispatcher(name: string): DispatcherCounts {
    let counters = this.#dispatchers.get(name);
    if (counters === undefined) this.#dispatchers.set(name, (counters = new DispatcherCounts()));
    return counters;
  }

  /** @param states of dispatchers with a `state()` */
  reportDispatchers(
    states: Readonly<Record<string, DispatcherState>>,
  ): Readonly<Record<string, DispatcherMetrics>> {
    const report = [...this.#dispatchers].map(([name, counts]): [string, DispatcherMetrics] => [
      name,
      { ...counts, waitingJobs: states[name]?.waitingJobs ?? 0, ...queueOf(states[name]) },
    ]);
    return Object.fromEntries(report);
  }
}

/**
 * A store in `cache.health()`.
 *
 * @publicApi
 */
export interface StoreHealth extends Pick<StoreState, 'status' | 'reason' | 'waitingBumps'> {
  /** As in `cache.status()`. */
  readonly kind: string;
}

/**
 * Result of `cache.health()`. There is no `down`: an application whose cache is away still answers.
 *
 * @publicApi
 */
export interface CacheHealth {
  /** `degraded` while a store, a dispatcher or a change source is down, or invalidations wait for a store. */
  readonly status: 'up' | 'degraded';
  /** By the names of `forRoot({ stores })`; `default` is the one without a name. */
  readonly stores: Readonly<Record<string, StoreHealth>>;
  /** By name. Only dispatchers with a `state()`. */
  readonly dispatchers: Readonly<Record<string, DispatcherState>>;
  /** Change sources with a `state()`, where there are any. */
  readonly changeSources?: readonly ChangeSourceState[] | undefined;
}

function queueOf(state: DispatcherState | undefined): { readonly queue?: QueueState } {
  return state?.queue === undefined ? {} : { queue: state.queue };
}
