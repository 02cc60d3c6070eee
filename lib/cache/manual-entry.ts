import { Stamp } from '../stores/stamp.js';
import { StoreUnavailableError, type CacheStore } from '../stores/store.interface.js';
import {
  CACHE_MISSING,
  Call,
  type CallContext,
  type CacheTarget,
  type CachePolicy,
  type BatchSeat,
} from './engine/call.js';
import type { CacheEngine } from './engine/engine.js';
import { reportLoad } from './engine/enclosing-load.js';
import { currentLoad, type TableTags } from './engine/load-context.js';
import { CacheUsageError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import { assertLoader, checkOptions, isText, isTextList, type OptionTable } from '../common/options.js';
import type { MethodCounters } from '../observability/metrics.js';
import type { CacheRuntime } from './cache-runtime.js';
import {
  type CommonOptions,
  METHOD_OPTIONS,
  normalisePolicy,
  ONE_CONDITION,
  type ValueTags,
  VALUE_OPTIONS,
} from './definition.js';
import { isLocalStamp } from './engine/outage.js';
import { encodeUserText } from './key-space.js';
import { userTagsOf } from './method-target.js';
import { type TypeOption, KnownClasses, classesOf } from './values/classes.js';
import { type Isolation, type ValueHandling, assertIsolation, isolateValues } from './values/isolation.js';

/**
 * Options of `CacheService.getOrSet` and `set`.
 *
 * @publicApi
 */
export interface KeyedOptions extends CommonOptions {
  /** Tags by which `invalidateTags` drops the value. */
  tags?: readonly string[] | undefined;
  /**
   * `'auto'`: committed changes of the tables that the loader reads drop the value; `[]`: none does. Default: `invalidatesOn` of the
   * module. `set` has no loader and ignores it.
   */
  invalidatesOn?: 'auto' | readonly never[] | undefined;
  /** One of `forRoot({ stores })`. */
  store?: string | undefined;
  /** The classes of the instances in the value, except entities. */
  type?: TypeOption | undefined;
  /** Default `'clone'`. */
  isolation?: Isolation | undefined;
  /** Larger values, by their estimated bytes in memory, are returned and not stored. Default 4 MiB. */
  maxValueBytes?: number | undefined;
}

const { store, type, isolation, maxValueBytes } = METHOD_OPTIONS;
const OPTIONS: OptionTable<KeyedOptions> = {
  rows: {
    ...VALUE_OPTIONS,
    tags: [isTextList, `a list of texts, e.g. ['users']`],
    invalidatesOn: [
      (value) => value === 'auto' || (Array.isArray(value) && value.length === 0),
      `'auto' or []; rules are for decorated methods`,
    ],
    store,
    type,
    isolation,
    maxValueBytes,
  },
  example: `an object: { ttl: '5m' }`,
  exclusive: [ONE_CONDITION],
};

/** Characters of a key that messages show. */
const MAX_SHOWN = 100;

/** The answer of a loader that its previous value is still right. */
const NOT_MODIFIED = Symbol('not modified');

function notModified(): never {
  return NOT_MODIFIED as never;
}

/**
 * Argument of the loader of `getOrSet`.
 *
 * @publicApi
 */
export interface LoaderContext<T> {
  /**
   * A copy of the value that is being replaced: past its lifetime and within `staleWhileRevalidate` or `staleIfError`, or about to expire
   * (`refreshAhead`). `undefined` without one.
   */
  readonly previous: T | undefined;
  /** Return its result where `previous` is still right: it is stored for another lifetime. */
  notModified(): T;
}

type ManualLoader = (context: LoaderContext<never>) => unknown;

/** The loader of calls that only look up. */
export const NOTHING = (): typeof CACHE_MISSING => CACHE_MISSING;

/** Name of the method in keys by hand: empty, as no method is called. */
const BY_HAND = '';

/** A call of a value cached by hand. If `keyContext` cannot be read, it has no key, and bypasses the cache. */
export function manualCall(
  runtime: CacheRuntime,
  key: string,
  options: KeyedOptions,
  loader: ManualLoader,
  seat?: BatchSeat,
): Call {
  const call = new Call(new ManualTarget(runtime, key, options, loader, seat), undefined, []);
  try {
    call.ambient = runtime.keyContext?.context();
  } catch (error) {
    runtime.log.warn('unkeyed by hand', `${call.target.name} was not cached: ${(error as Error).message}`);
    return call;
  }
  call.key = runtime.space.entryPrefix(BY_HAND) + (call.ambient?.text ?? '') + encodeUserText(key);
  return call;
}

/**
 * The tag of a key cached by hand.
 * @param ambient the context; without it, the tag covers all contexts
 */
export function manualKeyTag(runtime: CacheRuntime, key: string, ambient?: CallContext): string {
  assertKey(key);
  return runtime.space.keyTagPrefix(BY_HAND) + encodeUserText(key) + (ambient?.text ?? '');
}

/**
 * Drops the entry that a value replaces, and reads the stamp for the value. Without the drop, other processes would serve the old value
 * from their memory, and values made from it would stay. Nothing is dropped for a key that the caller's load looked up and did not find.
 * @returns `undefined` if the store did not take the drop: then the value must not be stored
 */
export async function dropThenStamp(
  { log, reader }: CacheEngine,
  call: Call,
  keyTag: string,
): Promise<Stamp | undefined> {
  const { name, store, topic } = call.target;
  if (currentLoad()?.missed.has(call.key) === true) return reader.stamp(call);
  try {
    await store.bump([keyTag], 'purge');
  } catch (error) {
    if (!(error instanceof StoreUnavailableError))
      log.error(`replace ${topic}`, `A value of ${name} was not replaced`, error);
    return undefined;
  }
  return reader.stamp(call);
}

/** @throws CacheUsageError if the stamp lacks a tag of the call, so that an invalidation would not reach the entry */
export function assertStampCovers(call: Call, stamp: Stamp): void {
  if (!(stamp instanceof Stamp)) {
    throw new CacheUsageError(
      'CACHE_STAMP',
      `The stamp given to set() for ${call.target.name} is ${describe(stamp)}. Take it before the value is read: ` +
        `cache.stamp(key, { tags }).`,
    );
  }
  const missing = call.tags().filter((tag) => !stamp.tags.includes(tag));
  // A local stamp has no tags of the store; nothing is stored under it.
  if (missing.length === 0 || isLocalStamp(stamp)) return;
  throw new CacheUsageError(
    'CACHE_STAMP',
    `The stamp given to set() for ${call.target.name} does not cover ${missing.join(', ')}. Take it for the same key and ` +
      `tags: cache.stamp(key, { tags }).`,
  );
}

/** Stores a value under a stamp that was read before the value was computed. */
export async function manualSet(
  { loads, writer }: CacheEngine,
  call: Call,
  value: unknown,
  stamp: Stamp | undefined,
): Promise<void> {
  const load = loads.beginReplacement(call.key, stamp, call.target.store);
  const written = await writer.write(call, load, value);
  if (written.isStored === true) call.entry = written.entry;
  const enclosing = currentLoad();
  if (enclosing?.missed.has(call.key) === true) reportLoad(call, load, enclosing);
}

/** A value cached by hand, under a key of the user. */
export class ManualTarget implements CacheTarget {
  readonly name: string;
  readonly topic = 'getOrSet';
  readonly store: CacheStore;
  readonly policy: CachePolicy;
  readonly values: ValueHandling;
  readonly hasOwnTags: boolean;
  readonly counters: MethodCounters;
  writes = false;
  readonly verify: KeyedOptions['verify'];
  readonly tableTags: TableTags | undefined;
  readonly learnsTags: boolean;
  readonly #tags: readonly string[];
  readonly keyTag: string;

  constructor(
    private readonly runtime: CacheRuntime,
    key: string,
    private readonly options: KeyedOptions,
    private readonly loader: ManualLoader,
    readonly seat?: BatchSeat,
  ) {
    assertKey(key);
    this.name = `the key '${key.length > MAX_SHOWN ? `${key.slice(0, MAX_SHOWN)}…` : key}'`;
    this.counters = runtime.counters.byHand;
    assertLoader(loader, this.name);
    checkOptions(OPTIONS, options, this.name);
    this.learnsTags = options.valueTags !== undefined;
    this.verify = loader === NOTHING ? false : options.verify;
    const policy = normalisePolicy(options, this.name, []);
    this.policy = { ...policy, ttl: policy.ttl ?? runtime.settings.ttl };
    this.store = runtime.store(options.store, this.name);
    const isolation = options.isolation ?? 'clone';
    assertIsolation(isolation, this.store.keepsReferences, this.name);
    const classes = new KnownClasses(runtime.classes);
    if (options.type !== undefined)
      classesOf(options.type, this.name).forEach((one) => runtime.know(one, classes));
    this.values = isolateValues(isolation, classes, options.maxValueBytes);
    const { space } = runtime;
    const own = (options.tags ?? []).map((tag) => space.userTag(tag));
    this.keyTag = manualKeyTag(runtime, key);
    const isAuto =
      options.invalidatesOn === undefined ? runtime.settings.isAuto : options.invalidatesOn === 'auto';
    if (isAuto) runtime.onAuto?.();
    this.hasOwnTags = own.length > 0 || isAuto;
    this.tableTags = isAuto ? space : undefined;
    this.#tags = [space.allTag, ...(isAuto ? [space.autoTag] : []), this.keyTag, ...own];
  }

  valueTags(call: Call, value: unknown): readonly string[] {
    const { valueTags } = this.options;
    const names = (valueTags as ValueTags | undefined)?.(value, call.context) ?? [];
    return userTagsOf(this.runtime.space, this.name, names);
  }

  tags(call: Call): readonly string[] {
    return call.ambient === undefined ? this.#tags : [...this.#tags, this.keyTag + call.ambient.text];
  }

  async load(call: Call): Promise<unknown> {
    const previous = call.previous === undefined ? undefined : this.values.present(call.previous.value);
    const value = await this.loader({ previous: previous as never, notModified });
    if (value !== NOT_MODIFIED) return value;
    // Another copy: the loader may have changed its own.
    if (call.previous !== undefined) return this.values.present(call.previous.value);
    throw new CacheUsageError(
      'CACHE_LOADER',
      `The loader of ${this.name} answered notModified() without a previous value. Ask first: if (previous !== undefined && …).`,
    );
  }
}

function assertKey(key: unknown): void {
  if (isText(key)) return;
  throw new CacheUsageError(
    'CACHE_KEY',
    `A cache key must be a string that is not empty, not ${describe(key)}.`,
  );
}
