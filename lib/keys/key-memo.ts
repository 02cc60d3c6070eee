/** Keys that are remembered, of one method. */
const MAX_KEYS = 1_000;

/** Where fewer of the calls than this found a remembered key, most keys come once: to remember each costs more than it brings. */
const LEAST_SHARE = 0.5;

/** Then only one key of so many is remembered: one that comes often is met soon. A power of two. */
const ONE_OF = 16;

type Level = Map<unknown, Level | string>;

/**
 * Remembers the keys of recent calls by their arguments. To write a key, and to hash the new text for the look-up, costs more than
 * the rest of a hit in memory (`npm run bench -- library`).
 *
 * Only for keys that follow from scalar arguments alone. A Map tells these apart as keys do: `1` from `'1'` and `1n`, but not `0`
 * from `-0`.
 */
export class KeyMemo {
  #keys: Level = new Map();
  #count = 0;
  #found = 0;
  #missed = 0;
  #areVarious = false;

  /** @param indexes of the arguments that the key is written from; one at least */
  constructor(private readonly indexes: readonly number[]) {}

  /** The key of earlier arguments like these; `undefined` if it is not known. */
  get(args: readonly unknown[]): string | undefined {
    let level: Level | string | undefined = this.#keys;
    for (let i = 0; i < this.indexes.length && level !== undefined; i++)
      level = (level as Level).get(args[this.indexes[i]!]);
    if (level !== undefined) this.#found++;
    return level as string | undefined;
  }

  /** Remembers a key, unless an argument is an object, which may change. */
  set(args: readonly unknown[], key: string): void {
    this.#missed++;
    if (this.#areVarious && this.#missed % ONE_OF !== 0) return;
    if (!this.indexes.every((index) => isScalar(args[index]))) return;
    if (this.#count === MAX_KEYS) this.#startAgain();
    const last = this.indexes.length - 1;
    let level = this.#keys;
    for (let i = 0; i < last; i++) {
      const value = args[this.indexes[i]!];
      const next = level.get(value) as Level | undefined;
      if (next === undefined) level.set(value, (level = new Map()));
      else level = next;
    }
    level.set(args[this.indexes[last]!], key);
    this.#count++;
  }

  #startAgain(): void {
    this.#areVarious = this.#found < (this.#found + this.#missed) * LEAST_SHARE;
    this.#keys = new Map();
    this.#count = 0;
    this.#found = 0;
    this.#missed = 0;
  }
}

function isScalar(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function');
}
