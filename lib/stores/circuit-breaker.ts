/** So many failures in a row open the circuit. */
const MAX_FAILURES = 3;

/** How long nothing is asked of a store that fails, in milliseconds; then one call finds out whether it is back. */
const OPEN_MS = 1_000;

/** Keeps calls away from a store that does not answer, so that each does not wait for its own timeout. */
export class CircuitBreaker {
  #failures = 0;
  #openUntil = 0;
  #probing = false;

  constructor(
    private readonly now: () => number,
    private readonly onChange: (isOpen: boolean, error: unknown) => void,
  ) {}

  get isOpen(): boolean {
    return this.#failures >= MAX_FAILURES;
  }

  /** Whether it is open, and it is not time to find out whether the store is back, or it is being found out. */
  get isResting(): boolean {
    return this.isOpen && (this.#probing || this.now() < this.#openUntil);
  }

  /** Whether a call may go through now. While the circuit is open one at a time may, each {@link OPEN_MS}. */
  allows(): boolean {
    if (!this.isOpen) return true;
    if (this.isResting) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#probing = false;
    if (this.isOpen) this.onChange(false, undefined);
    this.#failures = 0;
  }

  failed(error: unknown): void {
    this.#probing = false;
    this.#openUntil = this.now() + OPEN_MS;
    if (++this.#failures === MAX_FAILURES) this.onChange(true, error);
  }
}

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
