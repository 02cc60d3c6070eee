import type { Call } from './call.js';
import type { CacheEngine } from './engine.js';
import { tryTurn } from './fleet-lock.js';
import { isOffline } from './offline.js';
import { runOutsideLoads } from './load-context.js';
import { within } from './load-timeouts.js';

/** The shutdown waits for refreshes for at most this long. Milliseconds. */
const MAX_DRAIN_MS = 5_000;

/** Loads anew behind the back of readers that were served a value; one refresh of a key at a time. */
export class BackgroundRefresh {
  readonly #running = new Map<string, Promise<void>>();

  constructor(private readonly engine: CacheEngine) {}

  start(call: Call): void {
    if (this.#running.has(call.key)) return;
    const { name, policy, topic } = call.target;
    const refresh = runOutsideLoads(() => this.#refresh(call.again())).catch((error: unknown) => {
      this.engine.log.error(`refresh ${topic}`, `A background refresh of ${name} failed`, error);
    });
    // One that takes longer is given up, so that another may be started: it may hang.
    const over = within(this.engine.clock, refresh, policy.hardTimeout).then(() => {
      this.#running.delete(call.key);
    });
    this.#running.set(call.key, over);
  }

  /** Resolves when no refresh is under way, or after {@link MAX_DRAIN_MS}. */
  async drain(): Promise<void> {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.engine.clock.after(MAX_DRAIN_MS, resolve)));
    await Promise.race([Promise.allSettled(this.#running.values()), late]);
    cancel();
  }

  async #refresh(call: Call): Promise<void> {
    const { loads } = this.engine;
    const stamp = await this.engine.reader.stamp(call);
    if (stamp === undefined || isOffline(stamp) || loads.isFull || loads.find(call.key, stamp) !== undefined)
      return;
    const { policy, store } = call.target;
    const load = loads.begin(call.key, stamp, store, policy.hardTimeout);
    // In the whole fleet, where the lock is distributed: whoever does not get the lease leaves it to its holder.
    const turn = policy.lock === 'distributed' ? await tryTurn(this.engine, call) : {};
    if (turn === 'taken') return load.settle({ failed: false });
    const { entry, lease } = turn;
    if (entry !== undefined) return load.settle({ failed: false, entry });
    await this.engine.run(call, load, undefined).finally(() => lease?.release());
  }
}
