/** Consecutive failures that open the circuit. */
const MAX_FAILURES = 3;

/** Time that the circuit stays open before one call probes the store. Milliseconds. */
const OPEN_MS = 1_000;

/** Keeps calls away from a store that does not answer, so that they do not all wait for their timeouts. */
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

  /** True if calls are blocked: the circuit is open, and a probe is not due yet or is running. */
  get isBlocking(): boolean {
    return this.isOpen && (this.#probing || this.now() < this.#openUntil);
  }

  /** True if a call may pass now. While the circuit is open, one call passes as a probe after each {@link OPEN_MS}. */
  allows(): boolean {
    if (!this.isOpen) return true;
    if (this.isBlocking) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#probing = false;
    const wasOpen = this.isOpen;
    this.#failures = 0;
    if (wasOpen) this.onChange(false, undefined);
  }

  failed(error: unknown): void {
    this.#probing = false;
    this.#openUntil = this.now() + OPEN_MS;
    if (++this.#failures === MAX_FAILURES) this.onChange(true, error);
  }
}

/** A write that succeeds this long after the last refusal shows that the store accepts writes again. Milliseconds. */
const CALM_MS = 1_000;

/** True if a store that answers refuses writes (Redis may be read-only, or full). Reports each change. */
export class WriteRefusals {
  #last: number | undefined;
  #error: unknown;

  constructor(
    private readonly now: () => number,
    private readonly onChange: (isRefusing: boolean, error: unknown) => void,
  ) {}

  get isRefusing(): boolean {
    return this.#last !== undefined;
  }

  /** The first refusal, while the store refuses. */
  get error(): unknown {
    return this.#error;
  }

  refused(error: unknown): void {
    const isFirst = this.#last === undefined;
    this.#last = this.now();
    if (!isFirst) return;
    this.#error = error;
    this.onChange(true, error);
  }

  accepted(): void {
    if (this.#last === undefined || this.now() - this.#last < CALM_MS) return;
    this.#last = undefined;
    this.#error = undefined;
    this.onChange(false, undefined);
  }
}
