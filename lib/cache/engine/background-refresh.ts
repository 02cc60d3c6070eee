import type { OnceLog } from '../../observability/once-log.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Call } from './call.js';
import type { Clock } from '../../common/time.js';
import { tryTurn, type FleetTurn } from './fleet-lock.js';
import { isOffline, runOutsideLoads } from './load-context.js';
import { within } from './call-wrappers.js';
import type { Load, LoadTable } from './loads.js';
import type { RefreshPauses } from './refresh-pauses.js';
import type { StoreReader } from './store-reader.js';

/** The shutdown waits for refreshes for at most this long. Milliseconds. */
const MAX_DRAIN_MS = 5_000;

/** The part of the engine that refreshes use. */
export interface RefreshingEngine {
  readonly clock: Clock;
  readonly log: OnceLog;
  readonly loads: LoadTable;
  readonly pauses: RefreshPauses;
  readonly reader: StoreReader;
  /** Runs the loader and stores what it returns. */
  run(call: Call, load: Load, stale: Entry | undefined): Promise<unknown>;
}

/** Loads anew behind the back of readers that were served a value; one refresh of a key at a time. */
export class BackgroundRefresh {
  readonly #running = new Map<string, Promise<void>>();

  constructor(private readonly engine: RefreshingEngine) {}

  /** @param entry what its readers were served, and are until a refresh brings another */
  start(call: Call, entry: Entry): void {
    const { clock, log, pauses } = this.engine;
    if (this.#running.has(call.key) || pauses.covers(call, entry)) return;
    const { name, policy, topic } = call.target;
    const own = call.again();
    const refresh = runOutsideLoads(() => this.#refresh(own)).catch((error: unknown) => {
      log.error(`refresh ${topic}`, `A background refresh of ${name} failed`, error);
      return true;
    });
    // One that takes longer is given up, so that another may be started: it may hang.
    const over = within(clock, refresh, policy.hardTimeout).then((hasLoaded) => {
      this.#running.delete(call.key);
      if (own.entry !== undefined) pauses.end(call.key);
      else if (hasLoaded !== false) pauses.begin(call, entry);
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

  /** @returns whether the loader ran: if not, somebody else's does, or the store is not there */
  async #refresh(call: Call): Promise<boolean> {
    const { loads } = this.engine;
    const stamp = await this.engine.reader.stamp(call);
    if (stamp === undefined || isOffline(stamp) || loads.isFull || loads.find(call.key, stamp) !== undefined)
      return false;
    const { policy, store } = call.target;
    const load = loads.begin(call.key, stamp, store, policy.hardTimeout);
    // In the whole fleet, where the lock is distributed: whoever does not get the lease leaves it to its holder.
    const turn: FleetTurn | 'taken' =
      policy.lock === 'distributed' ? await tryTurn(this.engine.clock, call) : {};
    const { entry, lease } = turn === 'taken' ? {} : turn;
    if (turn === 'taken' || entry !== undefined) {
      load.settle({ failed: false, entry });
      return false;
    }
    await this.engine.run(call, load, undefined).finally(() => lease?.release());
    return true;
  }
}
