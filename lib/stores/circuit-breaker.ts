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
