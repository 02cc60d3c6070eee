import { createHash } from 'node:crypto';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { type CacheStore, Entry, type StoreQuery, type ValueCodec } from '../../stores/store.interface.js';
import { Stamp } from '../../stores/stamp.js';

/** A schema that no process has started with for so long counts as new. Milliseconds. */
const KEPT_MS = 365 * 86_400_000;

const PLAIN: ValueCodec = {
  encode: (stored) => ({ data: stored, flags: 0, size: 1 }),
  decode: ({ data }) => data,
};
const NO_TAGS: readonly string[] = [];

/**
 * The migrations and schemas that processes of the namespace have started with, in each shared store. Entries that were cached before
 * a new one may show what a migration has changed, where nobody watched it.
 */
export class SchemaRecord {
  readonly #stores: readonly CacheStore[];

  constructor(private readonly runtime: CacheRuntime) {
    this.#stores = [...new Set(runtime.settings.stores.values())].filter((store) => !store.keepsReferences);
  }

  /**
   * Notes a schema. Never rejects: a store that does not answer knows none.
   * @returns whether a store did not know it
   */
  async isNew(schema: string): Promise<boolean> {
    const known = await Promise.all(this.#stores.map((store) => this.#note(store, schema)));
    return known.includes(false);
  }

  /** @returns whether the store knew it */
  async #note(store: CacheStore, schema: string): Promise<boolean> {
    const digest = createHash('sha256').update(schema).digest('base64url').slice(0, 22);
    const query: StoreQuery = {
      key: `${this.runtime.space.manifestKey}:schema:${digest}`,
      values: PLAIN,
      tags: () => NO_TAGS,
    };
    try {
      const isKnown = (await store.get(query)) instanceof Entry;
      const now = this.runtime.settings.clock.now();
      const { epoch } = await store.stamp([this.runtime.space.manifestTag]);
      await store.set(query, new Entry(1, now, now, now + KEPT_MS, new Stamp(epoch, NO_TAGS, []), 1));
      return isKnown;
    } catch {
      return false;
    }
  }
}
