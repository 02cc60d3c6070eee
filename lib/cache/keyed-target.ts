import type { MethodCounters } from '../observability/metrics.js';
import type { CacheStore } from '../stores/store.interface.js';
import { Call, type BatchSeat, type CacheTarget } from './engine/call.js';
import type { CacheRuntime } from './cache-runtime.js';
import { encodeOwn } from './key-space.js';
import { assertMethodOptions, normalisePolicy, VALUE_OPTIONS, type CommonOptions } from './definition.js';
import { assertLoader, describeOption, isText } from '../common/options.js';
import { CacheUsageError } from '../common/errors.js';
import type { CachePolicy } from './engine/policy.js';
import { assertIsolation, isolateValues, type Isolation, type ValueHandling } from './values/isolation.js';
import { classesOf, KnownClasses, type TypeOption } from './values/known-classes.js';

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

const OPTIONS = new Set<string>([
  ...VALUE_OPTIONS,
  'tags',
  'store',
  'type',
  'isolation',
] satisfies (keyof KeyedOptions)[]);

/** Characters of a key that messages show. */
const MAX_SHOWN = 100;

/** No method has the empty name: under it stand the entries that are named by hand. */
const BY_HAND = '';

/** A value cached by hand under a key of the user's. */
export class KeyedTarget implements CacheTarget {
  readonly name: string;
  readonly topic = 'getOrSet';
  readonly store: CacheStore;
  readonly policy: CachePolicy;
  readonly values: ValueHandling;
  readonly hasOwnTags: boolean;
  readonly counters: MethodCounters;
  readonly #tags: readonly string[];

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
    assertMethodOptions(options, OPTIONS, this.name);
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
    this.#tags = [space.allTag, keyedTag(runtime, key), ...own];
  }

  tags(): readonly string[] {
    return this.#tags;
  }

  async load(): Promise<unknown> {
    return this.loader();
  }
}

function assertKey(key: unknown): void {
  if (isText(key)) return;
  throw new CacheUsageError(
    'CACHE_KEY',
    `A cache key must be a string that is not empty, not ${describeOption(key)}.`,
  );
}

/** A call of something cached by hand. */
export function keyedCall(
  runtime: CacheRuntime,
  key: string,
  options: KeyedOptions,
  loader: () => unknown,
  seat?: BatchSeat,
): Call {
  const call = new Call(new KeyedTarget(runtime, key, options, loader, seat), undefined, []);
  call.key = runtime.space.entryPrefix(BY_HAND) + encodeOwn(key);
  return call;
}

/** The tag of a key cached by hand. */
export function keyedTag(runtime: CacheRuntime, key: string): string {
  assertKey(key);
  return runtime.space.keyTagPrefix(BY_HAND) + encodeOwn(key);
}
