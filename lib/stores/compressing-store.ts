import type { Compression } from './compression.js';
import { compressValue, EncodedValue, openValue, PLAIN } from './encoded-value.js';
import { type CacheStore, Entry, type StoreQuery } from './store.interface.js';
import { GuardedStore } from './guarded-store.js';
import type { Stamp } from './stamp.js';

/**
 * A guarded store whose values are encoded, and where they are large may be compressed, in other threads: outside of the guard,
 * since a value that takes long, or has no encoding, says nothing of the store. What is compressed is read with the option or
 * without.
 */
export class CompressingStore extends GuardedStore {
  /** The entry that is being compressed for a key; what is stored under it meanwhile is later, and takes its place. */
  readonly #compressing = new Map<string, Entry>();

  constructor(
    inner: CacheStore,
    timeout: number,
    private readonly compression?: Compression,
  ) {
    super(inner, timeout);
  }

  override async get(query: StoreQuery): Promise<Entry | Stamp> {
    const reading = await super.get(query);
    return isEncoded(reading) ? this.#open(query, reading) : reading;
  }

  override async getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    const readings = await super.getMany(queries);
    if (!readings.some(isEncoded)) return readings;
    return Promise.all(
      readings.map((reading, i) => (isEncoded(reading) ? this.#open(queries[i]!, reading) : reading)),
    );
  }

  /** What cannot be brought back is a miss. */
  async #open(query: StoreQuery, entry: Entry): Promise<Entry | Stamp> {
    try {
      return entry.with(await openValue(entry.value as EncodedValue, query.values));
    } catch {
      return this.stamp(query.tags());
    }
  }

  override async set(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    const { compression } = this;
    const wire = query.values.encode(entry.value);
    // In memory a value is larger than packed.
    if (compression === undefined || entry.size < compression.threshold) {
      this.#compressing.delete(query.key);
      return super.set(query, entry.with(new EncodedValue(PLAIN, wire)));
    }
    this.#compressing.set(query.key, entry);
    const value = await compressValue(wire, compression);
    if (this.#compressing.get(query.key) !== entry) return false;
    this.#compressing.delete(query.key);
    return super.set(query, entry.with(value));
  }
}

function isEncoded(reading: Entry | Stamp): reading is Entry {
  return reading instanceof Entry && reading.value instanceof EncodedValue;
}
