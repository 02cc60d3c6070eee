/** A promise that a test settles. */
export class Deferred<T = void> {
  resolve!: (value: T | PromiseLike<T>) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** Holds loads open: whoever passes waits until the test lets one, or all, go on. */
export class Gate {
  readonly #waiting: Deferred[] = [];
  readonly #arrivals: { readonly count: number; readonly reached: Deferred }[] = [];
  #arrived = 0;
  #open = false;

  /** How many have come to the gate so far. */
  get arrived(): number {
    return this.#arrived;
  }

  async pass(): Promise<void> {
    this.#arrived++;
    for (const { count, reached } of this.#arrivals) if (this.#arrived >= count) reached.resolve();
    if (this.#open) return;
    const turn = new Deferred();
    this.#waiting.push(turn);
    await turn.promise;
  }

  /** Resolves once so many have come. */
  reached(count = 1): Promise<void> {
    if (this.#arrived >= count) return Promise.resolve();
    const reached = new Deferred();
    this.#arrivals.push({ count, reached });
    return reached.promise;
  }

  /** Lets the one go on that has waited longest. */
  next(): void {
    this.#waiting.shift()?.resolve();
  }

  /** Lets all go on, those that come later too. */
  open(): void {
    this.#open = true;
    for (const turn of this.#waiting.splice(0)) turn.resolve();
  }
}

/** Lets everything run that waits for nothing but promises that are settled. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
