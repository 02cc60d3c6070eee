import type { Clock } from '../../common/time.js';
import { Stamp } from '../../stores/stamp.js';
import { currentLoad } from './load-context.js';
import type { Load } from './loads.js';

const EPOCH = 'offline';

/**
 * Stamps for the time in which a store does not answer. They know of this process's bumps alone, and by no more than
 * their number: enough for loads to be shared (a waiter takes no result from before a bump), and never stored.
 */
export class LocalStamps {
  #stamp = new Stamp(EPOCH, [EPOCH], [{ hard: 0, soft: 0 }]);
  #bumps = 0;

  current(): Stamp {
    return this.#stamp;
  }

  /** Called for every bump, before it is sent. */
  countBump(): void {
    const value = ++this.#bumps;
    this.#stamp = new Stamp(EPOCH, [EPOCH], [{ hard: value, soft: value }]);
  }

  isCurrent(stamp: Stamp): boolean {
    return stamp.equals(this.#stamp);
  }
}

export function isLocalStamp(stamp: Stamp): boolean {
  return stamp.epoch === EPOCH;
}

/**
 * While the store is down nothing keeps loads from the database: only so many run at one time, the others wait in line.
 */
export class LoadGate {
  #running = 0;
  readonly #line: (() => void)[] = [];

  constructor(
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /**
   * Enters for a load, where it needs to: one that runs inside another must not wait for it.
   * @returns how to leave, at once or when there is a place; nothing for loads that need none
   */
  enterFor(load: Load): (() => void) | Promise<() => void> | undefined {
    if (load.stamp === undefined || !isLocalStamp(load.stamp) || currentLoad() !== undefined)
      return undefined;
    return this.enter(load.timeout);
  }

  /**
   * @param patience milliseconds after which a load that has not left is given up, and its place to another: it may hang
   * @returns how to leave, at once or when there is a place
   */
  enter(patience: number): (() => void) | Promise<() => void> {
    if (this.#running < this.limit) {
      this.#running++;
      return this.#place(patience);
    }
    return new Promise((resolve) => this.#line.push(() => resolve(this.#place(patience))));
  }

  #place(patience: number): () => void {
    let isTaken = true;
    const leave = (): void => {
      if (!isTaken) return;
      isTaken = false;
      cancel?.();
      this.#next();
    };
    const cancel = patience === Infinity ? undefined : this.clock.after(patience, leave);
    return leave;
  }

  #next(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
