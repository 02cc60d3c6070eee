import { LRUCache } from 'lru-cache';

const MAX_KEYS = 10_000;
const MAX_NAMES = 8;

/**
 * What a response says in `Vary` is known only once it was loaded. The names are remembered for its key, so that the
 * next request's key holds the values of those headers. Forgetting one costs a load.
 */
export class VariantHints {
  readonly #names = new LRUCache<string, readonly string[]>({ max: MAX_KEYS });

  /** The header names that choose between the variants of this key, sorted. */
  get(key: string): readonly string[] | undefined {
    return this.#names.size === 0 ? undefined : this.#names.get(key);
  }

  /** @returns whether the names were few enough to be kept */
  add(key: string, names: readonly string[]): boolean {
    const all = [...new Set([...(this.#names.get(key) ?? []), ...names])].sort();
    if (all.length > MAX_NAMES) return false;
    this.#names.set(key, all);
    return true;
  }
}
