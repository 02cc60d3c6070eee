import type { Type } from '@nestjs/common';
import { assertMode, assertTexts } from '../common/options.js';
import { CacheUsageError } from '../common/errors.js';
import type { KeyConstructor, PartitionValues } from '../keys/index.js';
import type { CacheHealth, CacheMetrics } from '../observability/metrics.js';
import type { Stamp } from '../stores/stamp.js';
import { Entry, type InvalidationMode } from '../stores/store.interface.js';
import { Batch } from './batch-load.js';
import type { CacheReport } from './cache-report.js';
import type { CacheRuntime, Delivery } from './cache-runtime.js';
import type { CachedMethod } from './cached-method.js';
import { CACHE_MISSING, type CacheMetadata, CacheStatus } from './engine/call.js';
import { reportMissing } from './engine/enclosing-load.js';
import { currentLoad } from './engine/load-context.js';
import { healthReport, metricsReport, sweepStores } from './store-set.js';
import {
  assertStampCovers,
  manualCall,
  type KeyedOptions,
  type LoaderContext,
  manualKeyTag,
  manualSet,
  dropThenStamp,
  NOTHING,
} from './manual-entry.js';
import type { MethodDirectory } from './method-directory.js';
import { enterTransaction, type TransactionHolder } from './open-transaction.js';

type AnyAsync = (...args: never[]) => Promise<unknown>;
type AnyMethod = (...args: never[]) => unknown;

/**
 * Names of the methods of `T`.
 *
 * @publicApi
 */
export type MethodName<T> = { [K in keyof T]: T[K] extends AnyMethod ? K : never }[keyof T] & string;
type ArgsOf<M> = M extends (...args: infer A) => unknown ? A : never;
type ResultOf<M> = M extends AnyAsync ? Awaited<ReturnType<M>> : M extends AnyMethod ? ReturnType<M> : never;

/**
 * Options of `set`, those of `getOrSet` included.
 *
 * @publicApi
 */
export interface SetOptions extends Omit<KeyedOptions, 'cacheIf' | 'cacheUnless'> {
  /**
   * Result of {@link CacheService.stamp} for the same key and tags, taken before the value was read: then the value is not stored if it
   * changed in between.
   */
  stamp?: Stamp | undefined;
}

/**
 * The cache of the application, for use by hand. Inject it anywhere.
 *
 * @example
 * constructor(private readonly cache: CacheService) {}
 * await this.cache.for(UsersService, 'getPayload').deleteByPrefix({ user: 42 });
 *
 * @publicApi
 */
export class CacheService {
  readonly #runtime: CacheRuntime;
  readonly #directory: MethodDirectory;

  constructor(runtime: CacheRuntime, directory: MethodDirectory) {
    this.#runtime = runtime;
    this.#directory = directory;
  }

  /**
   * A decorated method, with its own argument and result types.
   * @param owner its class; for request-scoped and transient providers the instance
   * @param method its name
   * @throws CacheUsageError if the method is not decorated, or the class is not a provider of this application
   */
  for<T extends object, K extends MethodName<T>>(
    owner: Type<T> | T,
    method: K,
  ): CachedMethod<ArgsOf<T[K]>, ResultOf<T[K]>> {
    return this.#directory.find(owner, method) as CachedMethod<ArgsOf<T[K]>, ResultOf<T[K]>>;
  }

  /**
   * The value under a key, or the result of `loader`, stored for `options.ttl`. Calls for the same key share one load, and the value is
   * not stored if an invalidation came during the load.
   * @param loader may ask whether its previous value is still right, see {@link LoaderContext}
   * @example
   * const feed = await cache.getOrSet('feed', async ({ previous, notModified }) => {
   *   const answer = await fetch(url, { headers: { 'if-none-match': previous?.etag ?? '' } });
   *   return answer.status === 304 ? notModified() : { etag: answer.headers.get('etag'), body: await answer.text() };
   * }, { ttl: '1m', staleWhileRevalidate: '1h' });
   */
  async getOrSet<T>(
    key: string,
    loader: (context: LoaderContext<T>) => T | Promise<T>,
    options: KeyedOptions = {},
  ): Promise<T> {
    const call = manualCall(this.#runtime, key, options, loader);
    return (await this.#runtime.answer(call)) as T;
  }

  /**
   * Many values: one network wait for the cached ones, and one run of `loader` for the others.
   *
   * @param keys each is cached by itself
   * @param loader gets the missing keys, and returns one value for each, in the same order
   * @throws CacheUsageError if the loader returns another number of values
   * @example
   * const users = await cache.getOrSetMany(ids.map((id) => `user:${id}`), (missing) => loadUsers(missing), { ttl: '5m' });
   */
  async getOrSetMany<T>(
    keys: readonly string[],
    loader: (missing: readonly string[]) => Promise<readonly T[]>,
    options: KeyedOptions = {},
  ): Promise<T[]> {
    assertTexts('getOrSetMany', 'keys', keys);
    const batch = new Batch(this.#runtime.engine, loader, this.#runtime.counters.byHand);
    const calls = keys.map((key) => {
      const seat = batch.seat(key);
      return manualCall(this.#runtime, key, options, seat.load, seat);
    });
    const isKeyed = calls.every((call) => call.isKeyed);
    if (!isKeyed) this.#runtime.refuseCurrentLoad('keyContext could not be read inside it');
    return (await (isKeyed && this.#runtime.mayUse() ? batch.fetch(calls) : batch.bypass(keys))) as T[];
  }

  /** The value under a key, or `CACHE_MISSING`: a cached `null` or `undefined` is a value. */
  async get<T = unknown>(
    key: string,
    options: Pick<KeyedOptions, 'store' | 'isolation' | 'type'> = {},
  ): Promise<T | typeof CACHE_MISSING> {
    const { engine, counters } = this.#runtime;
    if (!this.#runtime.mayUse()) {
      counters.byHand.bypasses++;
      return CACHE_MISSING;
    }
    const call = manualCall(this.#runtime, key, options, NOTHING);
    if (!call.isKeyed) {
      this.#runtime.refuseCurrentLoad('keyContext could not be read inside it');
      counters.byHand.bypasses++;
      return CACHE_MISSING;
    }
    const reading = await engine.reader.read(call);
    if (reading instanceof Entry && reading.isFresh(engine.clock.now())) {
      counters.byHand.hits++;
      return engine.serve(call, reading, CacheStatus.HIT) as T;
    }
    counters.byHand.misses++;
    const outer = currentLoad();
    if (outer !== undefined) reportMissing(call, reading, outer);
    return CACHE_MISSING;
  }

  /**
   * Replaces the value under a key; the old one is dropped as by `delete`. Without a stamp the value may be older than the last change:
   * prefer `getOrSet`, or take a `stamp()` before reading.
   * @returns metadata of the entry, without times if the value was not stored (the log says why)
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<CacheMetadata> {
    const { stamp, ...rest } = options;
    // Any other type is passed on unchanged, to be refused with its own name.
    const call = manualCall(this.#runtime, key, typeof options === 'object' ? rest : options, () => value);
    if (stamp !== undefined) assertStampCovers(call, stamp);
    if (!this.#runtime.mayUse() || !call.isKeyed) return call.metadata;
    // A stamp that is given but undefined comes from a store that did not answer: then nothing is stored.
    const { engine } = this.#runtime;
    const isGiven = 'stamp' in options && engine.reader.isTagged(call);
    const own = isGiven
      ? stamp
      : await dropThenStamp(engine, call, manualKeyTag(this.#runtime, key, call.ambient));
    await manualSet(engine, call, value, own);
    return call.metadata;
  }

  /** Reads the generations that an entry of this key and these tags depends on, for a later `set`. */
  async stamp(key: string, options: Pick<KeyedOptions, 'tags' | 'store'> = {}): Promise<Stamp | undefined> {
    const call = manualCall(this.#runtime, key, options, () => undefined);
    return call.isKeyed ? this.#runtime.engine.reader.stamp(call) : undefined;
  }

  /** Drops the value under a key. */
  async delete(key: string): Promise<Delivery> {
    return this.#runtime.invalidate([manualKeyTag(this.#runtime, key)], 'purge');
  }

  /** Drops the values under these keys. */
  async deleteMany(keys: readonly string[]): Promise<Delivery> {
    assertTexts('deleteMany', 'keys', keys);
    return this.#runtime.invalidate(
      keys.map((key) => manualKeyTag(this.#runtime, key)),
      'purge',
    );
  }

  /**
   * Drops all values with one of these tags.
   * @param options with `mode: 'expire'` they may be served as stale while they reload; default `'purge'`
   * @throws CacheUsageError for another mode, and if `tags` is not a list of texts
   */
  async invalidateTags(
    tags: readonly string[],
    { mode = 'purge' }: { mode?: InvalidationMode } = {},
  ): Promise<Delivery> {
    assertMode('invalidateTags', mode);
    assertTexts('invalidateTags', 'tags', tags);
    return this.#runtime.invalidate(
      tags.map((tag) => this.#runtime.space.userTag(tag)),
      mode,
    );
  }

  /**
   * Adds tags to the value that the caller is loading, as `valueTags` does: called inside a cached method, a cached handler or the loader of
   * `getOrSet`. Outside of a load it does nothing. Write `valueTags` where the value alone decides: the first load of a method that
   * calls `tag()` is not stored.
   * @throws CacheUsageError if `tags` is not a list of texts
   * @example
   * const orders = await this.orders.find({ where: { status } });
   * this.cache.tag(...orders.map(({ id }) => `order:${id}`));
   */
  tag(...tags: readonly string[]): void {
    assertTexts('tag', 'tags', tags);
    const load = currentLoad();
    for (const tag of tags) load?.learn(this.#runtime.space.userTag(tag));
  }

  /**
   * Puts the caller's async context inside the open transaction of a query runner that other code began: from now on its cached calls
   * bypass the cache, and what it invalidates by hand is invalidated again when the transaction has ended. A transaction that the
   * caller begins itself needs no call. Does nothing where the runner has no open transaction.
   * @param runner a query runner of a watched DataSource, or an EntityManager with one
   * @returns this service
   * @throws CacheUsageError for any other value, and for an open transaction that no watched DataSource began
   * @example
   * const runner = await this.beginTransfer();
   * await this.cache.within(runner).invalidateTags(['balances']); // now, and again after its COMMIT or ROLLBACK
   */
  within(runner: TransactionHolder): this {
    enterTransaction(runner);
    return this;
  }

  /**
   * Drops the cached values of all methods with this key constructor, or with one that extends it: those of a partition or, without
   * `values`, all, and then also those of other methods with its `meta.namespace`.
   * @throws PartitionError if the values name no declared partition; CacheUsageError if the class is not a key constructor
   * @example
   * await cache.wipe(UserPayloadKey, { user: 42 });
   */
  async wipe(keyConstructor: Type<KeyConstructor>, values?: PartitionValues): Promise<Delivery> {
    return this.#runtime.invalidate(this.#directory.tagsOf(keyConstructor, values), 'purge');
  }

  /** Removes entries of earlier `meta.version`s of this key constructor from the stores. */
  async deletePreviousVersions(keyConstructor: Type<KeyConstructor>): Promise<void> {
    for (const target of this.#directory.withKey(keyConstructor)) {
      await target.store.sweep(this.#runtime.space.entries, (key) => target.isOtherVersion(key));
    }
  }

  /** Drops all values of this application, in all its stores; nothing outside its namespace. */
  async clear(): Promise<Delivery> {
    const delivery = await this.#runtime.invalidate([this.#runtime.space.allTag], 'purge');
    if (delivery === 'delivered') await sweepStores(this.#runtime.settings, this.#runtime.space);
    return delivery;
  }

  /** True if the cache is on. If it is off, every cached call bypasses it. */
  get enabled(): boolean {
    return this.#runtime.enabled;
  }

  /** Switches the cache on, in place of `forRoot({ enabled })`. Invalidations are never switched off. */
  enable(): void {
    this.#runtime.enabled = true;
  }

  /** Switches the cache off: nothing is read or stored until `enable()`. */
  disable(): void {
    this.#runtime.enabled = false;
  }

  /**
   * Counters since the boot of this process, as plain JSON: statuses and load times of each method, states of the stores,
   * invalidations.
   * @example
   * const ratios = this.cache.metrics().methods.map(({ name, hits, misses }) => [name, hits / (hits + misses)]);
   */
  metrics(): CacheMetrics {
    return metricsReport(this.#runtime);
  }

  /**
   * Measures how long hits take, from now on: `metrics()` has the durations as `hitTimes`. If it is called several times, the most
   * frequent sampling counts.
   * @param every one hit in so many is measured, chosen at random; 1 measures all
   * @throws CacheUsageError unless it is a whole number above 0
   */
  sampleHits(every = 100): void {
    if (!Number.isSafeInteger(every) || every < 1) {
      throw new CacheUsageError(
        'CACHE_SAMPLE',
        `sampleHits() was given ${String(every)}. Write how many hits there are to one that is measured, e.g. 100.`,
      );
    }
    this.#runtime.sampleHits(every);
  }

  /**
   * State of the stores and dispatchers as this process knows it: no store is asked, and it never throws. Do not take an application out
   * of service because it is `degraded`: it answers without its cache.
   * @example
   * const { status, stores } = this.cache.health(); // 'degraded', { default: { kind: 'redis', status: 'down', waitingBumps: 3 } }
   */
  health(): CacheHealth {
    return healthReport(this.#runtime);
  }

  /** Every cached method, its key, its store and its rules. */
  status(): CacheReport {
    return this.#directory.report();
  }
}
