import { LRUCache } from 'lru-cache';

const MAX_TAGS = 10_000;

/** One invalidation: its cause and its number. */
interface Drop {
  readonly cause: string;
  readonly turn: number;
}

/** Remembers the last invalidation of each tag by this process, to explain why a value is not cached. */
export class InvalidationHistory {
  readonly #drops = new LRUCache<string, Drop>({ max: MAX_TAGS });
  #turn = 0;

  /** Number of invalidations so far. */
  get turn(): number {
    return this.#turn;
  }

  note(tags: Iterable<string>, cause: string): void {
    const drop: Drop = { cause, turn: ++this.#turn };
    for (const tag of tags) this.#drops.set(tag, drop);
  }

  /** Cause of the last invalidation of one of these tags after `turn`. */
  lastOf(tags: readonly string[], after = 0): string | undefined {
    let last: Drop | undefined;
    for (const tag of tags) {
      const drop = this.#drops.get(tag);
      if (drop !== undefined && drop.turn > (last?.turn ?? after)) last = drop;
    }
    return last?.cause;
  }
}
