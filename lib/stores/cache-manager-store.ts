import { type DecodedEntry, decodeEntry, encodeEntry } from './entry-codec.js';
import { ValueEncoding } from './encoded-value.js';
import { GuardedStore } from './guarded-store.js';
import { IDLE_MS, judgeStamp, newGeneration, parseGeneration, physicalLife } from './shared-generations.js';
import { Stamp, type Verdict } from './stamp.js';
import type { CacheStore, Entry, StoreHost, StoreQuery } from './store.interface.js';

/** The parts of Keyv 5 that the store uses. */
export interface KeyvLike {
  get(key: string): Promise<unknown>;
  getMany?(keys: string[]): Promise<unknown[]>;
  set(key: string, value: unknown, ttl?: number): Promise<unknown>;
  readonly store?: unknown;
}

/** The parts of a cache-manager 7 cache that the store uses. */
export interface CacheLike {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttl?: number): Promise<unknown>;
  readonly stores: readonly KeyvLike[];
}

/** Backends of this kind do not report that they lost their history; see docs/stores.md. */
const EPOCH = 'cache-manager';

/** By tag, as the backend holds them. */
type Generations = Map<string, string | undefined>;

/** A backend may be a file or a database on the network. Milliseconds. */
const TIMEOUT_MS = 1_000;

/**
 * Entries and generations in any cache-manager 7 or Keyv 5 backend. With several tiers the generations live in the last one, which
 * processes share. Backends have no atomic update, so an expire purges.
 */
export class CacheManagerStore implements CacheStore {
  readonly kind = 'cache-manager';
  readonly keepsReferences = false;
  #entries: CacheLike | KeyvLike | undefined;
  #generations: KeyvLike | undefined;
  #host: StoreHost | undefined;
  /** Running creations of generations, by tag. */
  readonly #creations = new Map<string, { readonly begun: number; readonly text: Promise<string> }>();

  constructor(backend: unknown) {
    if (backend !== undefined) this.use(backend);
  }

  get isBound(): boolean {
    return this.#entries !== undefined;
  }

  /** @throws TypeError for anything but a cache-manager cache or a Keyv */
  use(backend: unknown): void {
    if (!isCache(backend) && !isKeyv(backend)) {
      throw new TypeError(
        'cacheManagerStore() needs a cache of cache-manager 7 or a Keyv 5: cacheManagerStore(new Keyv(…)), or none at all to use the ' +
          `application's own CacheModule.`,
      );
    }
    this.#entries = backend;
    this.#generations = isCache(backend) ? backend.stores[backend.stores.length - 1]! : backend;
    this.#reportMemory();
  }

  attach(host: StoreHost): void {
    this.#host = host;
    this.#reportMemory();
  }

  /** True if its backend keeps values in the memory of this process only. */
  get isInMemory(): boolean {
    return this.#generations !== undefined && isInMemory(this.#generations);
  }

  #reportMemory(): void {
    if (this.isInMemory) {
      this.#host?.log(
        'The cache-manager store keeps values in the memory of this process: invalidations do not reach other processes.',
      );
    }
  }

  async get(query: StoreQuery): Promise<Entry | Stamp> {
    return (await this.getMany([query]))[0]!;
  }

  async getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    const generations: Generations = new Map();
    const [values] = await Promise.all([
      Promise.all(queries.map(({ key }) => this.#backend.get(key))),
      this.#read(new Set(queries.flatMap((query) => query.tags())), generations),
    ]);
    const found = queries.map((query, i) => decodeFor(query, values[i]));
    const carried = found.flatMap((decoded) => decoded?.stamp.tags ?? []);
    await this.#read(new Set(carried.filter((tag) => !generations.has(tag))), generations);
    const entries = found.map((decoded, i) => decoded && openCurrent(decoded, queries[i]!, generations));
    const missing = queries.filter((_, i) => entries[i] === undefined);
    await this.#create(new Set(missing.flatMap((query) => query.tags())), generations);
    return entries.map((entry, i) => entry ?? stampOf(queries[i]!.tags(), generations));
  }

  async stamp(tags: readonly string[]): Promise<Stamp> {
    const generations: Generations = new Map();
    await this.#read(new Set(tags), generations);
    await this.#create(new Set(tags), generations);
    return stampOf(tags, generations);
  }

  async #read(tags: ReadonlySet<string>, generations: Generations): Promise<void> {
    const names = [...tags];
    (await this.#readMany(names)).forEach((text, i) => generations.set(names[i]!, text));
  }

  /** Two processes may create an absent generation at the same time: entries under the overwritten one are never served, which is safe. */
  async #create(tags: ReadonlySet<string>, generations: Generations): Promise<void> {
    const absent = [...tags].filter((tag) => parseGeneration(generations.get(tag)) === undefined);
    await Promise.all(absent.map(async (tag) => generations.set(tag, await this.#createOnce(tag))));
  }

  /** One creation for all callers of this process: otherwise concurrent callers would load under different generations. */
  #createOnce(tag: string): Promise<string> {
    const now = this.#host?.now() ?? Date.now();
    const running = this.#creations.get(tag);
    // A creation that hangs must not block callers after the backend is back.
    if (running !== undefined && now < running.begun + TIMEOUT_MS) return running.text;
    const creation = { begun: now, text: this.#createNow(tag) };
    this.#creations.set(tag, creation);
    const over = (): void => {
      if (this.#creations.get(tag) === creation) this.#creations.delete(tag);
    };
    creation.text.then(over, over);
    return creation.text;
  }

  /** Reads the generation again first: another creation may have ended since it was found absent. */
  async #createNow(tag: string): Promise<string> {
    const [current] = await this.#readMany([tag]);
    if (current !== undefined && parseGeneration(current) !== undefined) return current;
    const text = newGeneration();
    await this.#generations!.set(tag, text, IDLE_MS);
    return text;
  }

  async judge(stamp: Stamp): Promise<Verdict> {
    if (stamp.epoch !== EPOCH) return 'purged';
    const read = await this.#readMany(stamp.tags);
    const current = new Map(stamp.tags.map((tag, i) => [tag, read[i]] as const));
    return judgeStamp(stamp, (tag) => current.get(tag));
  }

  async set(query: StoreQuery, entry: Entry): Promise<void> {
    await this.#backend.set(
      query.key,
      encodeEntry(entry, query.values).toString('base64'),
      physicalLife(entry).entry,
    );
  }

  /**
   * Reads the generations back: Keyv reports an error of its backend as an event and goes on. Another value than ours is either the bump
   * of another process, which is as good, or the old generation, which ours did not replace.
   */
  async bump(tags: readonly string[]): Promise<void> {
    const before = await this.#readMany(tags);
    const texts = tags.map(() => newGeneration());
    await Promise.all(tags.map((tag, i) => this.#generations!.set(tag, texts[i], IDLE_MS)));
    const read = await this.#readMany(tags);
    const isLost = (text: string | undefined, i: number): boolean =>
      text === undefined || (text !== texts[i] && text === before[i]);
    if (read.some(isLost)) throw new Error('the backend did not store an invalidation');
  }

  /** Backends do not list their keys: bumped entries are unreachable, and end with their time to live. */
  sweep(): void {}

  get #backend(): CacheLike | KeyvLike {
    if (this.#entries === undefined)
      throw new Error('cacheManagerStore() found no CacheModule in this application');
    return this.#entries;
  }

  async #readMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    if (this.#generations === undefined)
      throw new Error('cacheManagerStore() found no CacheModule in this application');
    const values = await Promise.all(keys.map((key) => this.#generations!.get(key)));
    return values.map((value) => (typeof value === 'string' ? value : undefined));
  }
}

export function isCache(value: unknown): value is CacheLike {
  const candidate = value as Partial<CacheLike> | null;
  return (
    typeof candidate?.get === 'function' && Array.isArray(candidate.stores) && candidate.stores.length > 0
  );
}

export function isKeyv(value: unknown): value is KeyvLike {
  const candidate = value as (Partial<KeyvLike> & { opts?: unknown }) | null;
  return (
    typeof candidate?.get === 'function' &&
    typeof candidate.set === 'function' &&
    candidate.opts !== undefined
  );
}

/** An entry that lacks a tag of its key was written by a build without that tag, so that bumps of the tag would not end it: a miss. */
function decodeFor(query: StoreQuery, value: unknown): DecodedEntry | undefined {
  const decoded = typeof value === 'string' ? decodeEntry(Buffer.from(value, 'base64')) : undefined;
  const isWhole = query.tags().every((tag) => decoded?.stamp.tags.includes(tag));
  return isWhole && decoded?.stamp.epoch === EPOCH ? decoded : undefined;
}

/** A value that cannot be decoded is a miss. */
function openCurrent(decoded: DecodedEntry, query: StoreQuery, current: Generations): Entry | undefined {
  if (judgeStamp(decoded.stamp, (tag) => current.get(tag)) !== 'current') return undefined;
  try {
    return decoded.open(query.values);
  } catch {
    return undefined;
  }
}

function stampOf(tags: readonly string[], generations: Generations): Stamp {
  return new Stamp(
    EPOCH,
    tags,
    tags.map((tag) => parseGeneration(generations.get(tag))!),
  );
}

/** The default Map of Keyv, and the memory stores of the cacheable packages. */
function isInMemory({ store }: KeyvLike): boolean {
  return store instanceof Map || /memory|map/i.test((store as object | undefined)?.constructor.name ?? '');
}

/** True if a store is a cache-manager cache in the memory of this process, behind its guard. */
export function isLocalCacheManager(store: CacheStore): boolean {
  const inner = store instanceof GuardedStore ? store.inner : store;
  return inner instanceof CacheManagerStore && inner.isInMemory;
}

/** The store behind a guard that has no backend yet. */
export function unboundCacheManager(store: CacheStore): CacheManagerStore | undefined {
  const inner = store instanceof GuardedStore ? store.inner : store;
  return inner instanceof CacheManagerStore && !inner.isBound ? inner : undefined;
}

/**
 * A store in a backend of cache-manager 7 or Keyv 5. Partitions, namespaces and tags can be dropped on any of them.
 *
 * @param backend a cache (e.g. the injected `CACHE_MANAGER`) or a Keyv; default: the application's own `CacheModule`
 * @throws TypeError for anything else
 * @example
 * RestflowCacheModule.forRoot({ store: cacheManagerStore() }) // beside CacheModule.register({ isGlobal: true, … })
 *
 * @publicApi
 */
export function cacheManagerStore(backend?: object): CacheStore {
  const options = { timeout: TIMEOUT_MS, encoding: new ValueEncoding() };
  return new GuardedStore(new CacheManagerStore(backend), options);
}
