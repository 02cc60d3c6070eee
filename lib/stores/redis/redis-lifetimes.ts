import { LRUCache } from 'lru-cache';
import { IDLE_MS, physicalLife } from '../shared-generations.js';
import type { Entry } from '../store.interface.js';
import type { RedisCommand } from './redis-commands.js';

/** Entries without expiry whose last extension is remembered; a forgotten one is extended again. */
const MAX_EXTENDED = 10_000;

/** Errors of Redis 6 for an option of PEXPIRE. Can go when Redis 6 is no longer supported. */
const LACKS_GT = /wrong number of arguments|syntax error|unsupported option/i;

/** Extends the lives of keys in Redis, never shortening those that other entries need for longer. */
export class RedisLifetimes {
  #hasGt = true;
  /** Times of the last extensions, by key. */
  readonly #extended = new LRUCache<string, number>({ max: MAX_EXTENDED });

  /**
   * Lets keys live for at least `ms` milliseconds. Redis 6 cannot tell whether a life is longer already: there it is thirty days at least,
   * and entries that need their generations longer are misses.
   */
  extend(keys: readonly string[], ms: number): RedisCommand[] {
    return keys.map((key) =>
      this.#hasGt ? ['pexpire', key, ms, 'GT'] : ['pexpire', key, Math.max(ms, IDLE_MS)],
    );
  }

  /** True if a command failed because of its option, which is then left out from now on. */
  detectsRedis6(error: unknown): boolean {
    if (!this.#hasGt || !LACKS_GT.test(String(error))) return false;
    this.#hasGt = false;
    return true;
  }

  /**
   * Commands that extend the life of an entry without expiry, when half of its idle lifetime is over; `undefined` where nothing is to be
   * done.
   */
  renew(key: string, entry: Entry, now: number): RedisCommand[] | undefined {
    if (entry.keepUntil !== Infinity || now - entry.cachedAt < IDLE_MS / 2) return undefined;
    if (now - (this.#extended.get(key) ?? -Infinity) < IDLE_MS / 2) return undefined;
    this.#extended.set(key, now);
    const life = physicalLife(entry);
    return [...this.extend([key], life.entry), ...this.extend(entry.stamp.tags, life.generations)];
  }

  /** Called after a failed extension: the next read tries again. */
  forget(key: string): void {
    this.#extended.delete(key);
  }
}
