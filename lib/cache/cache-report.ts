/** A cached method, as `cache.status()` lists it. */
export interface MethodReport {
  readonly name: string;
  readonly kind: 'result' | 'response';
  readonly store: string;
  /** `null` where the lifetime is a function; seconds otherwise, `Infinity` for no expiry. */
  readonly ttl: number | null;
  readonly namespace: string | null;
  readonly partitionFields: readonly string[];
  readonly rules: readonly RuleReport[];
}

/** An invalidation rule, as `cache.status()` lists it. */
export interface RuleReport {
  readonly id: string;
  readonly entity: string;
  readonly mode: 'purge' | 'expire';
  readonly dispatcher: string;
  /** What a change drops: `all`, `invalidator`, or the partition fields it maps. */
  readonly drops: 'all' | 'invalidator' | readonly string[];
  /** Left out where what is dropped is not computed anew. */
  readonly rewarm?: true;
}

/**
 * What `cache.status()` answers.
 *
 * @publicApi
 */
export interface CacheReport {
  readonly enabled: boolean;
  readonly namespace: string;
  readonly stores: Readonly<Record<string, string>>;
  readonly methods: readonly MethodReport[];
  /** What the boot warned of: rules that can never fire, paths that entities have not, partitions that no rule reaches. */
  readonly advice: readonly string[];
}
