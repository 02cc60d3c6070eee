import { pause } from '../common/async.js';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { InvalidationMode } from '../stores/store.interface.js';

/** With more pending tags than this, they are replaced by coarser ones. */
const MAX_TAGS = 10_000;

/** A shutdown waits this long for the replica lag, then bumps the pending tags at once. Milliseconds. */
const MAX_CLOSING = 5_000;

/**
/**
 * Bumps tags again after the replica lag: a load that read a lagging replica may have cached the old row. A tag that changes
 * again starts its wait again.
 */
export class ReplicaBumps {
  readonly #runtime: CacheRuntime;
  readonly #lag: number;
  /** Due time of each tag, by mode, in ascending order. */
  readonly #due: Record<InvalidationMode, Map<string, number>> = { purge: new Map(), expire: new Map() };
  #isScheduled = false;

  /** @param lag milliseconds */
  constructor(runtime: CacheRuntime, lag: number) {
    this.#runtime = runtime;
    this.#lag = lag;
  }

  add(tags: Iterable<string>, mode: InvalidationMode): void {
    const due = this.#due[mode];
    const at = this.#runtime.settings.clock.now() + this.#lag;
    for (const tag of tags) {
      due.delete(tag);
      due.set(tag, at);
    }
    if (due.size > MAX_TAGS) this.#coarsen(mode, at);
    this.#schedule(this.#lag);
  }

  /** Waits for the last pending lag, at most {@link MAX_CLOSING}, and bumps all pending tags. */
  async close(): Promise<void> {
    const { clock } = this.#runtime.settings;
    const last = Math.max(...Object.values(this.#due).flatMap((due) => [...due.values()].slice(-1)));
    if (last === -Infinity) return;
    await pause(clock, Math.min(last - clock.now(), MAX_CLOSING));
    await Promise.all(
      (['purge', 'expire'] as const).map((mode) => this.#bump([...this.#due[mode].keys()], mode)),
    );
  }

  /** Replaces pending tags by coarser ones that are due at `at`, and bumps those now: the earlier tags must not wait longer. */
  #coarsen(mode: InvalidationMode, at: number): void {
    const { space } = this.#runtime;
    const due = this.#due[mode];
    const coarse = new Set([...due.keys()].map((tag) => space.coarser(tag) ?? tag));
    const tags = coarse.size > MAX_TAGS ? [space.allTag] : [...coarse];
    due.clear();
    for (const tag of tags) due.set(tag, at);
    void this.#bump(tags, mode);
  }

  #schedule(ms: number): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#runtime.settings.clock.after(ms, () => {
      this.#isScheduled = false;
      this.#bumpDue();
    });
  }

  #bumpDue(): void {
    const now = this.#runtime.settings.clock.now();
    let next = Infinity;
    for (const mode of ['purge', 'expire'] as const) {
      const due = this.#due[mode];
      const tags: string[] = [];
      for (const [tag, at] of due) {
        if (at > now) {
          next = Math.min(next, at);
          break;
        }
        tags.push(tag);
        due.delete(tag);
      }
      void this.#bump(tags, mode);
    }
    if (next < Infinity) this.#schedule(next - now);
  }

  async #bump(tags: string[], mode: InvalidationMode): Promise<void> {
    if (tags.length === 0) return;
    try {
      await this.#runtime.bump(tags, mode, 'replica');
    } catch (error) {
      this.#runtime.log.error(
        'replicaLag',
        'The second invalidation after replicaLag failed, so entries loaded from a lagging replica may stay stale until their ttl ends',
        error,
      );
    }
  }
}
