import type { Stamp } from './stamp.js';

/**
 * What is stored under a key. Times are milliseconds since the Unix epoch; `Infinity` means never.
 *
 * @publicApi
 */
export class Entry {
  /** True once one of its tags was expired (a soft bump): it may be served stale, never as fresh. */
  expired = false;

  constructor(
    /** The value as the engine prepared it: a snapshot nobody else holds, or a recorded response. */
    readonly value: unknown,
    readonly cachedAt: number,
    /** Until when it may be served as fresh. */
    readonly freshUntil: number,
    /** Until when it is kept for `staleWhileRevalidate` and `staleIfError`; never before `freshUntil`. */
    readonly keepUntil: number,
    readonly stamp: Stamp,
    /** Estimated size in bytes, key and tags included. */
    readonly size: number,
  ) {}

  /** The same with its value in another form. */
  with(value: unknown): Entry {
    const { cachedAt, freshUntil, keepUntil, stamp, size } = this;
    const entry = new Entry(value, cachedAt, freshUntil, keepUntil, stamp, size);
    entry.expired = this.expired;
    return entry;
  }

  /** Whether it is within its lifetime. Milliseconds since 1970. */
  isFresh(now: number): boolean {
    return now < this.freshUntil && !this.expired;
  }
}
