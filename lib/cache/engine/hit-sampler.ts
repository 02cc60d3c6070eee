import { CacheStatus, type Call } from './call.js';

/**
 * Measures how long some hits take, from the read of the store to the value: a clock is read twice for one hit in `every`, on average.
 * The distance between two samples is random, so that methods called in turn are all measured.
 */
export class HitSampler {
  #left = 1;
  #call: Call | undefined;
  #began = 0;

  constructor(readonly every: number) {}

  /** Called before the store is read. */
  begin(call: Call): void {
    if (--this.#left > 0) return;
    this.#left = Math.ceil(Math.random() * 2 * this.every);
    this.#call = call;
    this.#began = performance.now();
  }

  /** Called when a call gets a value from the cache. */
  served(call: Call, status: CacheStatus): void {
    if (call !== this.#call) return;
    this.#call = undefined;
    if (status === CacheStatus.HIT)
      call.target.counters.hitTimes.observe((performance.now() - this.#began) / 1000);
  }
}
