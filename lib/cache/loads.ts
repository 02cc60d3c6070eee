import type { Entry } from '../stores/entry.js';
import type { Stamp } from '../stores/stamp.js';
import type { CacheStore } from '../stores/store.interface.js';
import type { Clock } from './clock.js';
import { currentLoad, LoadContext } from './load-context.js';

/** How a load ended: with an entry, with a value that is not storable (neither), or with an error. */
export interface Outcome {
  readonly entry?: Entry;
  readonly error?: unknown;
  readonly failed: boolean;
}

/** One run of a loader, and those who wait for it. */
export class Load {
  readonly context: LoadContext;
  /** After so many milliseconds it is given up: it may hang. */
  patience = Infinity;
  /** From then on nobody waits for it who did not already. Milliseconds since the epoch. */
  lateAt = Infinity;
  /** Set once a value that was asked for later took its place: then its own must not be stored over that one. */
  overtaken = false;
  #outcome: Outcome | undefined;
  #waiters: ((outcome: Outcome) => void)[] | undefined;

  constructor(
    readonly key: string,
    /** Read before the loader runs; `undefined` when the store did not answer: then nothing is stored. */
    readonly stamp: Stamp | undefined,
    store: CacheStore,
    private readonly onSettled: (load: Load) => void,
  ) {
    this.context = new LoadContext(store);
  }

  /** Tells the waiters. Only the first call counts. */
  settle(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.context.close();
    this.onSettled(this);
    for (const waiter of this.#waiters ?? []) waiter(outcome);
    this.#waiters = undefined;
  }

  /** Resolves when the load has ended; never rejects. */
  wait(): Promise<Outcome> {
    if (this.#outcome !== undefined) return Promise.resolve(this.#outcome);
    return new Promise((resolve) => (this.#waiters ??= []).push(resolve));
  }
}

/**
 * The loads in flight, one for each key (single-flight). A load is joined only by those who read the very stamp that
 * it began under: a reader that comes after a bump starts anew. Over the bound, loads run unshared.
 */
export class LoadTable {
  readonly #loads = new Map<string, Load>();

  constructor(
    private readonly maxLoads: number,
    private readonly clock: Clock,
  ) {}

  /** The load in flight that began under a stamp, and is not late. */
  find(key: string, stamp: Stamp): Load | undefined {
    const load = this.#loads.get(key);
    return load?.stamp?.equals(stamp) === true && !this.#isLate(load) ? load : undefined;
  }

  #isLate({ lateAt }: Load): boolean {
    return lateAt !== Infinity && this.clock.now() >= lateAt;
  }

  /** The same, unless it waits for the caller itself: a cached method that comes back to itself would wait for ever. */
  joinable(key: string, stamp: Stamp): Load | undefined {
    return this.waitsForCaller(key) ? undefined : this.find(key, stamp);
  }

  /** Whether the load of a key can end only after the one that the caller runs in. */
  waitsForCaller(key: string): boolean {
    const outer = currentLoad();
    return outer !== undefined && this.#loads.get(key)?.context.dependsOn(outer) === true;
  }

  /**
   * A load others may join, for so long (in milliseconds). One that was there before is overtaken; but one that is late leaves its
   * place, and what it may still bring is as good.
   */
  begin(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    const before = this.#loads.get(key);
    if (before === undefined || !this.#isLate(before)) this.overtake(key);
    else this.#loads.delete(key);
    const load = this.alone(key, stamp, store, patience);
    if (stamp !== undefined && !this.isFull) this.#loads.set(key, load);
    return load;
  }

  /** Nobody joins the load of a key any more, and its value is not stored: a later one is on its way. */
  overtake(key: string): void {
    const load = this.#loads.get(key);
    if (load === undefined) return;
    load.overtaken = true;
    this.#loads.delete(key);
  }

  /** A load nobody may join. */
  alone(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    const load = new Load(key, stamp, store, this.#remove);
    if (patience === Infinity) return load;
    load.patience = patience;
    load.lateAt = this.clock.now() + patience;
    return load;
  }

  get size(): number {
    return this.#loads.size;
  }

  get isFull(): boolean {
    return this.#loads.size >= this.maxLoads;
  }

  readonly #remove = (load: Load): void => {
    if (this.#loads.get(load.key) === load) this.#loads.delete(load.key);
  };
}
