import { LRUCache } from 'lru-cache';
import type { Entry } from '../store.interface.js';
import { IDLE_MS, physicalLife } from '../shared-generations.js';
import type { RedisCommand } from './redis-commands.js';

/** Entries without expiry whose lives were extended; of one that was forgotten that is done once more. */
const MAX_EXTENDED = 10_000;

/** What servers before Redis 7 answer to an option of PEXPIRE. */
const KNOWS_NO_OPTION = /wrong number of arguments|syntax error|unsupported option/i;

/** How long entries and generations are kept in Redis, where others may need them for longer. */
export class RedisLifetimes {
  #knowsGreater = true;
  /** When, by key. */
  readonly #extended = new LRUCache<string, number>({ max: MAX_EXTENDED });

  /** Has keys live for so many milliseconds at least. Before Redis 7 it is exactly as many: what needed more is a miss then. */
  extend(keys: readonly string[], ms: number): RedisCommand[] {
    return keys.map((key) => (this.#knowsGreater ? ['pexpire', key, ms, 'GT'] : ['pexpire', key, ms]));
  }

  /** Whether a command failed for its option, which is left out from now on. */
  learnsFrom(error: unknown): boolean {
    if (!this.#knowsGreater || !KNOWS_NO_OPTION.test(String(error))) return false;
    this.#knowsGreater = false;
    return true;
  }

  /**
   * What keeps an entry that never expires, and is still read, when half of the time is over for which it is kept unread.
   * A read of any other needs nothing.
   */
  renew(key: string, entry: Entry, now: number): RedisCommand[] | undefined {
    if (entry.keepUntil !== Infinity || now - entry.cachedAt < IDLE_MS / 2) return undefined;
    if (now - (this.#extended.get(key) ?? -Infinity) < IDLE_MS / 2) return undefined;
    this.#extended.set(key, now);
    const life = physicalLife(entry);
    return [...this.extend([key], life.entry), ...this.extend(entry.stamp.tags, life.generations)];
  }

  /** It did not work: the next read tries again. */
  forget(key: string): void {
    this.#extended.delete(key);
  }
}
