import { type Generation, judgeGeneration, Stamp, type Verdict } from './stamp.js';
import type { InvalidationMode } from './store.interface.js';

/** The place of one tag. Entries hold it, so that a hit compares pointers instead of looking tags up. */
export interface Cell {
  readonly tag: string;
  generation: Generation;
  /** How many stored entries carry the tag. */
  entries: number;
}

/**
 * The generations of a store in memory. A cell lives while an entry carries it; cells that no entry carries (loads in
 * flight, loads that were not storable) are kept in order of age, at most `maxIdle` of them. Dropping one is safe:
 * a stamp whose generation is missing is purged.
 */
export class GenerationTable {
  readonly #epoch = `memory-${Math.random().toString(36).slice(2)}`;
  readonly #cells = new Map<string, Cell>();
  readonly #idle = new Set<Cell>();
  /** One iterator for good: each new one would walk over the gaps that those before it left at the front. */
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
      // A tag without a cell has no entry, and a load under it that is in flight is purged already.
      if (cell === undefined) continue;
      this.#bumps++;
      const soft = ++this.#last;
      cell.generation = { hard: mode === 'purge' ? soft : cell.generation.hard, soft };
    }
  }

  /** Takes hold of the cells of a stamp; `undefined` when it is purged. */
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

  /** While it stays the same, so do the generations of all tags that entries carry. */
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

/** Tags remembered with the time of their last bump; beyond them everything counts as bumped. */
const MAX_TAGS = 20_000;

/** Which tags were bumped of late, so that a read can tell whether one of its entry's tags was, while it was under way. */
export class BumpLog {
  #last = new Map<string, number>();
  #counter = 0;
  /** Up to here nothing is known any more. */
  #forgotten = 0;

  /** A point in time. */
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

  /** Whether one of these tags was bumped, or the key written. */
  bumpedSince(time: number, tags: readonly string[], key?: string): boolean {
    const since = (name: string): boolean => (this.#last.get(name) ?? 0) > time;
    return this.#forgotten > time || (key !== undefined && since(key)) || tags.some(since);
  }
}
