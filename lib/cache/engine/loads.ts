import type { Clock } from '../../common/time.js';
import type { Stamp } from '../../stores/stamp.js';
import type { CacheStore, Entry } from '../../stores/store.interface.js';
import { currentLoad, isOffline, LoadContext } from './load-context.js';

/** How a load ended: with an entry, with a value that is not storable (neither), or with an error. */
export interface Outcome {
  readonly entry?: Entry;
  readonly error?: unknown;
  readonly failed: boolean;
}

/** Loads of one key that took each other's place: how many began, and which of them was stored. */
interface Line {
  begun: number;
  stored: number;
}

/** One run of a loader, and those who wait for it. */
export class Load {
  readonly context: LoadContext;
  /** After so many milliseconds it is given up: it may hang. */
  patience = Infinity;
  /** From then on nobody waits for it who did not already. Milliseconds since the epoch. */
  lateAt = Infinity;
  readonly #line: Line;
  readonly #turn: number;
  #isPast = false;
  #outcome: Outcome | undefined;
  #waiters: ((outcome: Outcome) => void)[] | undefined;

  constructor(
    readonly key: string,
    /** Read before the loader runs; `undefined` when the store did not answer: then nothing is stored. */
    readonly stamp: Stamp | undefined,
    store: CacheStore,
    private readonly onSettled: (load: Load) => void,
    /** Whose place it takes. */
    before?: Load,
  ) {
    this.context = new LoadContext(store);
    this.#line = before === undefined ? { begun: 0, stored: 0 } : before.#line;
    this.#turn = ++this.#line.begun;
    // A bump came between: what it brings is dead on arrival.
    if (before?.stamp !== undefined && stamp?.equals(before.stamp) === false) before.#isPast = true;
  }

  /**
   * Asked right before its value is stored.
   * @returns false when that of a load which began later is stored already, and must not be stored over
   */
  takesStore(): boolean {
    if (this.#isPast || this.#turn < this.#line.stored) return false;
    this.#line.stored = this.#turn;
    return true;
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

  /** Whether it has ended with something that others may take, an error too. */
  get isShareable(): boolean {
    return this.#outcome !== undefined && (this.#outcome.failed || this.#outcome.entry !== undefined);
  }

  /** Resolves when the load has ended; never rejects. */
  wait(): Promise<Outcome> {
    if (this.#outcome !== undefined) return Promise.resolve(this.#outcome);
    return new Promise((resolve) => (this.#waiters ??= []).push(resolve));
  }
}

/** Those who are asking a store for one key, and the load of it that ended before they had their answer. */
export interface Readers {
  count: number;
  ended: Load | undefined;
}

/**
 * The loads in flight, one for each key (single-flight). A load is joined only by those who read the very stamp that
 * it began under: a reader that comes after a bump starts anew. Over the bound, loads run unshared.
 */
export class LoadTable {
  readonly #loads = new Map<string, Load>();
  readonly #readers = new Map<string, Readers>();

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

  /** A load others may join, for so long (in milliseconds), in place of one that was there before. */
  begin(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    const load = this.inPlace(key, stamp, store, patience);
    if (stamp !== undefined && !this.isFull) this.#loads.set(key, load);
    return load;
  }

  /** A load nobody may join, nor the one whose place it takes: once its value is stored, that one's is not. */
  inPlace(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    const before = this.#loads.get(key);
    this.#loads.delete(key);
    return this.#create(key, stamp, store, patience, before);
  }

  /** A load nobody may join. */
  alone(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    return this.#create(key, stamp, store, patience);
  }

  #create(key: string, stamp: Stamp | undefined, store: CacheStore, patience: number, before?: Load): Load {
    const load = new Load(key, stamp, store, this.#remove, before);
    if (patience === Infinity) return load;
    load.patience = patience;
    load.lateAt = this.clock.now() + patience;
    return load;
  }

  /** Notes that a store is being asked for a key. */
  beginRead(key: string): Readers {
    let readers = this.#readers.get(key);
    if (readers === undefined) this.#readers.set(key, (readers = { count: 0, ended: undefined }));
    readers.count++;
    return readers;
  }

  /** @returns the load that ended meanwhile: to who asked before its value was stored, it is as good as one in flight */
  endRead(key: string, readers: Readers): Load | undefined {
    if (--readers.count === 0 && this.#readers.get(key) === readers) this.#readers.delete(key);
    return readers.ended;
  }

  get size(): number {
    return this.#loads.size;
  }

  get isFull(): boolean {
    return this.#loads.size >= this.maxLoads;
  }

  readonly #remove = (load: Load): void => {
    if (this.#loads.get(load.key) === load) this.#loads.delete(load.key);
    const readers = this.#readers.get(load.key);
    if (readers === undefined || !load.isShareable) return;
    readers.ended = load;
    // Who asks from now on finds what it stored.
    this.#readers.delete(load.key);
  };
}

/**
 * While the store is down nothing keeps loads from the database: only so many run at one time, the others wait in line.
 */
export class LoadGate {
  #running = 0;
  readonly #line: (() => void)[] = [];

  constructor(
    private readonly limit: number,
    private readonly clock: Clock,
  ) {}

  /**
   * Enters for a load, where it needs to: one that runs inside another must not wait for it.
   * @returns how to leave, at once or when there is a place; nothing for loads that need none
   */
  enterFor(load: Load): (() => void) | Promise<() => void> | undefined {
    if (load.stamp === undefined || !isOffline(load.stamp) || currentLoad() !== undefined) return undefined;
    return this.enter(load.patience);
  }

  /**
   * @param patience milliseconds after which a load that has not left is given up, and its place to another: it may hang
   * @returns how to leave, at once or when there is a place
   */
  enter(patience: number): (() => void) | Promise<() => void> {
    if (this.#running < this.limit) {
      this.#running++;
      return this.#place(patience);
    }
    return new Promise((resolve) => this.#line.push(() => resolve(this.#place(patience))));
  }

  #place(patience: number): () => void {
    let isTaken = true;
    const leave = (): void => {
      if (!isTaken) return;
      isTaken = false;
      cancel?.();
      this.#next();
    };
    const cancel = patience === Infinity ? undefined : this.clock.after(patience, leave);
    return leave;
  }

  #next(): void {
    const next = this.#line.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}
