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
