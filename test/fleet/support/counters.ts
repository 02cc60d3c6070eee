/** What the caches stand before: a number for each key, which only grows. */
export class Counters {
  readonly #numbers = new Map<string, number>();

  read(key: string): number {
    return this.#numbers.get(key) ?? 0;
  }

  write(key: string): number {
    const next = this.read(key) + 1;
    this.#numbers.set(key, next);
    return next;
  }
}

/** Which writes were acknowledged as invalidated, and when: a read that begins later must not return less. */
export class Acknowledged {
  readonly #acknowledged = new Map<string, { readonly at: number; readonly number: number }[]>();

  note(key: string, number: number): void {
    const known = this.#acknowledged.get(key) ?? [];
    this.#acknowledged.set(key, [...known.slice(-50), { at: performance.now(), number }]);
  }

  /** The least that a read may return that begins now, where it hears of writes at most `lag` milliseconds late. */
  floor(key: string, lag = 0): number {
    const until = performance.now() - lag;
    let floor = 0;
    for (const { at, number } of this.#acknowledged.get(key) ?? [])
      if (at <= until && number > floor) floor = number;
    return floor;
  }
}
