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
  /** `meta.namespace` of its key constructor; `null` without one. */
  readonly namespace: string | null;
  /** By which entries can be dropped. */
  readonly partitionFields: readonly string[];
  /** Rules that drop its values. */
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
  /** With `expire`, dropped values may be served as stale while they reload. */
  readonly mode: 'purge' | 'expire';
  /** Name of the dispatcher that runs it. */
  readonly dispatcher: string;
  /**
   * Values that a change drops: `all`, those of an `invalidator`, those whose loads read the changed table (`auto`), or those of the partition
   * fields it maps.
   */
  readonly drops: 'all' | 'invalidator' | 'auto' | readonly string[];
  /** Left out if dropped values are not computed again. */
  readonly rewarm?: true | undefined;
}

/**
 * Result of `cache.status()`.
 *
 * @publicApi
 */
export interface CacheReport {
  /** True if the cache is switched on now. */
  readonly enabled: boolean;
  /** Prefix of all keys. */
  readonly namespace: string;
  /** The kind of each store, by its name. */
  readonly stores: Readonly<Record<string, string>>;
  /** Every cached method that is known so far. */
  readonly methods: readonly MethodReport[];
  /**
   * Warnings of the boot: rules that can never fire, paths that no entity has, partitions that no rule reaches. And of the loads so far:
   * tables that they read and no rule of their method covers.
   */
  readonly advice: readonly string[];
}

/** A table that a load of a method has read, and that none of its rules covers. */
export interface UncoveredLoad {
  /** As in `cache.status()`. */
  readonly method: string;
  /** Its name in the database. */
  readonly table: string;
  /** Name of the entity of the table; `undefined` if it has none. */
  readonly entity: string | undefined;
  /** What is wrong, and the line to write. */
  readonly line: string;
}
