import { createHash } from 'node:crypto';
import { isThenable } from '../common/async.js';
import { CacheUsageError } from '../common/errors.js';
import { describe } from '../common/messages.js';
import { encodeValue } from '../keys/index.js';
import type { CallContext } from './engine/call.js';

/**
 * Ambient values that belong in every key, such as the tenant that middleware put into an `AsyncLocalStorage`.
 *
 * @publicApi
 */
export type KeyContextFunction = () => Readonly<Record<string, unknown>>;

/** Keys hold the hash of longer contexts. Characters. */
const MAX_LENGTH = 250;

/** Names of more members are not remembered. */
const MAX_NAMES = 100;

/** Reads `forRoot({ keyContext })`, once per call. */
export class KeyContextReader {
  /** Names of the members so far, those without a value included. */
  readonly #known = new Set<string>();
  #isTried = false;

  constructor(private readonly read: KeyContextFunction) {}

  /**
   * True if rules and callers may name a member. If the function fails outside of requests, no names are known before the first request:
   * until then any name may be one, and a call that lacks what a rule names bypasses the cache.
   */
  readonly isMember = (name: string): boolean => {
    if (this.#known.size === 0 && !this.#isTried) {
      this.#isTried = true;
      try {
        this.context();
      } catch {
        // The calls log it.
      }
    }
    return this.#known.size === 0 || this.#known.has(name);
  };

  /** @throws CacheUsageError if the function throws, or returns a promise or a value that cannot be encoded */
  context(): CallContext {
    const values = this.#values();
    this.#note(values);
    const members = new Map(Object.entries(values).filter(([, value]) => value !== undefined));
    return { text: `${textOf(Object.fromEntries(members))}:`, members };
  }

  #note(values: Readonly<Record<string, unknown>>): void {
    for (const name in values) if (this.#known.size < MAX_NAMES) this.#known.add(name);
  }

  #values(): Readonly<Record<string, unknown>> {
    let values: unknown;
    try {
      values = this.read();
    } catch (error) {
      throw unusable(`threw "${messageOf(error)}"`, error);
    }
    if (isThenable(values)) {
      Promise.resolve(values).catch(() => undefined);
      throw unusable('returned a promise, but must be synchronous');
    }
    if (typeof values !== 'object' || values === null || Array.isArray(values))
      throw unusable(`returned ${describe(values)}`);
    return values as Readonly<Record<string, unknown>>;
  }
}

function textOf(values: Readonly<Record<string, unknown>>): string {
  let text: string;
  try {
    text = encodeValue(values);
  } catch (error) {
    throw unusable(`has a member without an encoding: ${messageOf(error)}`, error);
  }
  return text.length <= MAX_LENGTH ? text : `#${createHash('sha256').update(text).digest('base64url')}`;
}

function unusable(problem: string, cause?: unknown): CacheUsageError {
  return new CacheUsageError(
    'CACHE_KEY_CONTEXT',
    `keyContext of RestflowCacheModule ${problem}. Write a function that returns plain values at once, also outside of requests: ` +
      `keyContext: () => ({ tenant: storage.getStore()?.tenant }).`,
    { cause },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
