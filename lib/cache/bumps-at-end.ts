import type { InvalidationMode } from '../stores/store.interface.js';
import type { OnceLog } from '../observability/once-log.js';
import type { Clock } from '../common/time.js';
import { currentTransaction, type OpenTransaction } from './open-transaction.js';

/** A transaction that names more tags than this drops the whole cache at its end. */
const MAX_TAGS = 10_000;

/** A write waits this long for what is invalidated again; then it goes on in the background. Milliseconds. */
const MAX_WAIT = 100;

type TagsByMode = Record<InvalidationMode, Set<string>>;

/**
 * What is invalidated by hand inside an open transaction is invalidated again when it ends: until its COMMIT, loads of
 * others still read what it replaces, and store it.
 */
export class BumpsAtEnd {
  readonly #held = new WeakMap<OpenTransaction, TagsByMode>();

  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    /** Drops the whole cache. */
    private readonly allTag: string,
    private readonly invalidate: (tags: readonly string[], mode: InvalidationMode) => Promise<unknown>,
  ) {}

  add(tags: readonly string[], mode: InvalidationMode): void {
    const transaction = currentTransaction();
    if (transaction === undefined) return;
    let held = this.#held.get(transaction);
    if (held === undefined) {
      const first: TagsByMode = { purge: new Set(), expire: new Set() };
      this.#held.set(transaction, (held = first));
      transaction.atEnd(() => this.#bump(first));
    }
    for (const tag of tags) held[mode].add(tag);
    if (held[mode].size > MAX_TAGS) held[mode] = new Set([this.allTag]);
  }

  #bump(held: TagsByMode): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(MAX_WAIT, resolve);
      const bumps = (['purge', 'expire'] as const).map((mode) => this.#bumpOf([...held[mode]], mode));
      void Promise.all(bumps).then(() => {
        cancel();
        resolve();
      });
    });
  }

  async #bumpOf(tags: readonly string[], mode: InvalidationMode): Promise<void> {
    if (tags.length === 0) return;
    try {
      await this.invalidate(tags, mode);
    } catch (error) {
      this.log.error('at end', 'Invalidating again at the end of a transaction failed', error);
    }
  }
}
