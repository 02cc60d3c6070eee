import type { InvalidationMode } from './store.interface.js';

/** Beyond this many tags the queue makes them coarser; it never drops one. */
const MAX_TAGS = 10_000;

/**
 * Bumps that the shared store does not have yet. What they cover is not served by this process, and they are sent again
 * until the store has them.
 */
export class UnsentBumps {
  #tags = new Map<string, { mode: InvalidationMode; since: number }>();
  #counter = 0;
  /** Whether some tags took the place of others, so that no caller of {@link add} will remove them. */
  hasCoarse = false;

  get size(): number {
    return this.#tags.size;
  }

  /** @returns a mark for {@link remove}: bumps that are added later stay */
  add(tags: readonly string[], mode: InvalidationMode, coarser: (tag: string) => string | undefined): number {
    const since = ++this.#counter;
    for (const tag of tags) {
      const known = this.#tags.get(tag);
      this.#tags.set(tag, { mode: known?.mode === 'purge' ? 'purge' : mode, since });
    }
    while (this.#tags.size > MAX_TAGS && this.#coarsen(coarser, since));
    return since;
  }

  /** @param mode how they were sent: a purge that waits is not done with an expire */
  remove(tags: Iterable<string>, mode: InvalidationMode, mark: number): void {
    for (const tag of tags) {
      const unsent = this.#tags.get(tag);
      if (unsent === undefined || unsent.since > mark) continue;
      if (mode === 'purge' || unsent.mode === 'expire') this.#tags.delete(tag);
    }
    if (this.#tags.size === 0) this.hasCoarse = false;
  }

  covers(tags: readonly string[]): boolean {
    return tags.some((tag) => this.#tags.has(tag));
  }

  /** All that is to be sent again, and the mark to remove it with. */
  take(mode: InvalidationMode): { readonly tags: readonly string[]; readonly mark: number } {
    const tags = [...this.#tags].filter(([, unsent]) => unsent.mode === mode).map(([tag]) => tag);
    return { tags, mark: this.#counter };
  }

  /** @returns whether that made the queue smaller */
  #coarsen(coarser: (tag: string) => string | undefined, since: number): boolean {
    const before = this.#tags.size;
    const coarse = new Map<string, { mode: InvalidationMode; since: number }>();
    for (const tag of this.#tags.keys()) coarse.set(coarser(tag) ?? tag, { mode: 'purge', since });
    this.#tags = coarse;
    this.hasCoarse = true;
    return coarse.size < before;
  }
}
