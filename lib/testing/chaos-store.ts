import { pause } from '../common/async.js';
import { systemClock } from '../common/time.js';
import { checkOptions, type OptionRow, type OptionTable, typeError } from '../common/options.js';
import {
  type CacheStore,
  type Entry,
  hasLeases,
  type InvalidationMode,
  type LeaseStore,
  readMany,
  type StoreHost,
  type StoreQuery,
} from '../stores/store.interface.js';
import type { Stamp, Verdict } from '../stores/stamp.js';

/**
 * Faults and their probabilities, between 0 and 1; default 0.
 *
 * @publicApi
 */
export interface ChaosOptions {
  /** The same seed gives the same faults for the same calls. */
  seed: number;
  /** A call is delayed by up to `maxDelay`. */
  delay?: number | undefined;
  /** Milliseconds. Default 20. */
  maxDelay?: number | undefined;
  /** A call rejects. */
  error?: number | undefined;
  /** A call is never answered. */
  hang?: number | undefined;
  /** A read returns something that is not an entry. */
  garbage?: number | undefined;
  /** A write is acknowledged and lost. Bumps are never lost silently: no store may do that. */
  lostWrite?: number | undefined;
}

const GARBAGE: readonly unknown[] = [null, undefined, 42, 'garbage', {}, [], Buffer.from('garbage')];

/**
 * Injects faults into a store, for tests of the code that uses it. It has the leases of the inner store, and no bus: as the `l2` of a
 * `tieredStore` it needs `consistency: 'validate'`.
 *
 * @throws TypeError for a value that is not a probability, and without a seed
 * @example
 * const store = chaosStore(memoryStore(), { seed: 7, delay: 0.5, error: 0.1 });
 *
 * @publicApi
 */
export function chaosStore(inner: CacheStore, options: ChaosOptions): CacheStore {
  checkOptions(OPTIONS, options, 'chaosStore()');
  const store = new ChaosStore(inner, options);
  return hasLeases(inner) ? Object.assign(store, store.leasesOf(inner)) : store;
}

const probability: OptionRow = [
  (value) => typeof value === 'number' && value >= 0 && value <= 1,
  'a probability between 0 and 1',
];

const OPTIONS: OptionTable<ChaosOptions> = {
  rows: {
    seed: [Number.isFinite, 'a number: the same one makes the same faults'],
    delay: probability,
    maxDelay: [(value) => typeof value === 'number' && value >= 0, 'a number of milliseconds'],
    error: probability,
    hang: probability,
    garbage: probability,
    lostWrite: probability,
  },
  example: 'chaosStore(store, { seed: 7, error: 0.1 })',
  required: ['seed'],
  error: typeError,
};

class ChaosStore implements CacheStore {
  readonly kind: string;
  readonly keepsReferences: boolean;
  readonly #random: () => number;

  constructor(
    private readonly inner: CacheStore,
    private readonly options: ChaosOptions,
  ) {
    this.kind = `chaotic ${inner.kind}`;
    this.keepsReferences = inner.keepsReferences;
    this.#random = seededRandom(options.seed);
  }

  attach(host: StoreHost): void {
    this.inner.attach?.(host);
  }

  async ready(): Promise<void> {
    await this.inner.ready?.();
  }

  async get(query: StoreQuery): Promise<Entry | Stamp> {
    await this.#injectFault();
    return this.#isGarbled() ? this.#garbage() : this.inner.get(query);
  }

  /** A fault hits the whole call; garbage hits single results. */
  async getMany(queries: readonly StoreQuery[]): Promise<readonly (Entry | Stamp)[]> {
    await this.#injectFault();
    const readings = await readMany(this.inner, queries);
    return readings.map((reading) => (this.#isGarbled() ? this.#garbage() : reading));
  }

  async stamp(tags: readonly string[]): Promise<Stamp> {
    await this.#injectFault();
    return this.inner.stamp(tags);
  }

  async judge(stamp: Stamp): Promise<Verdict> {
    await this.#injectFault();
    return this.inner.judge(stamp);
  }

  async set(query: StoreQuery, entry: Entry): Promise<boolean | void> {
    await this.#injectFault();
    if (this.#random() < (this.options.lostWrite ?? 0)) return;
    return this.inner.set(query, entry);
  }

  async bump(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    await this.#injectFault();
    await this.inner.bump(tags, mode);
  }

  async sweep(prefix: string, drop: (key: string) => boolean): Promise<void> {
    await this.#injectFault();
    await this.inner.sweep(prefix, drop);
  }

  async close(): Promise<void> {
    await this.inner.close?.();
  }

  /** The leases of the inner store, with faults in `acquire`. */
  leasesOf(inner: LeaseStore): Pick<LeaseStore, 'acquire' | 'grantsAll'> {
    return {
      grantsAll: inner.grantsAll === true,
      acquire: async (key) => {
        await this.#injectFault();
        return inner.acquire(key);
      },
    };
  }

  async #injectFault(): Promise<void> {
    const { delay = 0, maxDelay = 20, error = 0, hang = 0 } = this.options;
    const [delayed, failed, hung] = [this.#random(), this.#random(), this.#random()] as const;
    if (delayed < delay) await pause(systemClock, this.#random() * maxDelay);
    if (failed < error) throw new Error('chaos');
    if (hung < hang) await new Promise<never>(() => undefined);
  }

  #isGarbled(): boolean {
    return this.#random() < (this.options.garbage ?? 0);
  }

  #garbage(): Entry {
    return GARBAGE[Math.floor(this.#random() * GARBAGE.length)] as Entry;
  }
}

/**
 * Random numbers from 0 to below 1 (mulberry32): small, fast, and good enough for faults.
 *
 * @publicApi
 */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value = (value + Math.imul(value ^ (value >>> 7), value | 61)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
