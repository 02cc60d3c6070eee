import { CacheUsageError } from '../common/errors.js';
import type { PartitionValues } from '../keys/key.interface.js';
import { Entry } from '../stores/store.interface.js';
import type { CacheRuntime, Delivery } from './cache-runtime.js';
import { CACHE_MISSING, type CacheMetadata, CacheStatus, type Call, metadataOf } from './engine/call.js';
import { reportMissing } from './engine/enclosing-load.js';
import { currentLoad, type LoadContext } from './engine/load-context.js';
import type { MethodTarget } from './method-target.js';

/**
 * An HTTP request, as far as a handler's key reads it.
 *
 * @publicApi
 */
export interface RequestDescription {
  /** Where the handler caches several. Default: the first of its `methods`. */
  readonly method?: string | undefined;
  /** Route parameters, as text. Default none. */
  readonly params?: Readonly<Record<string, string>> | undefined;
  /** As the platform parses it. Default none. */
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  /** In any case; `host` among them, where keys of several hosts are told apart. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** As a parser makes them. Default none. */
  readonly cookies?: Readonly<Record<string, string>> | undefined;
  /** What a guard would set as `request.user`. */
  readonly user?: unknown;
  /** As it is parsed; of the type that `headers` say, or else JSON. */
  readonly body?: unknown;
}

/** How a cached method finds the instance to call, and a handler the key of a request. */
export interface MethodAccess {
  /** The instance whose method is run for `get`, `refresh` and `bypassCache`. */
  instance(): object;
  /** The call that names the entry of a request to a handler. */
  describe(target: MethodTarget, request: RequestDescription): Call;
  /** A call that has the tags of a request to a handler, and no key. */
  tagged(target: MethodTarget, request: RequestDescription): Call;
}

/**
 * A decorated method, by hand: read it, refresh it, drop what it cached. `Args` and `Result` are the method's own.
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

  /** The value, from the cache or computed: the same as calling the method. */
  async get(...args: Args): Promise<Result> {
    return (await this.#runtime.answer(this.#running(args))) as Result;
  }

  /**
   * The value, and where it came from.
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

  /** When the cached value was stored and until when it is fresh; `null` when nothing is cached. */
  async getCachedMetadata(...args: Args | [request: RequestDescription]): Promise<CacheMetadata | null> {
    const entry = await this.#cached(this.#call(args));
    return entry === undefined ? null : metadataOf(this.#statusOf(entry), entry);
  }

  /** The key under which a call of these arguments is stored. */
  getCacheKey(...args: Args | [request: RequestDescription]): string {
    return this.#call(args).key;
  }

  /** Runs the method and stores its value over what is cached; never takes the value of a call already in flight. */
  async refresh(...args: Args): Promise<Result> {
    const call = this.#running(args);
    return (await (call.isKeyed && this.#runtime.mayUse()
      ? this.#runtime.engine.refresh(call)
      : this.#runtime.engine.bypass(call))) as Result;
  }

  /** Runs the method without reading or storing. */
  async bypassCache(...args: Args): Promise<Result> {
    return (await this.#runtime.engine.bypass(this.#running(args))) as Result;
  }

  /** Drops what is cached for these arguments; a call in flight is not stored. */
  async deleteCache(...args: Args | [request: RequestDescription]): Promise<Delivery> {
    return this.#runtime.invalidate([this.#target.keyTag(this.#tagged(args))], 'purge');
  }

  /**
   * Drops everything in a partition.
   * @param values partition field → value, e.g. `{ user: 42 }`; a string and a number of one spelling are one value
   * @throws PartitionError when the fields are no declared subset of the key's partition fields
   */
  async deleteByPrefix(values: PartitionValues): Promise<Delivery> {
    return this.#runtime.invalidate([this.#target.partitionTag(values)], 'purge');
  }

  /** The same as {@link deleteByPrefix}. */
  deletePartition(values: PartitionValues): Promise<Delivery> {
    return this.deleteByPrefix(values);
  }

  /** Drops everything the method cached. */
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

  /** A call that only names an entry. */
  #call(args: Args | [RequestDescription]): Call {
    if (this.#target.definition.kind === 'result') return this.#target.call(undefined, args);
    return this.#access.describe(this.#target, (args[0] ?? {}) as RequestDescription);
  }

  /** A call that names what is dropped. */
  #tagged(args: Args | [RequestDescription]): Call {
    if (this.#target.definition.kind === 'result') return this.#target.tagged(args);
    return this.#access.tagged(this.#target, (args[0] ?? {}) as RequestDescription);
  }

  /** @param outer the load that is told where there is nothing */
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
