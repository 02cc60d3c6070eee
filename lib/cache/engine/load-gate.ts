import type { Clock } from '../../common/time.js';
import { currentLoad } from './load-context.js';
import type { Load } from './loads.js';
import { isOffline } from './offline.js';

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
    if (load.stamp === undefined || !isOffline(load.stamp) || currentLoad() !== undefined) return undefined;
    return this.enter(load.patience);
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
