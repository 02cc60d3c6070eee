/**
 * A cached method, as `cache.status()` lists it.
 *
 * @publicApi
 */
export interface MethodReport {
  /** `Class.method`, or the `name` that its decorator gives. */
  readonly name: string;
  /** A method of a provider, or a handler. */
  readonly kind: 'result' | 'response';
  /** Its name in `forRoot({ stores })`; `default` where it has none. */
  readonly store: string;
  /** In seconds, `Infinity` for no expiry; `null` if it is a function. */
  readonly ttl: number | null;
  /** That of its key constructor, where it has one. */
  readonly namespace: string | null;
  /** By which entries can be dropped. */
  readonly partitionFields: readonly string[];
  /** What drops it. */
  readonly rules: readonly RuleReport[];
}

/**
 * An invalidation rule, as `cache.status()` lists it.
 *
 * @publicApi
 */
export interface RuleReport {
  /** Unique in the application. */
  readonly id: string;
  /** The name of its entity. */
  readonly entity: string;
  /** Whether what it hits may be served as stale while it is loaded anew. */
  readonly mode: 'purge' | 'expire';
  /** The name of the one that carries it out. */
  readonly dispatcher: string;
  /** What a change drops: `all`, `invalidator`, or the partition fields it maps. */
  readonly drops: 'all' | 'invalidator' | readonly string[];
  /** Left out where what is dropped is not computed anew. */
  readonly rewarm?: true | undefined;
}

/**
 * What `cache.status()` answers.
 *
 * @publicApi
 */
export interface CacheReport {
  /** Whether the cache is switched on now. */
  readonly enabled: boolean;
  /** What all keys begin with. */
  readonly namespace: string;
  /** The kind of each store, by its name. */
  readonly stores: Readonly<Record<string, string>>;
  /** Every cached method that is known so far. */
  readonly methods: readonly MethodReport[];
  /** What the boot warned of: rules that can never fire, paths that entities have not, partitions that no rule reaches. */
  readonly advice: readonly string[];
}
