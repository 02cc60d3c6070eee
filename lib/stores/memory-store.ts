import { LRUCache } from 'lru-cache';
import type { StoreState } from '../observability/metrics.js';
import { checkOptions, type OptionTable, positive, typeError } from '../common/options.js';
import {
  type BumpLogStore,
  type BumpPosition,
  type CacheStore,
  Entry,
  type InvalidationMode,
  type StoreQuery,
  type HeldEntries,
} from './store.interface.js';
import { BumpLog, type Cell, GenerationTable } from './generations.js';
import type { Stamp, Verdict } from './stamp.js';

/**
 * Bounds of a memory store.
 *
 * @publicApi
 */
export interface MemoryStoreOptions {
  /** Bytes that entries may take together, estimated. Default 64 MiB. */
  maxBytes?: number | undefined;
  /** Number of entries. Default 100,000. */
  maxEntries?: number | undefined;
}

const OPTIONS: OptionTable<MemoryStoreOptions> = {
  rows: { maxBytes: positive, maxEntries: positive },
  example: 'memoryStore({ maxEntries: 10_000 })',
  error: typeError,
};

/** An entry and the state that this store keeps about it, in one object: each further object that a hit reads costs a cache line. */
class HeldEntry extends Entry {
  /** The number of bumps when it was last found current: while there are no more, it still is. */
  currentAt = NEVER;

  constructor(
    { value, cachedAt, freshUntil, keepUntil, stamp, size, expired, shift }: Entry,
    /** Bytes of the generations that it is the first entry to carry. */
    cellBytes: number,
    /** The entry's generations as stamped here, and the cells of the current ones. */
    readonly heldStamp: Stamp,
    readonly cells: readonly Cell[],
    /** The number of stored entries when it last moved to the front of the LRU order. */
    public usedAt: number,
  ) {
    super(value, cachedAt, freshUntil, keepUntil, stamp, size + cellBytes);
    this.expired = expired;
    this.shift = shift;
  }
}

const MIB = 1024 * 1024;

const NEVER = -1;

/**
 * An entry moves to the front of the LRU order only when at least a sixteenth (two to this power) of the entries were stored since it
 * moved last: with an exact order, each hit would write to five distant places.
 */
const RECENT = 4;

/** Tags without entries that are kept for loads in flight. */
const MAX_IDLE_TAGS = 50_000;

/**
 * Entries and generations in the memory of this process; the least recently used are dropped first.
 * Other processes see neither its entries nor its invalidations.
 */
export class MemoryStore implements CacheStore, BumpLogStore, HeldEntries {
  readonly kind = 'memory';
  readonly keepsReferences = true;
  readonly #generations = new GenerationTable(MAX_IDLE_TAGS);
  readonly #entries: LRUCache<string, HeldEntry>;
  /** Kept from the first load on that may learn tags. */
  #log: BumpLog | undefined;
  #stored = 0;
  #evictions = 0;

  constructor(options: MemoryStoreOptions = {}) {
    const { maxBytes = 64 * MIB, maxEntries = 100_000 } = options;
    this.#entries = new LRUCache<string, HeldEntry>({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: (held) => held.size,
      dispose: (held, _key, reason) => {
        if (reason === 'evict') this.#evictions++;
        this.#generations.release(held.cells);
      },
    });
  }

  get(query: StoreQuery): Entry | Stamp {
    const entry = this.find(query.key);
    if (entry !== undefined) return entry;
    return this.#generations.stamp(query.tags());
  }

  held({ key }: Pick<StoreQuery, 'key'>): Entry | undefined {
    return this.find(key);
  }

  getMany(queries: readonly StoreQuery[]): (Entry | Stamp)[] {
    return queries.map((query) => this.get(query));
  }

  /** The entry under a key, unless it was purged. Called by a tiered store, whose stamps come from L2. */
  find(key: string): Entry | undefined {
    const held = this.#entries.peek(key);
    if (held === undefined) return undefined;
    if (this.#stored - held.usedAt >= this.#entries.size >>> RECENT) this.#renew(key, held);
    return held.currentAt === this.#generations.bumps ? held : this.#judge(key, held);
  }

  #renew(key: string, held: HeldEntry): void {
    this.#entries.get(key);
    held.usedAt = this.#stored;
  }

  /** The entry, unless it was purged. Called after any bump. */
  #judge(key: string, held: HeldEntry): Entry | undefined {
    const verdict = judgeHeld(held);
    if (verdict === 'current') held.currentAt = this.#generations.bumps;
    if (verdict === 'expired') held.expired = true;
    if (verdict !== 'purged') return held;
    this.#entries.delete(key);
    return undefined;
  }

  stamp(tags: readonly string[]): Stamp {
    return this.#generations.stamp(tags);
  }

  judge(stamp: Stamp): Verdict {
    return this.#generations.judge(stamp);
  }

  set({ key }: StoreQuery, entry: Entry): boolean {
    return this.#hold(key, entry, entry.stamp);
  }

  /** Keeps an entry that another store stamped, under this store's current generations of its tags. */
  keep(key: string, entry: Entry): void {
    this.#hold(key, entry, this.#generations.stamp(entry.stamp.tags));
  }

  drop(key: string): void {
    this.#entries.delete(key);
  }

  #hold(key: string, entry: Entry, stamp: Stamp): boolean {
    if (this.#isNewer(key, stamp)) return false;
    const cells = this.#generations.hold(stamp);
    if (cells === undefined) return false;
    const held = new HeldEntry(entry, bytesOfNew(cells), stamp, cells, ++this.#stored);
    this.#entries.set(key, held);
    // An entry larger than the whole store is refused, and dispose is not called for it.
    const isHeld = this.#entries.peek(key) === held;
    if (!isHeld) this.#generations.release(cells);
    return isHeld;
  }

  /** True if the stored entry is current and the new one is not: an expire overtook the load. */
  #isNewer(key: string, stamp: Stamp): boolean {
    const stored = this.#entries.peek(key);
    return stored !== undefined && judgeHeld(stored) === 'current' && this.judge(stamp) !== 'current';
  }

  bumpPosition(): number {
    return (this.#log ??= new BumpLog()).now();
  }

  stampSince(tags: readonly string[], position: BumpPosition): Stamp | undefined {
    const isBumped = typeof position !== 'number' || this.#log?.bumpedSince(position, tags) !== false;
    return isBumped ? undefined : this.#generations.stamp(tags);
  }

  bump(tags: readonly string[], mode: InvalidationMode): void {
    this.#log?.note(tags);
    this.#generations.bump(tags, mode);
  }

  sweep(prefix: string, drop: (key: string) => boolean): void {
    for (const key of [...this.#entries.keys()]) {
      if (key.startsWith(prefix) && drop(key)) this.#entries.delete(key);
    }
  }

  state(): StoreState {
    const { entries, bytes } = this.size;
    const evictions = this.#evictions;
    return { status: 'up', waitingBumps: 0, timeouts: 0, errors: 0, entries, bytes, evictions };
  }

  /** Entries that gave way to others because the memory was full. */
  get evictions(): number {
    return this.#evictions;
  }

  /** Numbers of entries and tags, and the estimated bytes of the entries. */
  get size(): { entries: number; tags: number; bytes: number } {
    return { entries: this.#entries.size, tags: this.#generations.size, bytes: this.#entries.calculatedSize };
  }
}

/** Estimated bytes of one generation, without the text of its tag. */
const CELL_BYTES = 190;

/** Bytes of the generations that no other entry carries. */
function bytesOfNew(cells: readonly Cell[]): number {
  let bytes = 0;
  for (const { entries, tag } of cells) if (entries === 1) bytes += CELL_BYTES + tag.length;
  return bytes;
}

/** Compares the entry's cells in place, without looking tags up. */
function judgeHeld(held: HeldEntry): Verdict {
  const { cells } = held;
  const { generations } = held.heldStamp;
  let verdict: Verdict = 'current';
  for (let i = 0; i < cells.length; i++) {
    const current = cells[i]!.generation;
    const stamped = generations[i]!;
    if (current === stamped) continue;
    if (current.hard !== stamped.hard) return 'purged';
    if (current.soft !== stamped.soft) verdict = 'expired';
  }
  return verdict;
}

/**
 * A store in the memory of this process: the default.
 *
 * @param options bounds; `maxBytes` 64 MiB and `maxEntries` 100,000 by default
 * @throws TypeError when a bound is not a positive whole number, and for unknown options
 * @example
 * RestflowCacheModule.forRoot({ store: memoryStore({ maxBytes: 256 * 1024 * 1024 }) })
 *
 * @publicApi
 */
export function memoryStore(options: MemoryStoreOptions = {}): CacheStore {
  checkOptions(OPTIONS, options, 'memoryStore()');
  return new MemoryStore(options);
}
