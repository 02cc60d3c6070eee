import { currentLoad } from './load-context.js';
import type { Load } from './loads.js';
import { isOffline } from './offline.js';

/**
 * While the store is down nothing keeps loads from the database: only so many run at one time, the others wait in line.
 */
export class LoadGate {
  #running = 0;
  readonly #line: (() => void)[] = [];

  constructor(private readonly limit: number) {}

  /**
   * Enters for a load, where it needs to: one that runs inside another must not wait for it.
   * @returns how to leave, at once or when there is a place; nothing for loads that need none
   */
  enterFor(load: Load): (() => void) | Promise<() => void> | undefined {
    if (load.stamp === undefined || !isOffline(load.stamp) || currentLoad() !== undefined) return undefined;
    return this.enter();
  }

  /** @returns how to leave, at once or when there is a place */
  enter(): (() => void) | Promise<() => void> {
    if (this.#running < this.limit) {
      this.#running++;
      return this.#leave;
    }
    return new Promise((resolve) => this.#line.push(() => resolve(this.#leave)));
  }

  readonly #leave = (): void => {
    const next = this.#line.shift();
    if (next === undefined) this.#running--;
    else next();
  };
}
