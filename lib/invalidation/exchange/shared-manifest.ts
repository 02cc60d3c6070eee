import type { CacheRuntime } from '../../cache/cache-runtime.js';
import {
  type CacheStore,
  Entry,
  type StoreQuery,
  StoreUnavailableError,
  type ValueCodec,
} from '../../stores/store.interface.js';
import { Stamp } from '../../stores/stamp.js';
import type { ManifestRule } from '../rules/manifest-rule.js';
import { RuleManifest } from './rule-manifest.js';

/** A rule stays this much longer than its entries live: clocks differ, and rules are not renewed at every poll. Milliseconds. */
const MARGIN_MS = 10 * 60_000;
/** The manifest is read this often even if its generation did not change. Milliseconds. */
const READ_MS = 60_000;
/** Times of a manifest differ by this from one process to another, since the distance of their clocks is an estimate. Milliseconds. */
const CLOCK_SLACK_MS = 1_000;
/** A replaced manifest keeps a marker this long, for processes that are about to read it. Milliseconds. */
const MOVED_MS = 1_000;

/** The result of reading the manifest. */
export interface Learned {
  readonly rules: readonly ManifestRule[];
  /** True for the first successful read. */
  readonly isFirst: boolean;
  /** Descriptions of parts that are not rules. */
  readonly garbage: readonly string[];
  /** True if there were too many rules, which are now reduced to their entities. */
  readonly isBounded: boolean;
}

const PLAIN: ValueCodec = {
  encode: (stored) => ({ data: stored, flags: 0, size: 1 }),
  decode: ({ data }) => data,
};
const NO_TAGS: readonly string[] = [];

/**
 * The rule manifest in one store, and this process's copy. Its key contains the generation of a tag, so that reading this
 * generation tells whether the manifest changed, and no L1 can return an old one.
 */
export class SharedManifest {
  readonly known = new RuleManifest();
  readonly #tag: readonly string[];
  /** Generation under which the last complete manifest was read. */
  #stamp: Stamp | undefined;
  #readAt = 0;
  #kept: readonly ManifestRule[] | undefined;
  #isRead = false;

  constructor(
    private readonly runtime: CacheRuntime,
    readonly store: CacheStore,
  ) {
    this.#tag = [runtime.space.manifestTag];
  }

  get isRead(): boolean {
    return this.#isRead;
  }

  /**
   * Reads the manifest if it may have changed, and writes it if it lacks rules.
   * @param own the rules of this process
   * @param learn called with the result before anything is written. Must not reject.
   * @returns a promise that rejects if the store is unavailable
   */
  async sync(own: readonly ManifestRule[], learn: (learned: Learned) => Promise<void>): Promise<void> {
    const now = this.runtime.settings.clock.now();
    const stamp = await this.store.stamp(this.#tag);
    const isDue = this.#kept !== own || now - this.#readAt >= READ_MS;
    if (!isDue && this.#stamp?.equals(stamp) === true) return;
    this.#stamp = undefined;
    const reading = await this.store.get(this.#query(stamp));
    const stored: unknown = reading instanceof Entry ? reading.value : undefined;
    // A newer manifest has just replaced it: the next poll reads that.
    if (stored === null) return;
    const { manifest, garbage } = RuleManifest.read(stored, (reading as Partial<Entry>).cachedAt);
    const rules = this.known.merge(manifest);
    this.known.prune(now);
    for (const rule of own) this.known.keep(rule, now + rule.life + MARGIN_MS, MARGIN_MS / 2);
    const learned = { rules, isFirst: !this.#isRead, garbage, isBounded: this.known.bound() };
    this.#isRead = true;
    await learn(learned);
    if (garbage.length > 0 || this.known.isAheadOf(manifest, CLOCK_SLACK_MS)) return this.#write(stamp, now);
    this.#stamp = stamp;
    this.#readAt = now;
    this.#kept = own;
  }

  /** Writes the manifest under a new generation. The next poll reads it again: two processes may write at the same time. */
  async #write(from: Stamp, now: number): Promise<void> {
    await this.store.bump(this.#tag, 'purge');
    const to = await this.store.stamp(this.#tag);
    await this.#set(to, this.known.toStored(now), now, this.known.until);
    await this.#set(from, null, now, now + MOVED_MS);
  }

  async #set(stamp: Stamp, stored: unknown, now: number, until: number): Promise<void> {
    const size = JSON.stringify(stored).length;
    const none = new Stamp(stamp.epoch, NO_TAGS, []);
    const entry = new Entry(stored, now, now, Math.max(now + 1, until), none, size);
    if ((await this.store.set(this.#query(stamp), entry)) === false)
      throw new StoreUnavailableError(`The ${this.store.kind} store refused the rule manifest`);
  }

  #query({ generations }: Stamp): StoreQuery {
    const key = `${this.runtime.space.manifestKey}:${generations[0]!.hard}`;
    return { key, values: PLAIN, tags: () => NO_TAGS };
  }
}
