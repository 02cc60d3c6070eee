/** After a refusal the store counts as taking writes again when it took one this much later. Milliseconds. */
const CALM_MS = 1_000;

/** Whether a store that answers takes what is written to it (Redis may be read-only, or full), told when it changes. */
export class WriteRefusals {
  #last: number | undefined;

  constructor(
    private readonly now: () => number,
    private readonly onChange: (isRefusing: boolean, error: unknown) => void,
  ) {}

  get isRefusing(): boolean {
    return this.#last !== undefined;
  }

  refused(error: unknown): void {
    const isFirst = this.#last === undefined;
    this.#last = this.now();
    if (isFirst) this.onChange(true, error);
  }

  taken(): void {
    if (this.#last === undefined || this.now() - this.#last < CALM_MS) return;
    this.#last = undefined;
    this.onChange(false, undefined);
  }
}
