import { Stamp } from '../../stores/stamp.js';

const EPOCH = 'offline';

/**
 * Stamps for the time in which a store does not answer. They know of this process's bumps alone, and by no more than
 * their number: enough for loads to be shared (a waiter takes no result from before a bump), and never stored.
 */
export class OfflineStamps {
  #stamp = new Stamp(EPOCH, [EPOCH], [{ hard: 0, soft: 0 }]);
  #bumps = 0;

  current(): Stamp {
    return this.#stamp;
  }

  /** Called for every bump, before it is sent. */
  bumped(): void {
    const value = ++this.#bumps;
    this.#stamp = new Stamp(EPOCH, [EPOCH], [{ hard: value, soft: value }]);
  }

  isCurrent(stamp: Stamp): boolean {
    return stamp.equals(this.#stamp);
  }
}

export function isOffline(stamp: Stamp): boolean {
  return stamp.epoch === EPOCH;
}
