/**
 * While the store is down nothing keeps loads from the database: only so many run at one time, the others wait in line.
 */
export class LoadGate {
  #running = 0;
  readonly #line: (() => void)[] = [];

  constructor(private readonly limit: number) {}

  /** @returns nothing when a place was free, else a promise of one */
  enter(): Promise<void> | undefined {
    if (this.#running < this.limit) {
      this.#running++;
      return undefined;
    }
    return new Promise((resolve) => this.#line.push(resolve));
  }

  leave(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
