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

/** A rule counts this much longer than entries under it live: clocks differ, and nobody tells it at every moment. Milliseconds. */
const MARGIN_MS = 10 * 60_000;
/** How often it is read though nothing says that it changed. Milliseconds. */
const READ_MS = 60_000;
/** What a newer one has taken the place of is kept for those who are about to read it. Milliseconds. */
const MOVED_MS = 1_000;

/** What a read of the manifest brought. */
export interface Learned {
  readonly rules: readonly ManifestRule[];
  /** Whether nothing was read before. */
  readonly isFirst: boolean;
  /** What stood there that is no rule. */
  readonly garbage: readonly string[];
  /** There are so many rules that they are told by entities. */
  readonly isBounded: boolean;
}

const PLAIN: ValueCodec = {
  encode: (stored) => ({ data: stored, flags: 0, size: 1 }),
  decode: ({ data }) => data,
};
const NO_TAGS: readonly string[] = [];

/**
 * The manifest as it stands in one store, and what this process knows of it. It stands under the generation of a tag, so
 * that one small read tells whether it has changed, and no memory above the shared store answers with an old one.
 */
export class SharedManifest {
  readonly known = new RuleManifest();
  readonly #tag: readonly string[];
  /** Where it stood when it was read and lacked nothing. */
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
   * Reads the manifest where it may have changed, and writes it where it lacks something.
   * @param own the rules of this process
   * @param learn told what was read, before anything is written. Must not reject.
   * @returns rejects when the store does not answer
   */
  async sync(own: readonly ManifestRule[], learn: (learned: Learned) => Promise<void>): Promise<void> {
    const now = this.runtime.settings.clock.now();
    const stamp = await this.store.stamp(this.#tag);
    const isDue = this.#kept !== own || now - this.#readAt >= READ_MS;
    if (!isDue && this.#stamp?.equals(stamp) === true) return;
    this.#stamp = undefined;
    const reading = await this.store.get(this.#query(stamp));
    const stored: unknown = reading instanceof Entry ? reading.value : undefined;
    // It has just moved on.
    if (stored === null) return;
    const { manifest, garbage } = RuleManifest.read(stored);
    const rules = this.known.merge(manifest);
    this.known.prune(now);
    for (const rule of own) this.known.keep(rule, now + rule.life + MARGIN_MS, MARGIN_MS / 2);
    const learned = { rules, isFirst: !this.#isRead, garbage, isBounded: this.known.bound() };
    this.#isRead = true;
    await learn(learned);
    if (garbage.length > 0 || this.known.isAheadOf(manifest)) return this.#write(stamp, now);
    this.#stamp = stamp;
    this.#readAt = now;
    this.#kept = own;
  }

  /** What is written is read again with the next beat: two that write at one time may not have read each other. */
  async #write(from: Stamp, now: number): Promise<void> {
    await this.store.bump(this.#tag, 'purge');
    const to = await this.store.stamp(this.#tag);
    await this.#set(to, this.known.toStored(), now, this.known.until);
    await this.#set(from, null, now, now + MOVED_MS);
  }

  async #set(stamp: Stamp, stored: unknown, now: number, until: number): Promise<void> {
    const size = JSON.stringify(stored).length;
    const none = new Stamp(stamp.epoch, NO_TAGS, []);
    const entry = new Entry(stored, now, now, Math.max(now + 1, until), none, size);
    if ((await this.store.set(this.#query(stamp), entry)) === false)
      throw new StoreUnavailableError(`The ${this.store.kind} store did not take the rules`);
  }

  #query({ generations }: Stamp): StoreQuery {
    const key = `${this.runtime.space.manifestKey}:${generations[0]!.hard}`;
    return { key, values: PLAIN, tags: () => NO_TAGS };
  }
}
