import { MethodCounters } from './method-counters.js';
import type { DispatcherMetrics, DispatcherState, InvalidationMetrics } from './metrics.interface.js';

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
