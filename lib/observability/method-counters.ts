import type { MethodMetrics } from './metrics.interface.js';

/** What a caller is told, and where it is counted. */
const FIELDS = {
  HIT: 'hits',
  MISS: 'misses',
  STALE: 'stale',
  BYPASS: 'bypasses',
  REFRESH: 'refreshes',
} as const;

/** A status that is told to callers. */
export type ToldStatus = keyof typeof FIELDS;

/** What became of the calls of one cached method. Plain numbers in one object: a hit costs one increment. */
export class MethodCounters {
  hits = 0;
  misses = 0;
  stale = 0;
  bypasses = 0;
  refreshes = 0;
  loads = 0;
  loadErrors = 0;
  /** Milliseconds of the clock: what it cuts off of one load it adds to another. */
  loadTime = 0;
  notStored = 0;

  constructor(
    readonly name: string,
    /** Of the application. */
    readonly namespace: string,
  ) {}

  /** To be called once for each call. */
  count(status: ToldStatus): void {
    this[FIELDS[status]]++;
  }

  report(): MethodMetrics {
    const { name, hits, misses, stale, bypasses, refreshes, loads, loadErrors, loadTime, notStored } = this;
    const loadSeconds = loadTime / 1000;
    return { name, hits, misses, stale, bypasses, refreshes, loads, loadErrors, loadSeconds, notStored };
  }
}

/** For calls that nobody made, and those that are counted elsewhere. */
export const UNCOUNTED = new MethodCounters('', '');

/** Counts what one caller is told, once, whichever of the ways to an answer ends first. */
export class ToldOnce {
  #isTold = false;

  constructor(private readonly counters: MethodCounters) {}

  tell(status: ToldStatus): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.counters.count(status);
  }
}
