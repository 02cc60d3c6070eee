/**
 * Counts of the calls of one cached method since the boot of this process, which only grow. A field here is a metric: `MethodMetrics` and
 * `cache.metrics()` have it too.
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
  /** Loads that were asked for, whatever was stored. */
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
}

/**
 * What became of the calls of one cached method since the boot of this process.
 *
 * Each call counts once, under the `CacheStatus` that its caller was told, so that
 * `hits + misses + stale + bypasses + refreshes` are its calls.
 *
 * @publicApi
 */
export interface MethodMetrics extends Readonly<MethodCounts> {
  /** As in `cache.status()`; `CacheService` for what is cached by hand with `getOrSet`, `getOrSetMany` and `get`. */
  readonly name: string;
  /** Seconds that all loads took together. */
  readonly loadSeconds: number;
}

/**
 * A store, as far as this process knows without asking it.
 *
 * @publicApi
 */
export interface StoreState {
  /** `down`: it does not answer, takes no writes, or its bus is silent. */
  readonly status: 'up' | 'down';
  /** Tags whose invalidation has not reached it yet. */
  readonly waitingBumps: number;
  /** Calls that it did not answer in time. */
  readonly timeouts: number;
  /** Calls that failed otherwise. */
  readonly errors: number;
  /** Entries that it holds in the memory of this process, where it does. */
  readonly entries?: number | undefined;
  /** Bytes that those take, estimated. */
  readonly bytes?: number | undefined;
}

/**
 * A store, as `cache.metrics()` tells of it.
 *
 * @publicApi
 */
export interface StoreMetrics extends StoreState {
  /** As in `cache.status()`. */
  readonly kind: string;
}

/**
 * What was invalidated since the boot of this process.
 *
 * @publicApi
 */
export interface InvalidationMetrics {
  /** Times that tags were invalidated, by whatever cause: one for each commit and mode, not one for each tag. */
  readonly bumps: number;
  /** Tags that were invalidated. */
  readonly tags: number;
  /** Invalidations that some store did not take at once. */
  readonly failures: number;
  /** Committed changes of entities that some rule concerns. */
  readonly changes: number;
  /** Times that a rule could not tell what of its method a commit changed, and dropped all of it. */
  readonly widened: number;
  /** Times that a rule failed: its invalidator, its mapping or its dispatcher. */
  readonly ruleErrors: number;
}

/**
 * A dispatcher, as far as this process knows without asking anybody.
 *
 * @publicApi
 */
export interface DispatcherState {
  /** `down`: the queue that it sends to does not take jobs. */
  readonly status: 'up' | 'down';
  /** Jobs that wait in this process: to be sent, or to be carried out. */
  readonly waitingJobs: number;
}

/**
 * What a dispatcher did since the boot of this process.
 *
 * @publicApi
 */
export interface DispatcherMetrics {
  /** Jobs that it was given. What was invalidated at once is no job for `inline`. */
  readonly jobs: number;
  /** Jobs that were carried out in this process, whoever gave them. */
  readonly carriedOut: number;
  /** Times that it failed, or said that something did: a queue that is away, a job that is dead. */
  readonly failures: number;
  /** Jobs that wait in this process now; 0 for dispatchers that do not tell. */
  readonly waitingJobs: number;
}

/**
 * What `cache.metrics()` answers: plain JSON, counted since the boot of this process.
 *
 * @publicApi
 */
export interface CacheMetrics {
  /** Of the application. */
  readonly namespace: string;
  /** Every cached method that is known so far, and what is cached by hand. */
  readonly methods: readonly MethodMetrics[];
  /** By the names of `forRoot({ stores })`; `default` is the one without a name. */
  readonly stores: Readonly<Record<string, StoreMetrics>>;
  readonly invalidation: InvalidationMetrics;
  /** By name; `InvalidationWorker` for jobs that were handed to it. */
  readonly dispatchers: Readonly<Record<string, DispatcherMetrics>>;
}

/** What a caller is told, and where it is counted. */
const FIELDS = {
  HIT: 'hits',
  MISS: 'misses',
  STALE: 'stale',
  BYPASS: 'bypasses',
  REFRESH: 'refreshes',
} as const;

/** A status that is told to callers. */
export type CountedStatus = keyof typeof FIELDS;

/** Counts the calls of one cached method. Plain numbers in one object: a hit costs one increment. */
export class MethodCounters extends MethodCounts {
  /** Milliseconds of the clock: what it cuts off of one load it adds to another. */
  loadTime = 0;

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
    const { name, namespace: _, loadTime, ...counts } = this;
    return { name, ...counts, loadSeconds: loadTime / 1000 };
  }
}

/** For calls that nobody made, and those that are counted elsewhere. */
export const UNCOUNTED = new MethodCounters('', '');

/** Counts what one caller is told, once, whichever of the ways to an answer ends first. */
export class StatusCounter {
  #isTold = false;

  constructor(private readonly counters: MethodCounters) {}

  count(status: CountedStatus): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.counters.count(status);
  }
}

type Counting<T> = { -readonly [K in keyof T]: T[K] };

type DispatcherCounts = Counting<Omit<DispatcherMetrics, keyof DispatcherState>>;

/** Under this name stands what is cached by hand. */
const BY_HAND = 'CacheService';

/** What the rooms of one application count, but for what each method and each store counts of itself. */
export class CacheCounters {
  readonly byHand: MethodCounters;
  readonly invalidation: Counting<InvalidationMetrics> = {
    bumps: 0,
    tags: 0,
    failures: 0,
    changes: 0,
    widened: 0,
    ruleErrors: 0,
  };
  readonly #dispatchers = new Map<string, DispatcherCounts>();

  constructor(namespace: string) {
    this.byHand = new MethodCounters(BY_HAND, namespace);
  }

  dispatcher(name: string): DispatcherCounts {
    let counters = this.#dispatchers.get(name);
    if (counters === undefined)
      this.#dispatchers.set(name, (counters = { jobs: 0, carriedOut: 0, failures: 0 }));
    return counters;
  }

  /** @param states of those that tell */
  reportDispatchers(
    states: Readonly<Record<string, DispatcherState>>,
  ): Readonly<Record<string, DispatcherMetrics>> {
    const report = [...this.#dispatchers].map(([name, counts]): [string, DispatcherMetrics] => [
      name,
      { ...counts, waitingJobs: states[name]?.waitingJobs ?? 0 },
    ]);
    return Object.fromEntries(report);
  }
}

/**
 * A store, as `cache.health()` tells of it.
 *
 * @publicApi
 */
export interface StoreHealth extends Pick<StoreState, 'status' | 'waitingBumps'> {
  /** As in `cache.status()`. */
  readonly kind: string;
}

/**
 * What `cache.health()` answers. There is no `down`: an application whose cache is away still answers.
 *
 * @publicApi
 */
export interface CacheHealth {
  /** `degraded` while a store or a dispatcher is down, or invalidations wait for a store. */
  readonly status: 'up' | 'degraded';
  /** By the names of `forRoot({ stores })`; `default` is the one without a name. */
  readonly stores: Readonly<Record<string, StoreHealth>>;
  /** By name, those that tell of themselves. */
  readonly dispatchers: Readonly<Record<string, DispatcherState>>;
}
