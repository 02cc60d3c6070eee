import { tracingChannel } from 'node:diagnostics_channel';
import type { Clock } from '../common/time.js';
import { CACHE_CHANNELS } from './events.js';
import type { MethodCounters } from './metrics.js';
import { activeTracer, type TracedLoad } from './tracing.js';

/**
 * One load, in all events of the tracing channel `load`: the same object from `start` to `asyncEnd`.
 *
 * @publicApi
 */
export interface LoadEvent {
  /** Of the application. */
  readonly namespace: string;
  /** As in `cache.status()`; `CacheService` for what is cached by hand. */
  readonly method: string;
  /** The error that it threw; from the event `error` on, which also reports handlers that answer with a status of 500 or above. */
  error?: unknown;
  /** Its duration, from `asyncEnd` on. */
  seconds?: number | undefined;
}

const channels = tracingChannel<unknown, LoadEvent>(CACHE_CHANNELS.load);

/** Counts one run of a loader, and traces it where the channel has subscribers. */
export class LoadWatch {
  readonly #began: number;
  readonly #event: LoadEvent | undefined;
  readonly #traced: TracedLoad | undefined;

  constructor(
    private readonly counters: MethodCounters,
    private readonly clock: Pick<Clock, 'now'>,
    isResponse = false,
  ) {
    counters.loads++;
    this.#began = clock.now();
    const { namespace, name } = counters;
    this.#event = channels.hasSubscribers ? { namespace, method: name } : undefined;
    this.#traced = activeTracer()?.load({ namespace, method: name, isResponse });
  }

  /** Starts the load, in the context that subscribers bound to its start. */
  begin<T>(run: () => T): T {
    return this.#traced === undefined ? this.#begin(run) : this.#traced.run(() => this.#begin(run));
  }

  #begin<T>(run: () => T): T {
    const event = this.#event;
    if (event === undefined) return run();
    return channels.start.runStores(event, () => {
      try {
        return run();
      } finally {
        channels.end.publish(event);
      }
    });
  }

  succeeded(): void {
    const seconds = this.#ended();
    this.#traced?.ended(seconds);
  }

  failed(error: unknown): void {
    this.counters.loadErrors++;
    if (this.#event !== undefined) {
      this.#event.error = error;
      channels.error.publish(this.#event);
    }
    const seconds = this.#ended();
    this.#traced?.failed(error, seconds);
  }

  /** @returns the duration in seconds */
  #ended(): number {
    // The clock may have been set back.
    const took = Math.max(0, this.clock.now() - this.#began);
    this.counters.loadTime += took;
    this.counters.loadTimes.observe(took / 1000);
    if (this.#event !== undefined) {
      this.#event.seconds = took / 1000;
      channels.asyncStart.publish(this.#event);
      channels.asyncEnd.publish(this.#event);
    }
    return took / 1000;
  }
}

/** Runs a loader that returns a promise under a {@link LoadWatch}. */
export async function watchLoad<T>(
  counters: MethodCounters,
  clock: Pick<Clock, 'now'>,
  run: () => Promise<T>,
): Promise<T> {
  const watch = new LoadWatch(counters, clock);
  try {
    const value = await watch.begin(run);
    watch.succeeded();
    return value;
  } catch (error) {
    watch.failed(error);
    throw error;
  }
}
