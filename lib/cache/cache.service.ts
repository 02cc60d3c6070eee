import type { Type } from '@nestjs/common';
import { assertMode, assertTexts } from '../common/options.js';
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
  manualKeyTag,
  manualSet,
  dropThenStamp,
} from './manual-entry.js';
import type { MethodDirectory } from './method-directory.js';

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
 * What `set` accepts beside the options of `getOrSet`.
 *
 * @publicApi
 */
export interface SetOptions extends Omit<KeyedOptions, 'cacheIf' | 'cacheUnless'> {
  /**
   * From {@link CacheService.stamp} of the same key and tags, read before the value was: then a change in between keeps
   * it from being stored.
   */
  stamp?: Stamp | undefined;
}

/**
 * The cache of the application, by hand. Inject it anywhere.
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
   * @throws CacheUsageError when the method is not decorated, or the class is no provider of this application
   */
  for<T extends object, K extends MethodName<T>>(
    owner: Type<T> | T,
    method: K,
  ): CachedMethod<ArgsOf<T[K]>, ResultOf<T[K]>> {
    return this.#directory.find(owner, method) as CachedMethod<ArgsOf<T[K]>, ResultOf<T[K]>>;
  }

  /**
   * The value under a key, or what `loader` computes, stored for `options.ttl`. One load serves all who wait for it,
   * and an invalidation during the load keeps the value from being stored.
   */
  async getOrSet<T>(key: string, loader: () => T | Promise<T>, options: KeyedOptions = {}): Promise<T> {
    const call = manualCall(this.#runtime, key, options, loader);
    return (await this.#runtime.answer(call)) as T;
  }

  /**
   * Many values at once: one network wait for what is cached, and one run of `loader` for all that is not.
   *
   * @param keys each is cached for itself
   * @param loader gets the keys that are missing, and answers one value for each, in the same order
   * @throws CacheUsageError when the loader answers another number of values
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
    const call = manualCall(this.#runtime, key, options, () => CACHE_MISSING);
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
   * Stores a value in place of what is there, which is dropped as by `delete`. Without a stamp nothing tells whether the value was read
   * before or after a change: prefer `getOrSet`, or take a `stamp()` before reading.
   * @returns when it was stored, or metadata without times if it was not (the log says why)
   */
  async set(key: string, value: unknown, options: SetOptions = {}): Promise<CacheMetadata> {
    const { stamp, ...rest } = options;
    // A number or text is refused as what it is.
    const call = manualCall(this.#runtime, key, typeof options === 'object' ? rest : options, () => value);
    if (stamp !== undefined) assertStampCovers(call, stamp);
    if (!this.#runtime.mayUse() || !call.isKeyed) return call.metadata;
    // A stamp that is given but undefined is one the store could not tell: then nothing fences the value.
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
   * Drops everything that carries one of these tags of yours.
   * @param options `mode: 'expire'` lets it be served as stale while it reloads; default `'purge'`
   * @throws CacheUsageError for another mode, and for what is no list of texts
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
   * Drops what all methods with this key constructor cached, or with one that extends it: a partition, or without values
   * everything, and then also what others with the `meta.namespace` that it declares cached.
   * @throws PartitionError when the values name no declared partition; CacheUsageError for what is no key constructor
   * @example
   * await cache.wipe(UserPayloadKey, { user: 42 });
   */
  async wipe(keyConstructor: Type<KeyConstructor>, values?: PartitionValues): Promise<Delivery> {
    return this.#runtime.invalidate(this.#directory.tagsOf(keyConstructor, values), 'purge');
  }

  /** Removes entries that earlier `meta.version`s of this key constructor left in the stores. */
  async deletePreviousVersions(keyConstructor: Type<KeyConstructor>): Promise<void> {
    for (const target of this.#directory.withKey(keyConstructor)) {
      await target.store.sweep(this.#runtime.space.entries, (key) => target.isOtherVersion(key));
    }
  }

  /** Drops everything this application cached, in all its stores; nothing outside its namespace. */
  async clear(): Promise<Delivery> {
    const delivery = await this.#runtime.invalidate([this.#runtime.space.allTag], 'purge');
    if (delivery === 'delivered') await sweepStores(this.#runtime.settings, this.#runtime.space);
    return delivery;
  }

  /** Whether the cache is used; when not, every cached call computes live (BYPASS). */
  get enabled(): boolean {
    return this.#runtime.enabled;
  }

  /** Switches the cache on, whatever `forRoot({ enabled })` said. Invalidations are never switched off. */
  enable(): void {
    this.#runtime.enabled = true;
  }

  /** Switches the cache off: nothing is read or stored until `enable()`. */
  disable(): void {
    this.#runtime.enabled = false;
  }

  /**
   * What was counted since the boot of this process, as plain JSON: what callers of each method were told and what its loads took,
   * whether stores answer, what was invalidated.
   * @example
   * const ratios = this.cache.metrics().methods.map(({ name, hits, misses }) => [name, hits / (hits + misses)]);
   */
  metrics(): CacheMetrics {
    return metricsReport(this.#runtime);
  }

  /**
   * Whether the stores do what they should, as far as this process knows now: nobody is asked, and it never throws. `degraded` is no
   * reason to take an application out of service: it answers, without its cache.
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
