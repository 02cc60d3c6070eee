import { type Generation, judgeGeneration, Stamp, type Verdict } from './stamp.js';
import type { InvalidationMode } from './store.interface.js';

/** Holds the current generation of one tag. Entries refer to it, so that a hit compares pointers instead of looking tags up. */
export interface Cell {
  readonly tag: string;
  generation: Generation;
  /** Number of stored entries that carry the tag. */
  entries: number;
}

/**
 * The generations of a store in memory. A cell lives while an entry carries its tag. Cells without entries (of loads in flight, and of
 * loads that were not stored) are kept in order of age, at most `maxIdle` of them. Dropping one is safe: a stamp whose generation is missing
 * counts as purged.
 */
export class GenerationTable {
  readonly #epoch = `memory-${Math.random().toString(36).slice(2)}`;
  readonly #cells = new Map<string, Cell>();
  readonly #idle = new Set<Cell>();
  /** One iterator for the whole life: a new one would walk over all gaps that deletions left at the front. */
  readonly #byAge = this.#idle.values();
  #last = 0;
  #bumps = 0;

  constructor(private readonly maxIdle: number) {}

  stamp(tags: readonly string[]): Stamp {
    const generations = new Array<Generation>(tags.length);
    for (let i = 0; i < tags.length; i++) generations[i] = this.#cell(tags[i]!).generation;
    return new Stamp(this.#epoch, tags, generations);
  }

  judge(stamp: Stamp): Verdict {
    if (stamp.epoch !== this.#epoch) return 'purged';
    let verdict: Verdict = 'current';
    for (let i = 0; i < stamp.tags.length; i++) {
      const one = judgeGeneration(stamp.generations[i]!, this.#cells.get(stamp.tags[i]!)?.generation);
      if (one === 'purged') return one;
      if (one === 'expired') verdict = one;
    }
    return verdict;
  }

  bump(tags: readonly string[], mode: InvalidationMode): void {
    for (const tag of tags) {
      const cell = this.#cells.get(tag);
      // A tag without a cell has no entry, and a load in flight under it counts as purged already.
      if (cell === undefined) continue;
      this.#bumps++;
      const soft = ++this.#last;
      cell.generation = { hard: mode === 'purge' ? soft : cell.generation.hard, soft };
    }
  }

  /** Counts one more entry in the cells of a stamp; `undefined` for a purged stamp. */
  hold(stamp: Stamp): Cell[] | undefined {
    if (this.judge(stamp) === 'purged') return undefined;
    return stamp.tags.map((tag) => {
      const cell = this.#cells.get(tag)!;
      if (cell.entries++ === 0) this.#idle.delete(cell);
      return cell;
    });
  }

  release(cells: readonly Cell[]): void {
    for (const cell of cells) {
      if (--cell.entries === 0) this.#keepIdle(cell);
    }
  }

  get size(): number {
    return this.#cells.size;
  }

  /** While this number is unchanged, so are the generations of all tags that entries carry. */
  get bumps(): number {
    return this.#bumps;
  }

  #cell(tag: string): Cell {
    let cell = this.#cells.get(tag);
    if (cell === undefined) {
      const value = ++this.#last;
      cell = { tag, generation: { hard: value, soft: value }, entries: 0 };
      this.#cells.set(tag, cell);
      this.#keepIdle(cell);
    }
    return cell;
  }

  #keepIdle(cell: Cell): void {
    this.#idle.add(cell);
    if (this.#idle.size <= this.maxIdle) return;
    const oldest = this.#byAge.next().value!;
    this.#idle.delete(oldest);
    this.#cells.delete(oldest.tag);
  }
}

/** Tags whose last bump is remembered; where older ones are forgotten, everything counts as bumped. */
const MAX_TAGS = 20_000;

/** Recently bumped tags, so that a read can find out whether a tag of its entry was bumped while it ran. */
export class BumpLog {
  #last = new Map<string, number>();
  #counter = 0;
  /** Bumps up to this point in time are forgotten. */
  #forgotten = 0;

  /** The current point in time, to be given to {@link bumpedSince}. */
  now(): number {
    return this.#counter;
  }

  note(tags: readonly string[]): void {
    const at = ++this.#counter;
    for (const tag of tags) {
      this.#last.delete(tag);
      this.#last.set(tag, at);
    }
    while (this.#last.size > MAX_TAGS) {
      const [tag, oldest] = this.#last.entries().next().value!;
      this.#last.delete(tag);
      this.#forgotten = oldest;
    }
  }

  /** Everything counts as bumped now. */
  noteAll(): void {
    this.#last.clear();
    this.#forgotten = ++this.#counter;
  }

  /** True if one of these tags was bumped, or the key was written. */
  bumpedSince(time: number, tags: readonly string[], key?: string): boolean {
    const since = (name: string): boolean => (this.#last.get(name) ?? 0) > time;
    return this.#forgotten > time || (key !== undefined && since(key)) || tags.some(since);
  }
}
