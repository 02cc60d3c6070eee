import { MethodCounters } from './method-counters.js';
import type { DispatcherMetrics, InvalidationMetrics } from './metrics.interface.js';

type Counting<T> = { -readonly [K in keyof T]: T[K] };

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
  readonly #dispatchers = new Map<string, Counting<DispatcherMetrics>>();

  constructor(namespace: string) {
    this.byHand = new MethodCounters(BY_HAND, namespace);
  }

  dispatcher(name: string): Counting<DispatcherMetrics> {
    let counters = this.#dispatchers.get(name);
    if (counters === undefined)
      this.#dispatchers.set(name, (counters = { jobs: 0, carriedOut: 0, failures: 0 }));
    return counters;
  }

  reportDispatchers(): Readonly<Record<string, DispatcherMetrics>> {
    return Object.fromEntries([...this.#dispatchers].map(([name, counters]) => [name, { ...counters }]));
  }
}
