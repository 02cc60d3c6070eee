import type { Clock } from '../../common/time.js';
import { Stamp } from '../../stores/stamp.js';
import { currentLoad } from './load-context.js';
import type { Load } from './loads.js';

const EPOCH = 'offline';

/**
 * Stamps to load under while a store does not answer. They count the bumps of this process only: enough to share loads (a
 * waiter takes no result from before a bump), but an entry under such a stamp is never stored.
 */
export class LocalStamps {
  #stamp = new Stamp(EPOCH, [EPOCH], [{ hard: 0, soft: 0 }]);
  #bumps = 0;

  current(): Stamp {
    return this.#stamp;
  }

  /** Called for every bump, before it is sent to the stores. */
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

/** Limits the loads that run at one time while a store is down, since every call then loads from the database. */
export class LoadGate {
  #running = 0;
  readonly #queue: (() => void)[] = [];

  constructor(
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /**
   * Waits for a place if the load needs one. A load inside another one needs none: it must not wait for the place of the outer.
   * @returns how to leave; `undefined` for a load that needs no place
   */
  enterFor(load: Load): (() => void) | Promise<() => void> | undefined {
    if (load.stamp === undefined || !isLocalStamp(load.stamp) || currentLoad() !== undefined)
      return undefined;
    return this.enter(load.timeout);
  }

  /**
   * @param timeout milliseconds after which the place is given to the next load, since this one may hang
   * @returns how to leave; at once if a place is free
   */
  enter(timeout: number): (() => void) | Promise<() => void> {
    if (this.#running < this.limit) {
      this.#running++;
      return this.#place(timeout);
    }
    return new Promise((resolve) => this.#queue.push(() => resolve(this.#place(timeout))));
  }

  #place(timeout: number): () => void {
    let isTaken = true;
    const leave = (): void => {
      if (!isTaken) return;
      isTaken = false;
      cancel?.();
      this.#next();
    };
    const cancel = timeout === Infinity ? undefined : this.clock.after(timeout, leave);
    return leave;
  }

  #next(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
