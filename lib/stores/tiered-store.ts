import type { StoreState } from '../observability/metrics.js';
import { checkOptions, oneOf, type OptionTable, typeError } from '../common/options.js';
import { BumpLog } from './generations.js';
import {
  agreesOnLoads,
  type BumpLogStore,
  type BumpPosition,
  type Bus,
  type BusStore,
  type CacheStore,
  Entry,
  hasBumpLog,
  hasLeases,
  type InvalidationMode,
  type Lease,
  type MaybePromise,
  readMany,
  type StoreHost,
  type StoreQuery,
  type HeldEntries,
} from './store.interface.js';
import { guardStore } from './guarded-store.js';
import { MemoryStore } from './memory-store.js';
import { uniteStamps, type Stamp, type Verdict } from './stamp.js';

/**
 * Options of {@link tieredStore}.
 *
 * @publicApi
 */
export interface TieredStoreOptions {
  /** The memory of this process: `memoryStore()`. */
  l1: CacheStore;
  /** The store that all processes share, e.g. `redisStore({ url })`. */
  l2: CacheStore;
  /**
   * How L1 learns of bumps by other processes. `'bus'` (default): over a channel with a heartbeat; other processes may serve an
   * invalidated value for at most one heartbeat (1 s). `'validate'`: every hit in L1 asks L2 for the generations, and saves only the
   * transfer and decoding of the value.
   */
  consistency?: 'bus' | 'validate' | undefined;
}

const OPTIONS: OptionTable<TieredStoreOptions> = {
  rows: {
    l1: [(value) => value instanceof MemoryStore, 'a memoryStore()'],
    l2: [isShared, 'a store that processes share, e.g. redisStore({ url })'],
    consistency: oneOf(['bus', 'validate']),
  },
  example: 'tieredStore({ l1: memoryStore(), l2: redisStore({ url }) })',
  required: ['l1', 'l2'],
  error: typeError,
};

function isShared(value: unknown): boolean {
  const store = value as Partial<CacheStore> | null | undefined;
  return typeof store?.get === 'function' && store.keepsReferences !== true;
}

/**
 * Values in the memory of this process, over a store that all processes share.
 *
 * @throws TypeError for unknown options, when `l1` is not a memory store, and when `l2` has no bus and `consistency` is `'bus'`
 * @example
 * tieredStore({ l1: memoryStore(), l2: redisStore({ url: 'redis://localhost:6379' }) })
 *
 * @publicApi
 */
export function tieredStore(options: TieredStoreOptions): CacheStore {
  checkOptions(OPTIONS, options, 'tieredStore()');
  const { l2, consistency = 'bus' } = options;
  const l1 = options.l1 as MemoryStore;
  if (consistency === 'validate') return new TieredStore(l1, guardStore(l2), undefined);
  if (!hasBus(l2)) {
    throw new TypeError(
      `tieredStore(): the ${l2.kind} store has no bus that reports invalidations to other processes. Write consistency: 'validate'.`,
    );
  }
  return new TieredStore(l1, guardStore(l2), l2.openBus());
}

function hasBus(store: CacheStore): store is CacheStore & BusStore {
  return typeof (store as Partial<BusStore>).openBus === 'function';
}

export class TieredStore implements CacheStore, Partial<BumpLogStore> {
  readonly kind: string;
  readonly keepsReferences = false;
  readonly bumpPosition?: BumpLogStore['bumpPosition'];
  readonly stampSince?: BumpLogStore['stampSince'];
  /** Absent without a bus: then no entry is served before L2 has validated it. */
  readonly held?: HeldEntries['held'];
  readonly #bumps = new BumpLog();
  #now = (): number => Date.now();

  constructor(
    private readonly l1: MemoryStore,
    private readonly l2: CacheStore,
    /** Without a bus, L2 validates every hit in L1. */
    private readonly bus: Bus | undefined,
  ) {
    this.kind = `memory over ${l2.kind}`;
    if (hasBumpLog(l2)) {
      this.bumpPosition = (tags: readonly string[]) => l2.bumpPosition(tags);
      this.stampSince = (tags: readonly string[], position: BumpPosition) => l2.stampSince(tags, position);
    }
    if (bus !== undefined) this.held = (query) => this.#freshInL1(query);
    bus?.listen(
      (tags, mode) => this.#bumpL1(tags, mode),
      () => this.#clearL1(),
    );
  }

  attach(host: StoreHost): void {
    this.#now = host.now;
    // Entries in L1 have times by the clock as it was when they were read.
    this.l2.attach?.({ ...host, clockSet: () => this.#clearL1() });
    this.bus?.attach(host);
  }

  /** State of L2, with the entries of L1; also `down` while the bus is silent, when every read goes to L2. */
  state(): StoreState {
    const { entries, bytes } = this.l1.size;
    const l2 = this.l2.state?.() ?? { status: 'up', waitingBumps: 0, timeouts: 0, errors: 0 };
    const status = this.bus?.isTrusted() === false ? 'down' : l2.status;
    const busLag = this.bus?.lag?.();
    return {
      ...l2,
      status,
      entries,
      bytes,
      evictions: this.l1.evictions,
      ...(busLag !== undefined && { busLag }),
    };
  }

  get grantsAll(): boolean {
    return !agreesOnLoads(this.l2);
  }

  async acquire(key: string): Promise<Lease | undefined> {
    return hasLeases(this.l2) ? this.l2.acquire(key) : { release: () => Promise.resolve() };
  }

  getShared(query: StoreQuery): Promise<Entry | Stamp> {
    return this.#read(query);
  }

  async ready(): Promise<void> {
    await this.l2.ready?.();
  }

  get(query: StoreQuery): MaybePromise<Entry | Stamp> {
    const entry = this.#freshInL1(query);
    if (entry === undefined) return this.#read(query);
    return this.bus === undefined ? this.#validate(query, entry) : entry;
  }

  getMany(queries: readonly StoreQuery[]): MaybePromise<readonly (Entry | Stamp)[]> {
    const kept = queries.map((query) => this.#freshInL1(query));
    const entries = kept.filter((entry) => entry !== undefined);
    if (entries.length === 0) return this.#readMany(queries);
    if (this.bus === undefined) return this.#validateMany(queries, kept, entries);
    return entries.length === queries.length ? entries : this.#readOthers(queries, kept);
  }

  /** The entry of L1, where it is fresh and the bus is trusted. Without a bus it must be validated. */
  #freshInL1({ key }: Pick<StoreQuery, 'key'>): Entry | undefined {
    if (this.bus?.isTrusted() === false) return undefined;
    const entry = this.l1.find(key);
    // A stale one is read from L2: another process may have loaded it again.
    if (entry?.isFresh(this.#now()) !== true) return undefined;
    if (entry.keepUntil === Infinity) this.l2.touch?.(key, entry);
    return entry;
  }

  async #validate(query: StoreQuery, entry: Entry): Promise<Entry | Stamp> {
    const verdict = await this.l2.judge(entry.stamp);
    if (verdict === 'purged') return this.#read(query);
    if (verdict === 'expired') entry.expired = true;
    return entry;
  }

  /** Validates all entries in one wait; when one is not current, everything is read again. */
  async #validateMany(
    queries: readonly StoreQuery[],
    kept: readonly (Entry | undefined)[],
    entries: readonly Entry[],
  ): Promise<readonly (Entry | Stamp)[]> {
    const stamp = uniteStamps(entries.map((entry) => entry.stamp));
    if (stamp === undefined) return this.#readMany(queries);
    const [verdict, readings] = await Promise.all([this.l2.judge(stamp), this.#readOthers(queries, kept)]);
    return verdict === 'current' ? readings : this.#readMany(queries);
  }

  /** Reads the entries from L2 that L1 does not have. */
  async #readOthers(
    queries: readonly StoreQuery[],
    kept: readonly (Entry | undefined)[],
  ): Promise<readonly (Entry | Stamp)[]> {
    const others = await this.#readMany(queries.filter((_, i) => kept[i] === undefined));
    const next = others.values();
    return kept.map((entry) => entry ?? next.next().value!);
  }

  async #read(query: StoreQuery): Promise<Entry | Stamp> {
    const began = this.#bumps.now();
    return this.#keepInL1(query, await this.l2.get(new KeptQuery(query)), began);
  }

  async #readMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    if (queries.length === 0) return [];
    const began = this.#bumps.now();
    const readings = await readMany(
      this.l2,
      queries.map((query) => new KeptQuery(query)),
    );
    return readings.map((reading, i) => this.#keepInL1(queries[i]!, reading, began));
  }

  /** Keeps an entry of L2 in L1 for the rest of its life, unless one of its tags was bumped since the read began. */
  #keepInL1({ key }: StoreQuery, reading: Entry | Stamp, began: number): Entry | Stamp {
    if (reading instanceof Entry && !reading.expired && this.bus?.isTrusted() !== false) {
      if (!this.#bumps.bumpedSince(began, reading.stamp.tags, key)) this.l1.keep(key, reading);
    }
    return reading;
  }

  stamp(tags: readonly string[]): MaybePromise<Stamp> {
    return this.l2.stamp(tags);
  }

  judge(stamp: Stamp): MaybePromise<Verdict> {
    return this.l2.judge(stamp);
  }

  /**
   * L1 gets the entry with the next read: only a read can detect a bump in between. A running read may return the previous entry, which
   * is not kept.
   */
  async set(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    try {
      return await this.l2.set(query, entry);
    } finally {
      this.#bumps.note([query.key]);
      this.l1.drop(query.key);
    }
  }

  async bump(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    this.#bumpL1(tags, mode);
    await this.l2.bump(tags, mode);
    // Again, for entries that were read from L2 before it had the bump.
    this.#bumpL1(tags, mode);
  }

  async sweep(prefix: string, drop: (key: string) => boolean): Promise<void> {
    this.l1.sweep(prefix, drop);
    await this.l2.sweep(prefix, drop);
  }

  async close(): Promise<void> {
    await this.bus?.close();
    await this.l2.close?.();
  }

  #bumpL1(tags: readonly string[], mode: InvalidationMode): void {
    this.#bumps.note(tags);
    this.l1.bump(tags, mode);
  }

  /** Called when messages may have been missed. */
  #clearL1(): void {
    this.#bumps.noteAll();
    this.l1.sweep('', () => true);
  }
}

/** A read whose value is kept in L1, so that each caller needs a copy. */
class KeptQuery implements StoreQuery {
  readonly key: string;
  readonly values: StoreQuery['values'];

  constructor(private readonly query: StoreQuery) {
    this.key = query.key;
    const { values } = query;
    this.values = { encode: (stored) => values.encode(stored), decode: (wire) => values.decode(wire, true) };
  }

  tags(): readonly string[] {
    return this.query.tags();
  }
}
