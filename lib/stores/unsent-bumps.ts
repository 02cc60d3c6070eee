import type { InvalidationMode } from './store.interface.js';

/** Beyond this many tags that wait the queue makes them coarser; it never drops one. */
const MAX_TAGS = 10_000;

/** When a bump of each mode was asked for last that the store does not have; {@link NEVER} where there is none. */
interface Unsent {
  readonly purge: number;
  readonly expire: number;
}

const NEVER = 0;

/**
 * Bumps that the shared store does not have yet. What they cover is not served by this process, and they are sent again
 * until the store has them.
 */
export class UnsentBumps {
  #tags = new Map<string, Unsent>();
  #counter = NEVER;
  /** Whether some tags took the place of others, so that no caller of {@link add} will remove them. */
  hasCoarse = false;

  get size(): number {
    return this.#tags.size;
  }

  /** @returns a mark for {@link remove}: bumps that are added later stay */
  add(tags: readonly string[], mode: InvalidationMode): number {
    const since = ++this.#counter;
    for (const tag of tags) {
      const { purge, expire } = this.#tags.get(tag) ?? NOTHING;
      this.#tags.set(tag, mode === 'purge' ? { purge: since, expire } : { purge, expire: since });
    }
    return since;
  }

  /** Makes room where a store did not take what it was sent. What is on its way for the first time is its sender's to hold. */
  bound(coarser: (tag: string) => string | undefined): void {
    while (this.#tags.size > MAX_TAGS && this.#coarsen(coarser));
  }

  /** @param mode how they were sent: a purge does what an expire before it would, but not the other way round */
  remove(tags: Iterable<string>, mode: InvalidationMode, mark: number): void {
    for (const tag of tags) {
      const unsent = this.#tags.get(tag);
      if (unsent === undefined) continue;
      const purge = mode === 'purge' && unsent.purge <= mark ? NEVER : unsent.purge;
      const expire = unsent.expire <= mark ? NEVER : unsent.expire;
      if (purge === NEVER && expire === NEVER) this.#tags.delete(tag);
      else this.#tags.set(tag, { purge, expire });
    }
    if (this.#tags.size === 0) this.hasCoarse = false;
  }

  covers(tags: readonly string[]): boolean {
    return tags.some((tag) => this.#tags.has(tag));
  }

  /** All that is to be sent again, and the mark to remove it with. */
  take(mode: InvalidationMode): { readonly tags: readonly string[]; readonly mark: number } {
    const isPurge = mode === 'purge';
    const tags = [...this.#tags].filter(([, { purge }]) => (purge !== NEVER) === isPurge).map(([tag]) => tag);
    return { tags, mark: this.#counter };
  }

  /** @returns whether that made the queue smaller */
  #coarsen(coarser: (tag: string) => string | undefined): boolean {
    const since = ++this.#counter;
    const before = this.#tags.size;
    const coarse = new Map<string, Unsent>();
    for (const tag of this.#tags.keys()) coarse.set(coarser(tag) ?? tag, { purge: since, expire: NEVER });
    this.#tags = coarse;
    this.hasCoarse = true;
    return coarse.size < before;
  }
}

const NOTHING: Unsent = { purge: NEVER, expire: NEVER };
