import { CacheUsageError } from '../common/errors.js';
import type { PartitionValues } from '../keys/key.interface.js';
import { Entry } from '../stores/store.interface.js';
import type { CacheRuntime, Delivery } from './cache-runtime.js';
import { CACHE_MISSING, type CacheMetadata, CacheStatus, type Call, metadataOf } from './engine/call.js';
import { reportMissing } from './engine/enclosing-load.js';
import { currentLoad, type LoadContext } from './engine/load-context.js';
import type { MethodTarget } from './method-target.js';

/**
 * The parts of an HTTP request that a handler's key reads.
 *
 * @publicApi
 */
export interface RequestDescription {
  /** If the handler caches several methods. Default: the first of its `methods`. */
  readonly method?: string | undefined;
  /** Route parameters, as text. Default none. */
  readonly params?: Readonly<Record<string, string>> | undefined;
  /** As the platform parses it. Default none. */
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  /** Names in any case; with `host`, if keys include it. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Parsed. Default none. */
  readonly cookies?: Readonly<Record<string, string>> | undefined;
  /** The value that a guard sets as `request.user`. */
  readonly user?: unknown;
  /** Parsed; of the `content-type` in `headers`, or else JSON. */
  readonly body?: unknown;
}

/**
 * What is stored for a call, as `CachedMethod.inspect()` tells it.
 *
 * @publicApi
 */
export interface CacheInspection extends CacheMetadata {
  /** Under which the call is stored; it holds arguments of the call. */
  readonly key: string;
  /** Tags of the stored entry, or those that it would have. */
  readonly tags: readonly string[];
  /** Estimated bytes; `null` if nothing is stored. */
  readonly bytes: number | null;
  /** The stored value; left out if nothing is stored. */
  readonly value?: unknown;
}

/** Finds the instance of a cached method, and the key of a request to a handler. */
export interface MethodAccess {
  /** The instance on which `get`, `refresh` and `bypassCache` call the method. */
  instance(): object;
  /** The call that names the entry of a request to a handler. */
  describe(target: MethodTarget, request: RequestDescription): Call;
  /** A call that has the tags of a request to a handler, and no key. */
  tagged(target: MethodTarget, request: RequestDescription): Call;
}

/**
 * Reads, refreshes and drops the cached values of a decorated method. `Args` and `Result` are those of the method.
 * For a controller handler `getCacheKey`, `getCachedMetadata` and `deleteCache` take a {@link RequestDescription}.
 *
 * @example
 * const find = cache.for(UsersService, 'find');
 * const user = await find.refresh(42);
 * await find.deleteByPrefix({ user: 42 });
 *
 * Source: drf-restflow, `CachedWrapper`.
 * @publicApi
 */
export class CachedMethod<Args extends readonly unknown[], Result> {
  readonly #runtime: CacheRuntime;
  readonly #target: MethodTarget;
  readonly #access: MethodAccess;

  constructor(runtime: CacheRuntime, target: MethodTarget, access: MethodAccess) {
    this.#runtime = runtime;
    this.#target = target;
    this.#access = access;
  }

  /** The name under which it caches, e.g. `UsersService.find`. */
  get name(): string {
    return this.#target.name;
  }

  /** The value, from the cache or computed, as a call of the method returns it. */
  async get(...args: Args): Promise<Result> {
    return (await this.#runtime.answer(this.#running(args))) as Result;
  }

  /**
   * The value and its metadata.
   * @example const [user, metadata] = await cache.for(UsersService, 'find').getWithMetadata(42);
   */
  async getWithMetadata(...args: Args): Promise<[value: Result, metadata: CacheMetadata]> {
    const call = this.#running(args);
    const value = (await this.#runtime.answer(call)) as Result;
    return [value, call.metadata];
  }

  /** The cached value, or `CACHE_MISSING`; never runs the method. */
  async getCacheOnly(...args: Args): Promise<Result | typeof CACHE_MISSING> {
    const call = this.#call(args);
    const outer = currentLoad();
    const entry = await this.#cached(call, outer);
    const status = entry === undefined ? this.#statusOfNothing() : this.#statusOf(entry);
    call.target.counters.count(status);
    return entry === undefined ? CACHE_MISSING : (this.#runtime.engine.serve(call, entry, status) as Result);
  }

  /** Times at which the cached value was stored and stops being fresh; `null` if nothing is cached. */
  async getCachedMetadata(...args: Args | [request: RequestDescription]): Promise<CacheMetadata | null> {
    const entry = await this.#cached(this.#call(args));
    return entry === undefined ? null : metadataOf(this.#statusOf(entry), entry);
  }

  /**
   * What is stored for these arguments, fresh or stale: its key, tags, age, size and value. Never runs the method, and counts as no
   * call.
   */
  async inspect(...args: Args | [request: RequestDescription]): Promise<CacheInspection> {
    const call = this.#call(args);
    const entry = await this.#cached(call);
    if (entry === undefined)
      return { ...metadataOf('MISS', undefined), key: call.key, tags: call.tags(), bytes: null };
    return {
      ...metadataOf(this.#statusOf(entry), entry),
      key: call.key,
      tags: entry.stamp.tags,
      bytes: entry.size,
      value: this.#target.values.present(entry.value),
    };
  }

  /** The key under which a call of these arguments is stored. */
  getCacheKey(...args: Args | [request: RequestDescription]): string {
    return this.#call(args).key;
  }

  /** Runs the method and replaces the cached value; never takes the value of a call already running. */
  async refresh(...args: Args): Promise<Result> {
    const call = this.#running(args);
    return (await (call.isKeyed && !this.#target.isScoped && this.#runtime.mayUse()
      ? this.#runtime.engine.refresh(call)
      : this.#runtime.engine.bypass(call))) as Result;
  }

  /** Runs the method without reading or storing. */
  async bypassCache(...args: Args): Promise<Result> {
    return (await this.#runtime.engine.bypass(this.#running(args))) as Result;
  }

  /** Drops the cached value for these arguments; the value of a running call is not stored. */
  async deleteCache(...args: Args | [request: RequestDescription]): Promise<Delivery> {
    return this.#runtime.invalidate([this.#target.keyTag(this.#tagged(args))], 'purge');
  }

  /**
   * Drops all cached values of a partition.
   * @param values partition field → value, e.g. `{ user: 42 }`; a string and a number of one spelling are one value
   * @throws PartitionError unless the fields are a declared combination of the key's partition fields
   */
  async deleteByPrefix(values: PartitionValues): Promise<Delivery> {
    return this.#runtime.invalidate([this.#target.partitionTag(values)], 'purge');
  }

  /** The same as {@link deleteByPrefix}. */
  deletePartition(values: PartitionValues): Promise<Delivery> {
    return this.deleteByPrefix(values);
  }

  /** Drops all cached values of the method. */
  async invalidateAll(): Promise<Delivery> {
    return this.#runtime.invalidate([this.#target.methodTag], 'purge');
  }

  /** A call that may run the method. */
  #running(args: Args): Call {
    if (this.#target.definition.kind === 'response') {
      throw new CacheUsageError(
        'CACHE_HANDLER',
        `${this.name} is a controller handler: it runs only for a request. Use getCacheKey, getCachedMetadata, deleteCache, ` +
          `deleteByPrefix or invalidateAll.`,
      );
    }
    return this.#runtime.call(this.#target, this.#access.instance(), args);
  }

  /** A call that reads an entry and never runs the method. */
  #call(args: Args | [RequestDescription]): Call {
    if (this.#target.definition.kind === 'result') return this.#target.call(undefined, args);
    return this.#access.describe(this.#target, (args[0] ?? {}) as RequestDescription);
  }

  /** A call that names what is dropped. */
  #tagged(args: Args | [RequestDescription]): Call {
    if (this.#target.definition.kind === 'result') return this.#target.tagged(args);
    return this.#access.tagged(this.#target, (args[0] ?? {}) as RequestDescription);
  }

  /** @param outer the load to which a missing entry is reported */
  async #cached(call: Call, outer?: LoadContext): Promise<Entry | undefined> {
    const { engine } = this.#runtime;
    if (!this.#runtime.mayUse()) return undefined;
    const reading = await engine.reader.read(call);
    const now = engine.clock.now();
    const isThere =
      reading instanceof Entry && (reading.isFresh(now) || engine.mayServeStale(call, reading, now));
    if (isThere) return reading;
    if (outer !== undefined) reportMissing(call, reading, outer);
    return undefined;
  }

  #statusOfNothing(): CacheStatus {
    return this.#runtime.mayUse() ? CacheStatus.MISS : CacheStatus.BYPASS;
  }

  #statusOf(entry: Entry): CacheStatus {
    return entry.isFresh(this.#runtime.engine.clock.now()) ? CacheStatus.HIT : CacheStatus.STALE;
  }
}
