import { type CacheStore, memoryStore } from '../../lib/index.js';
import { Entry, type StoreQuery, StoreUnavailableError } from '../../lib/stores/store.interface.js';

/** A store that several applications of a test share, as processes share one; it may be made to fail. */
export class SharedMemory implements CacheStore {
  readonly kind = 'shared memory';
  readonly keepsReferences = false;
  readonly #memory = memoryStore();
  isDown = false;
  #lastTags: readonly string[] = [];
  touch?: CacheStore['touch'];

  get(query: StoreQuery): ReturnType<CacheStore['get']> {
    this.#assertUp();
    this.#lastTags = query.tags();
    const reading = this.#memory.get(query);
    if (!(reading instanceof Entry)) return reading;
    return reading.with(query.values.decode(reading.value as never, false));
  }

  set(query: StoreQuery, entry: Entry): ReturnType<CacheStore['set']> {
    this.#assertUp();
    return this.#memory.set(query, entry.with(structuredClone(query.values.encode(entry.value))));
  }

  /** The tags that were asked for last. */
  stampedTags(): readonly string[] {
    return this.#lastTags;
  }

  stamp(...of: Parameters<CacheStore['stamp']>): ReturnType<CacheStore['stamp']> {
    this.#assertUp();
    this.#lastTags = of[0];
    return this.#memory.stamp(...of);
  }

  judge(...of: Parameters<CacheStore['judge']>): ReturnType<CacheStore['judge']> {
    this.#assertUp();
    return this.#memory.judge(...of);
  }

  bump(...of: Parameters<CacheStore['bump']>): ReturnType<CacheStore['bump']> {
    this.#assertUp();
    return this.#memory.bump(...of);
  }

  sweep(...of: Parameters<CacheStore['sweep']>): ReturnType<CacheStore['sweep']> {
    return this.#memory.sweep(...of);
  }

  #assertUp(): void {
    if (this.isDown) throw new StoreUnavailableError('the store is down');
  }
}
