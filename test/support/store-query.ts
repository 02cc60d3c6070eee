import type { StoreQuery } from '../../lib/stores/index.js';
import { uniqueName } from './unique.js';

/** What a store is asked for, with values that need no packing. */
export function storeQuery(key: string, ...tags: string[]): StoreQuery {
  return {
    key,
    tags: () => tags,
    values: { encode: (data) => ({ data, flags: 0, size: 1 }), decode: ({ data }) => data },
  };
}

/** The same, of a key and two tags that nobody else has. */
export function uniqueQuery(): StoreQuery {
  const key = uniqueName('query');
  return storeQuery(key, `${key}:a`, `${key}:b`);
}
