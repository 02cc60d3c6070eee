import { LRUCache } from 'lru-cache';

const MAX_TAGS = 10_000;

/** One invalidation: what caused it, and which one in a row it was. */
interface Drop {
  readonly cause: string;
  readonly turn: number;
}

/**
 * Remembers what dropped each tag last, in this process, for those who ask why something is not cached. Only there where somebody
 * may ask.
 */
export class InvalidationHistory {
  readonly #drops = new LRUCache<string, Drop>({ max: MAX_TAGS });
  #turn = 0;

  /** How many drops there were; what is seen now is dropped by a later one. */
  get turn(): number {
    return this.#turn;
  }

  note(tags: Iterable<string>, cause: string): void {
    const drop: Drop = { cause, turn: ++this.#turn };
    for (const tag of tags) this.#drops.set(tag, drop);
  }

  /** What dropped one of these tags last, after a turn. */
  lastOf(tags: readonly string[], after = 0): string | undefined {
    let last: Drop | undefined;
    for (const tag of tags) {
      const drop = this.#drops.get(tag);
      if (drop !== undefined && drop.turn > (last?.turn ?? after)) last = drop;
    }
    return last?.cause;
  }
}
