import { type Generation, Stamp, uniteStamps } from '../../stores/stamp.js';
import type { CacheStore } from '../../stores/store.interface.js';
import {
  type AnyStorage,
  isFollowed,
  isOfObserver,
  listenToStorages,
  packageOf,
  privateStorage,
  storesHere,
} from './async-storages.js';
import { type LoadInput, membersRead, StoreInput } from './load-input.js';

/** Reasons that are kept for the log: one input suffices to refuse storing. */
const MAX_INPUTS = 16;
const NO_INPUTS: readonly LoadInput[] = [];

/** An entry with more tags would cost more to check than to load. */
export const MAX_TAGS = 2_000;

/** Names the tags of the tables that a load reads. */
export interface TableTags {
  readonly anyTableTag: string;
  tableTag(name: string): string;
}

/** A request in whose handler loads of values run, and may read it. */
export interface RequestScope {
  /** A load begins to read. @returns a function that is called when it ends */
  begin(): () => void;
}

/**
 * Collects during a load what decides whether and for how long its value is stored: tags, stamps and lifetimes of the cached calls
 * made inside it, and reasons not to store it.
 */
export class LoadContext {
  /** Earliest expiry of the inner values, in milliseconds since the epoch. */
  freshUntil = Infinity;
  /** Keys that `cache.get()` looked up without finding an entry. */
  readonly missed = new Set<string>();
  /** True if the next load would be refused too, because the reason is in the code. */
  lasting = false;
  /** True if the key contains what the load reads of ambient contexts. */
  trustsContexts = false;
  /** The greatest key whose lease this load or one around it holds (`lock: 'distributed'`). */
  heldLease: string | undefined;
  /** Decides about inputs. Without it an input keeps the value from being stored, since the key does not contain it. */
  inputSink: ((input: LoadInput) => void) | undefined;
  /** True for a load that only finds out what is true now: cached calls in it bypass the cache, and nothing is stored. */
  isVerification = false;
  /** True if a verification may read from replicas: otherwise it reads from the primary. */
  readsReplica = false;
  /** The tables that statements in it read. */
  readonly tables = new Set<string>();
  /** True if a statement in it wrote to a database: repeating the load would repeat the write. */
  hasWritten = false;
  /** Set if the value depends on the tables that the load reads. */
  tableTags: TableTags | undefined;
  /** True if a query was seen to read a table, or the cached value of another load is part of this one. */
  hasSources = false;
  /** The request in whose handler the load runs. */
  scope: RequestScope | undefined;
  #leaveScope: (() => void) | undefined;
  #refusal: string | undefined;
  #refusalKind = 'load';
  #inputs: Map<string, LoadInput> | undefined;
  #inherited: Map<string, Generation> | undefined;
  #learned: Set<string> | undefined;
  /** The generations of the learned tags, once they are known not to have been bumped since the load began. */
  learnedStamp: Stamp | undefined;
  #epoch: string | undefined;
  /** Stores of ambient contexts that were entered before the load began. */
  #stores: ReadonlyMap<AnyStorage, unknown> | undefined;
  #isOpen = true;
  #isEntered = false;
  readonly #awaited = new Set<LoadContext>();

  constructor(readonly store: CacheStore) {}

  /** False once the load has ended: timers and sockets it opened go on in its async context, but belong to no load. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#isEntered && this.isVerification) openVerifications--;
    if (this.#isEntered) leave();
    this.#leaveScope?.();
  }

  /** Counts this load as open, so that {@link currentLoad} looks for it. */
  enter(): void {
    if (this.#isEntered || !this.#isOpen) return;
    this.#isEntered = true;
    if (!this.trustsContexts) this.#stores = storesHere();
    if (this.inputSink === undefined) this.#enterScope();
    openLoads++;
    if (this.isVerification) openVerifications++;
  }

  /** The load of a response watches its request itself. */
  #enterScope(): void {
    isFollowing = true;
    this.scope = currentLoad()?.scope ?? surroundingsHere()?.scope;
    this.#leaveScope = this.scope?.begin();
  }

  /** Runs `work`, during which this load waits for another one. */
  async awaiting<T>(other: LoadContext, work: () => Promise<T>): Promise<T> {
    this.#awaited.add(other);
    try {
      return await work();
    } finally {
      this.#awaited.delete(other);
    }
  }

  /** True if this load waits for another one, directly or not: if that waited for this one, neither would end. */
  dependsOn(other: LoadContext, seen = new Set<LoadContext>()): boolean {
    if (this === other) return true;
    if (seen.has(this)) return false;
    seen.add(this);
    for (const awaited of this.#awaited) if (awaited.dependsOn(other, seen)) return true;
    return false;
  }

  /** Notes that this load holds the lease of a key, which loads inside it must not wait against (see `fleet-lock.ts`). */
  holdLease(key: string): void {
    if (this.heldLease === undefined || key > this.heldLease) this.heldLease = key;
  }

  /** Limits the lifetime of the value. */
  limit(freshUntil: number): void {
    this.freshUntil = Math.min(this.freshUntil, freshUntil);
  }

  /** Why the value must not be stored; `undefined` if it may be. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** The word under which the refusal is counted. */
  get refusalKind(): string {
    return this.#refusalKind;
  }

  /** Forbids storing the value. The first reason is kept. */
  refuse(reason: string, lasting = false, kind = 'load'): void {
    if (this.#refusal === undefined) this.#refusalKind = kind;
    this.#refusal ??= reason;
    this.lasting ||= lasting;
  }

  /** Notes an input that the load read. */
  readInput(input: LoadInput): void {
    if (!this.#isOpen) return;
    if (this.inputSink !== undefined) return this.inputSink(input);
    this.#inputs ??= new Map();
    if (this.#inputs.size < MAX_INPUTS) this.#inputs.set(input.name, input);
  }

  /** Notes that a store of an ambient context was read. @returns what its reader gets */
  readStore(storage: AnyStorage, store: unknown): unknown {
    if (!this.#isOpen || this.trustsContexts || isOfObserver(storage)) return store;
    const before = this.#stores?.get(storage);
    // Entered within the load: what it was made of was read there.
    if (isFollowed(storage) && store !== before) return store;
    if (packageOf(storage) === 'nestjs-cls' && typeof store === 'object' && store !== null)
      return membersRead(store, () => this.readInput(new StoreInput(storage, store)));
    this.readInput(new StoreInput(storage, store));
    return store;
  }

  /** Inputs that the key does not hold: with one of them the value is that of one caller. */
  get inputs(): readonly LoadInput[] {
    return this.#inputs === undefined ? NO_INPUTS : [...this.#inputs.values()];
  }

  /** Takes over what an inner load read: the outer value was made from it too. */
  inheritInputs(inner: LoadContext): void {
    for (const input of inner.inputs) {
      if (input instanceof StoreInput) this.readStore(input.storage, input.store);
      else this.readInput(input);
    }
  }

  /**
   * Adds the stamp and lifetime of an inner cached call. If two inner calls saw different generations of one tag, a bump came
   * between them: the outer value is made from data before and after it, and is not stored.
   */
  inherit(store: CacheStore, stamp: Stamp, freshUntil: number): void {
    if (store !== this.store)
      return this.refuse('it was made from a value that is cached in another store', true);
    this.hasSources = true;
    this.limit(freshUntil);
    if ((this.#inherited?.size ?? 0) > MAX_TAGS) return;
    this.#inherited ??= new Map();
    for (let i = 0; i < stamp.tags.length; i++) {
      const tag = stamp.tags[i]!;
      const seen = this.#inherited.get(tag);
      if (seen === undefined) this.#inherited.set(tag, stamp.generations[i]!);
      else if (!sameGeneration(seen, stamp.generations[i]!))
        return this.refuse('data it was made from changed during the load');
    }
    if (this.#inherited.size > MAX_TAGS) {
      this.refuse(`it was made from cached values with more than ${MAX_TAGS} tags`, true);
    }
    this.#epoch ??= stamp.epoch;
    if (this.#epoch !== stamp.epoch) this.refuse('the store lost its data during the load');
  }

  /** Adds a tag that the value depends on, which was not known before the load. */
  learn(tag: string): void {
    if (!this.#isOpen) return;
    const learned = (this.#learned ??= new Set());
    learned.add(tag);
    if (learned.size > MAX_TAGS) this.refuse(`it learned more than ${MAX_TAGS} tags`, true, 'tags');
  }

  /** Adds the tags of tables that a query reads. */
  readTables(tags: readonly string[]): void {
    if (tags.length === 0) return;
    this.hasSources = true;
    for (const tag of tags) this.learn(tag);
  }

  /** The tags that were learned; `undefined` if there are none. */
  get learned(): ReadonlySet<string> | undefined {
    return this.#learned;
  }

  /** Adds everything another context collected: a batch runs one loader for several loads. */
  absorb(other: LoadContext): void {
    for (const table of other.tables) this.tables.add(table);
    this.hasWritten ||= other.hasWritten;
    if (other.#refusal !== undefined) this.refuse(other.#refusal, other.lasting, other.#refusalKind);
    this.inheritInputs(other);
    this.limit(other.freshUntil);
    for (const tag of other.#learned ?? []) this.learn(tag);
    this.hasSources ||= other.hasSources;
    if (other.#inherited === undefined) return;
    this.inherit(
      other.store,
      new Stamp(other.#epoch!, [...other.#inherited.keys()], [...other.#inherited.values()]),
      other.freshUntil,
    );
  }

  /**
   * Joins the load's own stamp, read before the loader ran, with those of the learned tags and of the inner calls.
   * @returns `undefined` if they contradict each other: a bump came between, and the value must not be stored
   */
  complete(own: Stamp): Stamp | undefined {
    const learned = this.#learned === undefined ? own : this.learnedStamp;
    if (learned === undefined) return undefined;
    if (this.#inherited === undefined && learned === own) return own;
    if (this.#inherited !== undefined && this.#epoch !== own.epoch) return undefined;
    const inherited = new Stamp(
      own.epoch,
      [...(this.#inherited?.keys() ?? [])],
      [...(this.#inherited?.values() ?? [])],
    );
    return uniteStamps([own, learned, inherited]);
  }
}

function sameGeneration(a: Generation, b: Generation): boolean {
  return a.hard === b.hard && a.soft === b.soft;
}

/**
 * Everything that a framework does for one request: it sends what a load returned, reads its streams, or has a filter answer in place of
 * the load. That code runs around the load, but what it reads decides the answer too.
 */
class Surroundings {
  /** The load that makes the answer. */
  load: LoadContext | undefined;
  /** The request, for values that are loaded in its handler or around it. */
  scope: RequestScope | undefined;

  /** @param outer the load that sent this request to its own process */
  constructor(private readonly outer: LoadContext | undefined) {}

  get current(): LoadContext | undefined {
    return this.load?.isOpen === true ? this.load : this.outer;
  }
}

const storage = privateStorage<LoadContext | Surroundings>();

let isFollowing = false;

/** True once values are loaded by this process: only then their loads need to find the request in whose handler they run. */
export function followsRequests(): boolean {
  return isFollowing;
}

/** Runs the pipeline of a request: its guards, its load, and what sends the answer. */
export function runAroundLoad<T>(pipeline: () => T): T {
  openLoads++;
  let result: T;
  try {
    result = storage.run(new Surroundings(currentLoad()), pipeline);
  } catch (error) {
    leave();
    throw error;
  }
  if (result instanceof Promise) result.then(leave, leave);
  else leave();
  return result;
}

/** Tells the code around a load that makes the answer to a request that it belongs to it. */
export function joinSurroundings(load: LoadContext): void {
  surroundingsOrEntered().load = load;
}

/** Tells loads of values inside the handler of a request, and around it, which request that is. */
export function scopeSurroundings(scope: RequestScope): void {
  surroundingsOrEntered().scope = scope;
}

function surroundingsHere(): Surroundings | undefined {
  const here = storage.getStore();
  return here instanceof Surroundings ? here : undefined;
}

/** Where the pipeline was not run by {@link runAroundLoad}: entered as far as the asynchronous context of the caller reaches. */
function surroundingsOrEntered(): Surroundings {
  const here = surroundingsHere();
  if (here !== undefined) return here;
  const entered = new Surroundings(currentLoad());
  storage.enterWith(entered);
  return entered;
}

/** Has loads told of the ambient contexts that they read. To be called once there may be loads. */
export function watchContexts(): void {
  listenToStorages(readInLoad);
}

const readInLoad = (read: AnyStorage, store: unknown): unknown =>
  currentLoad()?.readStore(read, store) ?? store;

/** The storage is switched off after this time without loads. Milliseconds. */
const IDLE_MS = 100;

let openLoads = 0;
let openVerifications = 0;
let idling: NodeJS.Timeout | undefined;

/**
 * Switches the storage off while no load is open; the next load switches it on again. Up to Node 22 a storage in use makes every
 * promise of the process slower (several microseconds a request). Can go when Node 22 is dropped.
 */
function leave(): void {
  openLoads--;
  if (openLoads > 0 || idling !== undefined) return;
  idling = setTimeout(() => {
    idling = undefined;
    if (openLoads === 0) storage.disable();
  }, IDLE_MS);
  idling.unref();
}

/** The innermost load that the caller runs in; `undefined` outside of loads, and after the load has ended. */
export function currentLoad(): LoadContext | undefined {
  if (openLoads === 0) return undefined;
  const here = storage.getStore();
  const context = here instanceof Surroundings ? here.current : here;
  return context?.isOpen === true ? context : undefined;
}

/** True inside a load that verifies a cached value. */
export function isVerifying(): boolean {
  return openVerifications > 0 && currentLoad()?.isVerification === true;
}

/** Runs `body` inside a load: cached calls in it report to `context`. */
export function runInLoad<T>(context: LoadContext, body: () => T): T {
  context.enter();
  return storage.run(context, body);
}

/** Runs `body` outside of any load, e.g. a background refresh that a read inside a load starts. */
export function runOutsideLoads<T>(body: () => T): T {
  return storage.exit(body);
}
