import type { Clock } from '../common/time.js';

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until a test advances it. It moves the time of the cache, but not timers of other code, databases and
 * dispatchers.
 *
 * @example
 * const clock = new ManualClock();
 * RestflowCacheModule.forRoot({ clock });
 * clock.advance(60_000); // entries with a lifetime of a minute have ended
 *
 * @publicApi
 */
export class ManualClock implements Clock {
  readonly isManual = true;
  #now: number;
  readonly #timers = new Set<Timer>();

  /** @param start milliseconds since the Unix epoch. Default: the first of January 2030, in UTC */
  constructor(start = Date.UTC(2030, 0, 1)) {
    this.#now = start;
  }

  /** Milliseconds since the Unix epoch. */
  readonly now = (): number => this.#now;

  /** Runs `callback` when the clock has been advanced by `ms` milliseconds. Returns the cancellation. */
  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.#now + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /**
   * Lets time pass; due timers run in their order.
   * @param ms milliseconds; never negative
   * @throws RangeError for a negative number, or NaN: time does not go back
   */
  advance(ms: number): void {
    if (!(ms >= 0))
      throw new RangeError(
        `ManualClock.advance() was given ${ms}. Write milliseconds to go on, e.g. 60_000.`,
      );
    const end = this.#now + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#timers.delete(due);
      this.#now = due.at;
      due.callback();
    }
    this.#now = end;
  }

  #next(end: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at)[0];
  }
}
