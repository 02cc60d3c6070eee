import { AsyncLocalStorage } from 'node:async_hooks';
import { CacheUsageError } from '../../common/errors.js';
import { type Generation, Stamp } from '../../stores/stamp.js';
import type { CacheStore } from '../../stores/store.interface.js';

/** An entry with more tags than this costs more to check than to load. */
export const MAX_TAGS = 2_000;

/** The error of a call that names too many: with fewer than it names, an invalidation would not reach its entry. */
export function tooManyTags(count: number): CacheUsageError {
  return new CacheUsageError(
    'CACHE_TAG_COUNT',
    `it has ${count} tags, and an entry carries at most ${MAX_TAGS}. Name what it is a part of, as in tags: ['orders'], in place of ` +
      `each thing in it, and drop that.`,
  );
}

/**
 * What happens inside one load and must be known when its value is stored: the tags, stamps and lifetimes of the
 * cached calls it made, and reasons why it must not be stored at all.
 */
export class LoadContext {
  /** The earliest end of the inner values' lifetimes, in milliseconds since the epoch. */
  freshUntil = Infinity;
  /** Keys that were looked up by hand, and not found. */
  readonly missed = new Set<string>();
  /** True when the reason to refuse lies in the code, not in the moment: the next load would be refused too. */
  lasting = false;
  #refusal: string | undefined;
  #inherited: Map<string, Generation> | undefined;
  #epoch: string | undefined;
  #isOpen = true;
  #isEntered = false;
  readonly #awaited = new Set<LoadContext>();

  constructor(readonly store: CacheStore) {}

  /** False once the load has ended: what goes on behind it (timers, sockets it opened) is no part of it. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#isEntered) leave();
  }

  /** Notes that something runs in this load. */
  enter(): void {
    if (this.#isEntered || !this.#isOpen) return;
    this.#isEntered = true;
    openLoads++;
  }

  /** Notes that this load waits for another one until `work` is done. */
  async awaiting<T>(other: LoadContext, work: () => Promise<T>): Promise<T> {
    this.#awaited.add(other);
    try {
      return await work();
    } finally {
      this.#awaited.delete(other);
    }
  }

  /** Whether this load can end only after another one: then that one must not wait for it. */
  dependsOn(other: LoadContext, seen = new Set<LoadContext>()): boolean {
    if (this === other) return true;
    if (seen.has(this)) return false;
    seen.add(this);
    for (const awaited of this.#awaited) if (awaited.dependsOn(other, seen)) return true;
    return false;
  }

  /** The value is good until then at most. */
  limit(freshUntil: number): void {
    this.freshUntil = Math.min(this.freshUntil, freshUntil);
  }

  /** Why the value must not be stored; `undefined` if it may. */
  get refusal(): string | undefined {
    return this.#refusal;
  }

  /** Forbids storing the value of this load. The first reason is kept. */
  refuse(reason: string, lasting = false): void {
    this.#refusal ??= reason;
    this.lasting ||= lasting;
  }

  /**
   * Takes over the stamp and lifetime of an inner cached call. Two inner calls that saw different generations of one
   * tag had a bump between them: the outer value is made from before and after it, and is not stored.
   */
  inherit(store: CacheStore, stamp: Stamp, freshUntil: number): void {
    if (store !== this.store)
      return this.refuse('it was made from a value that is cached in another store', true);
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
    if (this.#epoch !== stamp.epoch) this.refuse('the store changed its history during the load');
  }

  /** Takes over all that another context learned: for loads that one loader served together. */
  absorb(other: LoadContext): void {
    if (other.#refusal !== undefined) this.refuse(other.#refusal, other.lasting);
    this.limit(other.freshUntil);
    if (other.#inherited === undefined) return;
    this.inherit(
      other.store,
      new Stamp(other.#epoch!, [...other.#inherited.keys()], [...other.#inherited.values()]),
      other.freshUntil,
    );
  }

  /**
   * The stamp of the outer entry: its own, taken before the load, and what it inherited.
   * @returns `undefined` when they contradict each other: a bump came between, the value must not be stored
   */
  complete(own: Stamp): Stamp | undefined {
    if (this.#inherited === undefined) return own;
    if (this.#epoch !== own.epoch) return undefined;
    const all = new Map<string, Generation>();
    own.tags.forEach((tag, i) => all.set(tag, own.generations[i]!));
    for (const [tag, generation] of this.#inherited) {
      const ours = all.get(tag);
      if (ours === undefined) all.set(tag, generation);
      else if (!sameGeneration(ours, generation)) return undefined;
    }
    return new Stamp(own.epoch, [...all.keys()], [...all.values()]);
  }
}

function sameGeneration(a: Generation, b: Generation): boolean {
  return a.hard === b.hard && a.soft === b.soft;
}

const storage = new AsyncLocalStorage<LoadContext>();

/** Without loads for so long, the storage is switched off. Milliseconds. */
const IDLE_MS = 100;

let openLoads = 0;
let idling: NodeJS.Timeout | undefined;

/**
 * Up to Node 22 a storage in use makes every promise of the process dearer (several microseconds a request). When no load
 * is open there is nothing to remember; the next load switches it on again.
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

/** The innermost load that the caller runs in; `undefined` outside of loads, and behind one that has ended. */
export function currentLoad(): LoadContext | undefined {
  if (openLoads === 0) return undefined;
  const context = storage.getStore();
  return context?.isOpen === true ? context : undefined;
}

/** Runs `body` as part of a load, so that cached calls inside report to `context`. */
export function runInLoad<T>(context: LoadContext, body: () => T): T {
  context.enter();
  return storage.run(context, body);
}

/** Runs `body` outside of any load, e.g. a background refresh started by a read inside one. */
export function runOutsideLoads<T>(body: () => T): T {
  return storage.exit(body);
}
