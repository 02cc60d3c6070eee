import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/time.js';

/** How long a key whose load proved not storable is loaded without waiting for others. */
const MARK_MS = 5_000;
const MAX_MARKS = 10_000;

/**
 * Hit-for-miss: keys whose last load proved not storable. For a while requests for them do not wait for each other,
 * since none could use the other's answer. A storable answer clears the mark.
 */
export class UncacheableMarks {
  readonly #until = new LRUCache<string, number>({ max: MAX_MARKS });

  constructor(private readonly clock: Clock) {}

  has(key: string): boolean {
    const until = this.#until.get(key);
    return until !== undefined && this.clock.now() < until;
  }

  set(key: string): void {
    this.#until.set(key, this.clock.now() + MARK_MS);
  }

  clear(key: string): void {
    this.#until.delete(key);
  }
}
