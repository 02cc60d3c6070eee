/** The parts of Keyv 5 that the store uses. */
export interface KeyvLike {
  get(key: string): Promise<unknown>;
  getMany?(keys: string[]): Promise<unknown[]>;
  set(key: string, value: unknown, ttl?: number): Promise<unknown>;
  readonly store?: unknown;
}

/** The parts of a cache-manager 7 cache that the store uses. */
export interface CacheLike {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown, ttl?: number): Promise<unknown>;
  readonly stores: readonly KeyvLike[];
}

export function isCache(value: unknown): value is CacheLike {
  const candidate = value as Partial<CacheLike> | null;
  return (
    typeof candidate?.get === 'function' && Array.isArray(candidate.stores) && candidate.stores.length > 0
  );
}

export function isKeyv(value: unknown): value is KeyvLike {
  const candidate = value as (Partial<KeyvLike> & { opts?: unknown }) | null;
  return (
    typeof candidate?.get === 'function' &&
    typeof candidate.set === 'function' &&
    candidate.opts !== undefined
  );
}
