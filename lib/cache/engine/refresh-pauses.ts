import { LRUCache } from 'lru-cache';
import { BumpLog } from '../../stores/generations.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Call } from './call.js';
import type { Clock } from '../../common/time.js';

/** After the first refresh in vain; each one more doubles it. Milliseconds. */
const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const MAX_PAUSES = 10_000;

/** Refreshes of one entry, as it was then, that did not bring another. */
interface Pause {
  readonly cachedAt: number;
  readonly expired: boolean;
  readonly length: number;
  readonly until: number;
  /** A point in time of the log of bumps. */
  readonly since: number;
}

/**
 * Keeps a loader that fails from being run at every hit: an entry whose refresh was in vain is not refreshed again before
 * a pause is over. A pause is of one entry in one state, so that it ends when another takes its place, by a refresh, a load or
 * `refresh()`, and when it is invalidated.
 */
export class RefreshPauses {
  readonly #pauses = new LRUCache<string, Pause>({ max: MAX_PAUSES });
  readonly #bumps = new BumpLog();

  constructor(private readonly clock: Clock) {}

  /** Whether it is too early to refresh an entry that was read for a call. */
  covers(call: Call, entry: Entry): boolean {
    const pause = this.#find(call, entry);
    return pause !== undefined && this.clock.now() < pause.until;
  }

  /** A refresh has ended. Where it stored another entry, the pause is of one that nobody reads any more. */
  begin(call: Call, entry: Entry): void {
    const before = this.#find(call, entry);
    const now = this.clock.now();
    if (before !== undefined && now < before.until) return;
    const length = before === undefined ? FIRST_MS : Math.min(2 * before.length, LONGEST_MS);
    const { cachedAt, expired } = entry;
    const since = this.#bumps.now();
    this.#pauses.set(call.key, { cachedAt, expired, length, until: now + length, since });
  }

  end(key: string): void {
    this.#pauses.delete(key);
  }

  /** What is invalidated may be refreshed at once. */
  bumped(tags: readonly string[]): void {
    if (this.#pauses.size > 0) this.#bumps.note(tags);
  }

  #find(call: Call, { cachedAt, expired }: Entry): Pause | undefined {
    const pause = this.#pauses.get(call.key);
    if (pause === undefined) return undefined;
    const isOfAnother = pause.cachedAt !== cachedAt || pause.expired !== expired;
    if (!isOfAnother && !this.#bumps.bumpedSince(pause.since, call.tags())) return pause;
    this.#pauses.delete(call.key);
    return undefined;
  }
}
