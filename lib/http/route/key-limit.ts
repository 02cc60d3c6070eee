import { createHash } from 'node:crypto';
import { type Clock, type Duration, parseDuration } from '../../common/time.js';
import { CacheConfigurationError } from '../../common/errors.js';

/**
 * Number of different keys that a handler may make within a window, in each process; `false` for no limit.
 *
 * @publicApi
 */
export type KeyLimitOption = false | { readonly keys: number; readonly window: Duration };

/** A checked {@link KeyLimitOption}. */
export interface KeyLimitSettings {
  readonly keys: number;
  /** Milliseconds. */
  readonly window: number;
}

export const DEFAULT_KEY_LIMIT: KeyLimitSettings = Object.freeze({ keys: 10_000, window: 60_000 });

const UNLIMITED: KeyLimitSettings = Object.freeze({ keys: Infinity, window: Infinity });

/**
 * @returns `undefined` if the option is not given
 * @throws CacheConfigurationError or TypeError for an invalid {@link KeyLimitOption}
 */
export function keyLimitOf(option: KeyLimitOption | undefined, where: string): KeyLimitSettings | undefined {
  if (option === undefined) return undefined;
  if (option === false) return UNLIMITED;
  const { keys, window } = (option ?? {}) as Partial<Exclude<KeyLimitOption, false>>;
  if (Number.isSafeInteger(keys) && keys! > 0 && window !== undefined && window !== null) {
    const milliseconds = parseDuration(window, `keyLimit.window of ${where}`);
    if (milliseconds > 0) return Object.freeze({ keys: keys!, window: milliseconds });
  }
  throw new CacheConfigurationError(
    'CACHE_RESPONSE_OPTION',
    `keyLimit of ${where} is ${JSON.stringify(option)}. Write { keys: 10000, window: '1m' }, or false for any number.`,
  );
}

/** Bytes of a key's digest that are kept: as many as a number represents. */
const DIGEST_BYTES = 6;

/**
 * Counts the keys that a route makes, so that a client who invents parameters cannot evict the entries of others: responses beyond the
 * limit are sent, but not stored.
 */
export class KeyLimit {
  readonly #made = new Set<number>();
  #begin = 0;
  #end = 0;

  constructor(
    readonly clock: Clock,
    private readonly settings: KeyLimitSettings,
  ) {}

  /** True if a key may be stored: it was counted in this window, or the limit is not reached. */
  take(key: string): boolean {
    const { keys, window } = this.settings;
    if (keys === Infinity) return true;
    const now = this.clock.now();
    if (now < this.#begin || now >= this.#end) {
      this.#made.clear();
      this.#begin = now;
      this.#end = now + window;
    }
    const digest = createHash('sha256').update(key).digest().readUIntBE(0, DIGEST_BYTES);
    if (this.#made.has(digest)) return true;
    if (this.#made.size >= keys) return false;
    this.#made.add(digest);
    return true;
  }

  /** The reason why a key beyond the limit is not stored, and the remedy. */
  get refusal(): string {
    const { keys, window } = this.settings;
    return (
      `its route made more than ${keys} keys within ${window / 1000} seconds, so further ones are not stored until these are over. ` +
      `If somebody invents parameters, name those that count: query: ['page']. If there are so many answers, write ` +
      `keyLimit: { keys: ${keys * 10}, window: '${window / 1000}s' }`
    );
  }
}
