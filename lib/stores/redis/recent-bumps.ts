import type { InvalidationMode } from '../store.interface.js';

/** Beyond so many tags, the whole cache is bumped in their place. */
const MAX_TAGS = 1_000;

/**
 * Bumps of the last minutes. Redis may have acknowledged them on a master that was replaced by then, so a process that sees a new master
 * repeats them there.
 */
export class RecentBumps {
  #tags = new Map<string, { readonly mode: InvalidationMode; readonly at: number }>();

  /** @param lifetime milliseconds for which a bump is remembered */
  constructor(private readonly lifetime: number) {}

  /** Called before a bump is sent. */
  note(
    tags: readonly string[],
    mode: InvalidationMode,
    now: number,
    coarser: (tag: string) => string | undefined,
  ): void {
    for (const tag of tags) {
      const isPurge = mode === 'purge' || this.#tags.get(tag)?.mode === 'purge';
      // Deleted first, so that the map stays in the order of time.
      this.#tags.delete(tag);
      this.#tags.set(tag, { mode: isPurge ? 'purge' : 'expire', at: now });
    }
    for (const [tag, { at }] of this.#tags) {
      if (now - at <= this.lifetime) break;
      this.#tags.delete(tag);
    }
    if (this.#tags.size <= MAX_TAGS) return;
    const all = new Set([...this.#tags.keys()].map((tag) => coarsest(tag, coarser)));
    this.#tags = new Map([...all].map((tag) => [tag, { mode: 'purge', at: now }]));
  }

  /** Tags to be bumped again, by mode. */
  take(now: number): Readonly<Record<InvalidationMode, readonly string[]>> {
    const recent = [...this.#tags].filter(([, { at }]) => now - at <= this.lifetime);
    const of = (wanted: InvalidationMode): string[] =>
      recent.filter(([, { mode }]) => mode === wanted).map(([tag]) => tag);
    return { purge: of('purge'), expire: of('expire') };
  }
}

function coarsest(tag: string, coarser: (tag: string) => string | undefined): string {
  for (let current = tag; ;) {
    const next = coarser(current);
    if (next === undefined || next === current) return current;
    current = next;
  }
}
