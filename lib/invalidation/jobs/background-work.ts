import { within } from '../../common/async.js';
import type { Clock } from '../../common/time.js';

/** Time that a write waits for its invalidations; then they go on in the background. Milliseconds. */
const MAX_WRITE_WAIT = 100;

/** Time that the shutdown waits for running invalidations. Milliseconds. */
const MAX_DRAIN = 5_000;

/** Invalidations that run, which writes wait for only briefly and the shutdown drains. */
export class BackgroundWork {
  readonly #running = new Set<Promise<unknown>>();

  constructor(private readonly clock: Clock) {}

  /** Resolves with the work, or after {@link MAX_WRITE_WAIT}: then the work goes on without the write. */
  atMost(work: Promise<void>, onTimeout: () => void): Promise<void> {
    const waiting = within(this.clock, MAX_WRITE_WAIT, work, onTimeout);
    this.add(work.catch(() => undefined));
    return waiting;
  }

  /** Work that no write waits for. It must not reject. */
  add(work: Promise<unknown>): void {
    const running = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when no work runs any more, or after {@link MAX_DRAIN}. */
  async drain(): Promise<void> {
    if (this.#running.size === 0) return;
    await within(this.clock, MAX_DRAIN, Promise.all(this.#running));
  }
}
