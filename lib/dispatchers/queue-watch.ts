import { within } from '../common/async.js';
import { systemClock } from '../common/time.js';
import type { QueueState } from '../observability/metrics.js';

/** Between the start and the first measurement, and between two of them. Milliseconds. */
const FIRST_MS = 1_000;
const INTERVAL_MS = 10_000;

/** A queue that has not answered by then is not known. Milliseconds. */
const TIMEOUT_MS = 5_000;

/** A job that waits longer shows that nothing takes jobs from the queue, where that cannot be asked. Milliseconds. */
const NO_CONSUMER_MS = 30_000;

/** A measured queue. */
export interface QueueMeasurement {
  readonly depth: number;
  readonly dead: number;
  /** Milliseconds since the epoch at which the oldest job came; `undefined` without one. */
  readonly oldestAt: number | undefined;
  readonly hasConsumer?: boolean | undefined;
}

/** Measures a queue from time to time, so that `cache.health()` knows about it without asking. */
export class QueueWatch {
  #last: QueueMeasurement | undefined;
  #cancel: (() => void) | undefined;

  /** @param measure asks the queue; `undefined` if it cannot be asked now: then the last measurement stays */
  constructor(private readonly measure: () => Promise<QueueMeasurement | undefined>) {}

  start(): void {
    this.#measureIn(FIRST_MS);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** The last known state; `undefined` if the queue did not answer. */
  get queue(): QueueState | undefined {
    if (this.#last === undefined) return undefined;
    const { depth, dead, oldestAt, hasConsumer } = this.#last;
    const age = oldestAt === undefined ? 0 : Math.max(0, Date.now() - oldestAt);
    const isTaken = oldestAt === undefined ? undefined : age < NO_CONSUMER_MS;
    return { depth, dead, oldestSeconds: age / 1_000, hasConsumer: hasConsumer ?? isTaken };
  }

  #measureIn(ms: number): void {
    this.#cancel = systemClock.after(ms, () => void this.#measureNow());
  }

  async #measureNow(): Promise<void> {
    try {
      this.#last = (await within(systemClock, TIMEOUT_MS, this.measure(), timedOut)) ?? this.#last;
    } catch {
      this.#last = undefined;
    }
    if (this.#cancel !== undefined) this.#measureIn(INTERVAL_MS);
  }
}

function timedOut(): never {
  throw new Error('The queue did not answer.');
}
