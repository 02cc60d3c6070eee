import type { StoreHost } from './store.interface.js';

interface Waiting {
  readonly at: number;
  /** `undefined` once it was answered. */
  fail: (() => void) | undefined;
}

/** Places in the line that may be kept after their calls are over. */
const MAX_OVER = 256;

/** Ends the wait for calls that take too long. All may take equally long, so that one timer serves them, in their order. */
export class Deadlines {
  #line: Waiting[] = [];
  #first = 0;
  #isArmed = false;

  constructor(
    /** Milliseconds. */
    private readonly limit: number,
    private readonly late: () => Error,
  ) {}

  /** @throws what `late` makes, once the time is over; what comes afterwards is thrown away */
  within<T>(host: StoreHost, work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const waiting: Waiting = { at: host.now() + this.limit, fail: () => reject(this.late()) };
      this.#line.push(waiting);
      if (!this.#isArmed) this.#arm(host, this.limit);
      work.then(
        (answer) => {
          this.#over(waiting);
          resolve(answer);
        },
        (error: Error) => {
          this.#over(waiting);
          reject(error);
        },
      );
    });
  }

  /** Calls end about in their order: what is over at the head of the line is let go at once, so that little is held. */
  #over(waiting: Waiting): void {
    waiting.fail = undefined;
    const line = this.#line;
    while (this.#first < line.length && line[this.#first]!.fail === undefined) this.#first++;
    if (this.#first === line.length) {
      line.length = 0;
      this.#first = 0;
    } else if (this.#first > MAX_OVER) {
      line.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #arm(host: StoreHost, ms: number): void {
    this.#isArmed = true;
    // A process that was busy has answers waiting: they are read before anything counts as late.
    host.after(Math.max(1, ms), () => setImmediate(() => this.#check(host)));
  }

  #check(host: StoreHost): void {
    const now = host.now();
    const line = this.#line;
    for (let i = this.#first; i < line.length && line[i]!.at <= now; i++) {
      line[i]!.fail?.();
      line[i]!.fail = undefined;
    }
    const next = line.find(({ fail }) => fail !== undefined);
    this.#isArmed = next !== undefined;
    if (next !== undefined) this.#arm(host, next.at - now);
  }
}
