/**
 * Durations by size.
 *
 * @publicApi
 */
export interface DurationMetrics {
  /** Number of durations. */
  readonly count: number;
  /** Their sum, in seconds. */
  readonly seconds: number;
  /** Upper bounds of the buckets, in seconds, ascending. The last bucket has no bound. */
  readonly bounds: readonly number[];
  /** Durations in each bucket alone: one number more than there are bounds. */
  readonly buckets: readonly number[];
}

/** From one millisecond, the resolution of the clock, to the longest time that clients wait. Seconds. */
export const LOAD_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** From a hit in memory to a shared store that is slow. Seconds. */
export const HIT_BOUNDS = [
  1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.05,
] as const;

/** Counts durations in fixed buckets. Memory is taken by the first one. */
export class DurationHistogram {
  #count = 0;
  #seconds = 0;
  #buckets: Float64Array | undefined;

  constructor(private readonly bounds: readonly number[]) {}

  observe(seconds: number): void {
    const { bounds } = this;
    this.#buckets ??= new Float64Array(bounds.length + 1);
    let at = 0;
    while (at < bounds.length && seconds > bounds[at]!) at++;
    this.#buckets[at]!++;
    this.#count++;
    this.#seconds += seconds;
  }

  report(): DurationMetrics {
    const buckets = Array.from(this.#buckets ?? new Float64Array(this.bounds.length + 1));
    return { count: this.#count, seconds: this.#seconds, bounds: this.bounds, buckets };
  }
}

/**
 * The duration that a fraction of all stays below, interpolated within its bucket; `undefined` without durations. For those beyond the
 * last bound it is that bound.
 *
 * @param fraction e.g. 0.99
 */
export function quantile({ count, bounds, buckets }: DurationMetrics, fraction: number): number | undefined {
  if (count === 0) return undefined;
  const rank = fraction * count;
  let below = 0;
  for (const [at, bound] of bounds.entries()) {
    const inside = buckets[at]!;
    if (inside > 0 && below + inside >= rank) {
      const from = at === 0 ? 0 : bounds[at - 1]!;
      return from + ((bound - from) * (rank - below)) / inside;
    }
    below += inside;
  }
  return bounds.at(-1);
}
