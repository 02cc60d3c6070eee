import { LRUCache } from 'lru-cache';
import type { StoreHost } from './store.interface.js';

/** A value of this size may take longer than a call that tells whether the store answers. It has a connection of its own. */
export const LARGE_BYTES = 512 * 1024;

/** Keys whose value takes longer than the timeout are tried again after this time. Milliseconds. */
const RETRY_MS = 10 * 60_000;
const MAX_KEYS = 1_000;

/** Keys whose values take longer to store than a read would wait for them. They are left uncached for a time. */
export class SlowValues {
  readonly #keys = new LRUCache<string, true>({ max: MAX_KEYS });
  #isReported = false;

  has(key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(key);
  }

  /** @param what describes the store, its timeout and what it took, for the log */
  add(
    key: string,
    host: StoreHost,
    what: { readonly kind: string; readonly size: number; readonly took: number; readonly timeout: number },
  ): void {
    this.#keys.set(key, true);
    host.after(RETRY_MS, () => this.#keys.delete(key));
    if (this.#isReported) return;
    this.#isReported = true;
    host.log(
      `The ${what.kind} store took ${Math.round(what.took)} ms for a value of ${Math.round(what.size / 1024)} KiB, and no read waits ` +
        `longer than ${what.timeout} ms: such values are loaded by every call. Raise timeout, give compression, or lower maxValueBytes.`,
    );
  }
}
