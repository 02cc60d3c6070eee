import { Stamp } from '../stores/stamp.js';
import { StoreUnavailableError, type CacheStore } from '../stores/store.interface.js';
import { Call, type CallContext, type CacheTarget, type CachePolicy, type BatchSeat } from './engine/call.js';
import type { CacheEngine } from './engine/engine.js';
import { reportLoad } from './engine/enclosing-load.js';
import { currentLoad } from './engine/load-context.js';

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
  VALUE_OPTIONS,
} from './definition.js';
import { isLocalStamp } from './engine/outage.js';
import { encodeUserText } from './key-space.js';
import { type TypeOption, KnownClasses, classesOf } from './values/classes.js';
import { type Isolation, type ValueHandling, assertIsolation, isolateValues } from './values/isolation.js';

/**
 * The stamp for a value that takes the place of what is there: that is dropped first, for who has it in the memory of another process, or
 * made something from it; `undefined` when the store did not take that. What the caller's load looked up in vain it has not to drop.
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

/** Stores a value that was computed elsewhere, under the stamp that was read before it was. */
export async function manualSet(
  { loads, writer }: CacheEngine,
  call: Call,
  value: unknown,
  stamp: Stamp | undefined,
): Promise<void> {
  const load = loads.beginReplacement(call.key, stamp, call.target.store);
  const written = await writer.write(call, load, value);
  if (written.isStored === true) call.entry = written.entry;
  const outer = currentLoad();
  if (outer?.missed.has(call.key) === true) reportLoad(call, load, outer);
}

/**
 * Options of `CacheService.getOrSet` and `set`.
 *
 * @publicApi
 */
export interface KeyedOptions extends CommonOptions {
  /** Tags of your own, to be dropped with `invalidateTags`. */
  tags?: readonly string[] | undefined;
  /** One of `forRoot({ stores })`. */
  store?: string | undefined;
  /** The classes of the instances in the value, where they are no entities. */
  type?: TypeOption | undefined;
  /** Default `'clone'`. */
  isolation?: Isolation | undefined;
}

const { store, type, isolation } = METHOD_OPTIONS;
const OPTIONS: OptionTable<KeyedOptions> = {
  rows: {
    ...VALUE_OPTIONS,
    tags: [isTextList, `a list of texts, e.g. ['users']`],
    store,
    type,
    isolation,
  },
  example: `an object: { ttl: '5m' }`,
  exclusive: [ONE_CONDITION],
};

/** Characters of a key that messages show. */
const MAX_SHOWN = 100;

/** No method has the empty name: under it stand the entries that are named by hand. */
const BY_HAND = '';

/** A value cached by hand under a key of the user's. */
export class ManualTarget implements CacheTarget {
  readonly name: string;
  readonly topic = 'getOrSet';
  readonly store: CacheStore;
  readonly policy: CachePolicy;
  readonly values: ValueHandling;
  readonly hasOwnTags: boolean;
  readonly counters: MethodCounters;
  readonly #tags: readonly string[];
  readonly #keyTag: string;

  constructor(
    runtime: CacheRuntime,
    key: string,
    options: KeyedOptions,
    private readonly loader: () => unknown,
    readonly seat?: BatchSeat,
  ) {
    assertKey(key);
    this.name = `the key '${key.length > MAX_SHOWN ? `${key.slice(0, MAX_SHOWN)}…` : key}'`;
    this.counters = runtime.counters.byHand;
    assertLoader(loader, this.name);
    checkOptions(OPTIONS, options, this.name);
    const policy = normalisePolicy(options, this.name, []);
    this.policy = { ...policy, ttl: policy.ttl ?? runtime.settings.ttl };
    this.store = runtime.store(options.store, this.name);
    const isolation = options.isolation ?? 'clone';
    assertIsolation(isolation, this.store.keepsReferences, this.name);
    const classes = new KnownClasses(runtime.classes);
    if (options.type !== undefined) classesOf(options.type, this.name).forEach((one) => classes.add(one));
    this.values = isolateValues(isolation, classes);
    const { space } = runtime;
    const own = (options.tags ?? []).map((tag) => space.userTag(tag));
    this.hasOwnTags = own.length > 0;
    this.#keyTag = manualKeyTag(runtime, key);
    this.#tags = [space.allTag, this.#keyTag, ...own];
  }

  tags(call: Call): readonly string[] {
    return call.ambient === undefined ? this.#tags : [...this.#tags, this.#keyTag + call.ambient.text];
  }

  async load(): Promise<unknown> {
    return this.loader();
  }
}

function assertKey(key: unknown): void {
  if (isText(key)) return;
  throw new CacheUsageError(
    'CACHE_KEY',
    `A cache key must be a string that is not empty, not ${describe(key)}.`,
  );
}

/** A call of something cached by hand; where the context cannot be read, one that can only bypass the cache. */
export function manualCall(
  runtime: CacheRuntime,
  key: string,
  options: KeyedOptions,
  loader: () => unknown,
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
 * @param ambient the context that is meant; all of them without it
 */
export function manualKeyTag(runtime: CacheRuntime, key: string, ambient?: CallContext): string {
  assertKey(key);
  return runtime.space.keyTagPrefix(BY_HAND) + encodeUserText(key) + (ambient?.text ?? '');
}

/** @throws CacheUsageError when an entry under this stamp would not be found by its own key and tags */
export function assertStampCovers(call: Call, stamp: Stamp): void {
  if (!(stamp instanceof Stamp)) {
    throw new CacheUsageError(
      'CACHE_STAMP',
      `The stamp given to set() for ${call.target.name} is ${describe(stamp)}. Take it before the value is read: ` +
        `cache.stamp(key, { tags }).`,
    );
  }
  const missing = call.tags().filter((tag) => !stamp.tags.includes(tag));
  // While the store did not answer it could not be told which tags stand how: then nothing is stored.
  if (missing.length === 0 || isLocalStamp(stamp)) return;
  throw new CacheUsageError(
    'CACHE_STAMP',
    `The stamp given to set() for ${call.target.name} does not cover ${missing.join(', ')}. Take it for the same key and ` +
      `tags: cache.stamp(key, { tags }).`,
  );
}
