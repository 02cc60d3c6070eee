import type { InvalidationMode } from './store.interface.js';

/** Where more tags wait, they are replaced by coarser ones; none is dropped. */
const MAX_TAGS = 10_000;

/** Marks of the last bump of each mode that has not reached the store; {@link NEVER} where there is none. */
interface Unsent {
  readonly purge: number;
  readonly expire: number;
}

const NEVER = 0;

/**
 * Bumps that have not reached the shared store yet. They are sent again until it has them; until then this process serves nothing that
 * they cover.
 */
export class UnsentBumps {
  #tags = new Map<string, Unsent>();
  #counter = NEVER;
  /** True if coarser tags replaced others, so that no caller of {@link add} will remove them. */
  hasCoarse = false;

  get size(): number {
    return this.#tags.size;
  }

  /** @returns a mark for {@link remove}, which keeps bumps that are added later */
  add(tags: readonly string[], mode: InvalidationMode): number {
    const since = ++this.#counter;
    for (const tag of tags) {
      const { purge, expire } = this.#tags.get(tag) ?? NOTHING;
      this.#tags.set(tag, mode === 'purge' ? { purge: since, expire } : { purge, expire: since });
    }
    return since;
  }

  /** Makes tags coarser where too many wait. Called after a failure only: bumps of a first attempt are held by their senders. */
  bound(coarser: (tag: string) => string | undefined): void {
    while (this.#tags.size > MAX_TAGS && this.#coarsen(coarser));
  }

  /** @param mode of the bump that the store has: a purge includes an earlier expire, but not the other way round */
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

  /** The tags to be sent again in this mode, and the mark to remove them with. */
  take(mode: InvalidationMode): { readonly tags: readonly string[]; readonly mark: number } {
    const isPurge = mode === 'purge';
    const tags = [...this.#tags].filter(([, { purge }]) => (purge !== NEVER) === isPurge).map(([tag]) => tag);
    return { tags, mark: this.#counter };
  }

  /** @returns whether the queue became smaller */
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
