import { LRUCache } from 'lru-cache';
import type { Clock } from '../../common/time.js';
import type { Stamp } from '../../stores/stamp.js';
import type { CacheStore, Entry } from '../../stores/store.interface.js';
import { currentLoad, LoadContext } from './load-context.js';

/** How a load ended: with an entry, with a value that is not storable (neither), or with an error. */
export interface LoadOutcome {
  readonly entry?: Entry;
  readonly error?: unknown;
  readonly failed: boolean;
}

/** Loads of one key that took each other's place: how many began, and which of them was stored. */
interface Succession {
  begun: number;
  stored: number;
}

/** One run of a loader, and those who wait for it. */
export class Load {
  readonly context: LoadContext;
  /** After so many milliseconds it is given up: it may hang. */
  timeout = Infinity;
  /** From then on nobody waits for it who did not already. Milliseconds since the epoch. */
  joinableUntil = Infinity;
  readonly #line: Succession;
  readonly #turn: number;
  #isPast = false;
  #outcome: LoadOutcome | undefined;
  #waiters: ((outcome: LoadOutcome) => void)[] | undefined;

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
  mayStore(): boolean {
    if (this.#isPast || this.#turn < this.#line.stored) return false;
    this.#line.stored = this.#turn;
    return true;
  }

  /** Tells the waiters. Only the first call counts. */
  settle(outcome: LoadOutcome): void {
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
  wait(): Promise<LoadOutcome> {
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

  #isLate({ joinableUntil: lateAt }: Load): boolean {
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
    const load = this.beginReplacement(key, stamp, store, patience);
    if (stamp !== undefined && !this.isFull) this.#loads.set(key, load);
    return load;
  }

  /** A load nobody may join, nor the one whose place it takes: once its value is stored, that one's is not. */
  beginReplacement(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    const before = this.#loads.get(key);
    this.#loads.delete(key);
    return this.#create(key, stamp, store, patience, before);
  }

  /** A load nobody may join. */
  beginUnshared(key: string, stamp: Stamp | undefined, store: CacheStore, patience = Infinity): Load {
    return this.#create(key, stamp, store, patience);
  }

  #create(key: string, stamp: Stamp | undefined, store: CacheStore, patience: number, before?: Load): Load {
    const load = new Load(key, stamp, store, this.#remove, before);
    if (patience === Infinity) return load;
    load.timeout = patience;
    load.joinableUntil = this.clock.now() + patience;
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

/** How long a key whose load proved not storable is loaded without waiting for others. */
const HIT_FOR_MISS_MS = 5_000;
const MAX_HIT_FOR_MISS = 10_000;

/**
 * Hit-for-miss: keys whose last load proved not storable. For a while requests for them do not wait for each other,
 * since none could use the other's answer. A storable answer clears the mark.
 */
export class HitForMiss {
  readonly #until = new LRUCache<string, number>({ max: MAX_HIT_FOR_MISS });

  constructor(private readonly clock: Clock) {}

  has(key: string): boolean {
    const until = this.#until.get(key);
    return until !== undefined && this.clock.now() < until;
  }

  mark(key: string): void {
    this.#until.set(key, this.clock.now() + HIT_FOR_MISS_MS);
  }

  clear(key: string): void {
    this.#until.delete(key);
  }
}
