import { type DurationMetrics, DurationHistogram } from './histogram.js';

/**
 * Outcome of one verification of a hit.
 *
 * - `match`: a load returned what was served.
 * - `stale`: two loads agreed, differed from what was served, and no invalidation came between.
 * - `late`: another process had invalidated the value, and the message about it was still on its way.
 * - `superseded`: an invalidation came while the value was verified, so nothing can be said.
 * - `unstable`: two loads did not agree with each other.
 * - `unrepeatable`: the load cannot be repeated: it writes, its arguments cannot be copied, or its request cannot be sent again.
 * - `failed`: a load or the store failed.
 * - `skipped`: too many verifications were running, or their share of the time spent loading was used up.
 *
 * @publicApi
 */
export type VerifyOutcome =
  'match' | 'stale' | 'late' | 'superseded' | 'unstable' | 'unrepeatable' | 'failed' | 'skipped';

/**
 * Cause of a stale value.
 *
 * - `bus`: the shared store had the invalidation, and no message about it reached the memory of this process within a heartbeat.
 * - `input`: two readers of one key are due different values: the key lacks something that the load reads.
 * - `queued`: an invalidation waits for its store or its queue.
 * - `replica`: a load from a replica returns the old value, one from the primary the new one.
 * - `uncovered`: the load reads a table that no rule of the entry covers.
 * - `rule`: a change of a table was seen, and no rule dropped the entry for it: a rule is narrower than the query.
 * - `outside`: the tables are covered, and this process has seen no change: they were written past the DataSources.
 * - `unknown`: none of these.
 *
 * @publicApi
 */
export type StaleCause =
  'bus' | 'input' | 'queued' | 'replica' | 'uncovered' | 'rule' | 'outside' | 'unknown';

/** From just after the load to the longest lifetimes. Seconds. */
export const AGE_BOUNDS = [0.1, 1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400] as const;

/**
 * Verified hits of one cached method.
 *
 * @publicApi
 */
export interface MethodVerification {
  /** As in `cache.status()`; `CacheService` for what is cached by hand. */
  readonly name: string;
  readonly outcomes: Readonly<Partial<Record<VerifyOutcome, number>>>;
  /** Stale hits by cause. */
  readonly causes: Readonly<Partial<Record<StaleCause, number>>>;
  /** Age of the stale values when they were served: the time for which they may have been stale, at most. */
  readonly staleAges: DurationMetrics;
}

/**
 * Result of `forRoot({ verify })`, in `cache.metrics().verify`: counted in this process since its boot.
 *
 * @publicApi
 */
export interface VerifyMetrics {
  readonly outcomes: Readonly<Record<VerifyOutcome, number>>;
  readonly causes: Readonly<Partial<Record<StaleCause, number>>>;
  /**
   * Fraction of right values: `match` of `match` and `stale`; `undefined` before the first of them. Other outcomes prove nothing and do not
   * count.
   */
  readonly right: number | undefined;
  readonly methods: readonly MethodVerification[];
}

const OUTCOMES: readonly VerifyOutcome[] = [
  ...(['match', 'stale', 'late', 'superseded', 'unstable', 'unrepeatable', 'failed', 'skipped'] as const),
];

interface MethodCounts {
  readonly outcomes: Partial<Record<VerifyOutcome, number>>;
  readonly causes: Partial<Record<StaleCause, number>>;
  readonly ages: DurationHistogram;
}

/** Counts verifications. */
export class VerifyCounters {
  readonly #methods = new Map<string, MethodCounts>();

  count(method: string, outcome: VerifyOutcome): void {
    const { outcomes } = this.#of(method);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }

  /** @param age of the value when it was served, in seconds */
  countStale(method: string, cause: StaleCause, age: number): void {
    this.count(method, 'stale');
    const { causes, ages } = this.#of(method);
    causes[cause] = (causes[cause] ?? 0) + 1;
    ages.observe(age);
  }

  #of(method: string): MethodCounts {
    let counts = this.#methods.get(method);
    if (counts === undefined) {
      counts = { outcomes: {}, causes: {}, ages: new DurationHistogram(AGE_BOUNDS) };
      this.#methods.set(method, counts);
    }
    return counts;
  }

  report(): VerifyMetrics {
    const outcomes = Object.fromEntries(OUTCOMES.map((one) => [one, 0])) as Record<VerifyOutcome, number>;
    const causes: Partial<Record<StaleCause, number>> = {};
    for (const counts of this.#methods.values()) {
      addTo(outcomes, counts.outcomes);
      addTo(causes, counts.causes);
    }
    const judged = outcomes.match + outcomes.stale;
    return {
      outcomes,
      causes,
      right: judged === 0 ? undefined : outcomes.match / judged,
      methods: [...this.#methods].map(([name, { ages, ...counts }]) => ({
        name,
        outcomes: { ...counts.outcomes },
        causes: { ...counts.causes },
        staleAges: ages.report(),
      })),
    };
  }
}

function addTo<Name extends string>(
  all: Partial<Record<Name, number>>,
  some: Partial<Record<Name, number>>,
): void {
  for (const [name, count] of Object.entries(some) as [Name, number][]) all[name] = (all[name] ?? 0) + count;
}
