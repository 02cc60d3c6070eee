import type { Clock } from '../../common/time.js';

/** A write waits this long for its invalidations; then they go on in the background. Milliseconds. */
const MAX_WAIT = 100;

/** The shutdown waits this long for them. Milliseconds. */
const MAX_DRAIN = 5_000;

/** Invalidations that writes wait for, but not for ever. */
export class UnderWay {
  readonly #running = new Set<Promise<unknown>>();

  constructor(private readonly clock: Clock) {}

  /** The work goes on; the write no longer waits for it. */
  atMost(work: Promise<void>, onTimeout: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(MAX_WAIT, () => {
        onTimeout();
        resolve();
      });
      this.add(work.then(resolve, reject).finally(cancel));
    });
  }

  /** Work that no write waits for. It must not reject. */
  add(work: Promise<unknown>): void {
    const running = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing goes on any more, or after {@link MAX_DRAIN}. */
  async drain(): Promise<void> {
    if (this.#running.size === 0) return;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.clock.after(MAX_DRAIN, resolve)));
    await Promise.race([Promise.all(this.#running), late]);
    cancel();
  }
}
