import { LRUCache } from 'lru-cache';
import { isThenable } from '../../common/async.js';
import { CacheUsageError } from '../../common/errors.js';
import type { Clock } from '../../common/time.js';
import type { OnceLog } from '../../observability/once-log.js';
import { Stamp, type Verdict } from '../../stores/stamp.js';
import { Entry, type MaybePromise, StoreUnavailableError } from '../../stores/store.interface.js';
import type { Call } from './call.js';
import { isOffline, type OfflineStamps } from './load-context.js';
import type { LoadTable } from './loads.js';

/**
 * Whether an entry carries every tag of a call: those of a method follow from its key, but under a key of the user's one caller may
 * name others than the next, and an invalidation of those would not have reached the entry.
 */
export function hasTagsOf(call: Call, entry: Entry): boolean {
  if (call.target.hasOwnTags !== true) return true;
  return call.tags().every((tag) => entry.stamp.tags.includes(tag)) && call.tagsError === undefined;
}

/**
 * Believes what a store answered to a call.
 *
 * @throws CacheUsageError when the tags of the call could not be told, so that the store was asked about the wrong ones, and
 *   TypeError when the answer is neither an entry nor a stamp
 */
export function believe(call: Call, answer: unknown): Entry | Stamp {
  if (call.tagsError !== undefined) throw call.tagsError;
  if (answer instanceof Entry) return answer;
  if (answer instanceof Stamp) return answer;
  throw new TypeError('it answered neither an entry nor a stamp');
}

/** An entry, or the stamp to load under, if there is one. */
type Reading = Entry | Stamp | undefined;

/** Asks stores, and turns whatever goes wrong with them into a miss. */
export class StoreReader {
  constructor(
    private readonly log: OnceLog,
    private readonly offline: OfflineStamps,
    private readonly loads: LoadTable,
  ) {}

  /**
   * The entry of a call, or the stamp to load it under; `undefined` when its tags cannot be told. Never throws: a store
   * that fails has nothing, and the stamp is one of {@link OfflineStamps}.
   */
  read(call: Call): MaybePromise<Reading> {
    try {
      const answer: unknown = call.target.store.get(call);
      return isThenable(answer) ? this.#readLater(call, answer) : this.#usable(call, believe(call, answer));
    } catch (error) {
      return this.#failed(call, error);
    }
  }

  async #readLater(call: Call, answer: PromiseLike<unknown>): Promise<Reading> {
    const readers = this.loads.beginRead(call.key);
    try {
      return await this.#usable(call, believe(call, await answer));
    } catch (error) {
      return this.#failed(call, error);
    } finally {
      call.ended = this.loads.endRead(call.key, readers);
    }
  }

  #usable(call: Call, reading: Entry | Stamp): MaybePromise<Reading> {
    return reading instanceof Entry && !hasTagsOf(call, reading) ? this.stamp(call) : reading;
  }

  /** The same for many calls of one store, in one network wait where it can. */
  readMany(calls: readonly Call[]): MaybePromise<readonly Reading[]> {
    const store = calls[0]?.target.store;
    if (store?.getMany === undefined) {
      return together(calls.map((call) => this.read(call)));
    }
    try {
      const answers: unknown = store.getMany(calls);
      return isThenable(answers) ? this.#readManyLater(calls, answers) : this.#believeMany(calls, answers);
    } catch (error) {
      return calls.map((call) => this.#failed(call, error));
    }
  }

  async #readManyLater(calls: readonly Call[], answers: PromiseLike<unknown>): Promise<readonly Reading[]> {
    const readers = calls.map(({ key }) => this.loads.beginRead(key));
    try {
      return await this.#believeMany(calls, await answers);
    } catch (error) {
      return calls.map((call) => this.#failed(call, error));
    } finally {
      calls.forEach((call, i) => (call.ended = this.loads.endRead(call.key, readers[i]!)));
    }
  }

  /** What one answer is worth says nothing of the others. */
  #believeMany(calls: readonly Call[], answers: unknown): MaybePromise<readonly Reading[]> {
    const known: readonly unknown[] =
      Array.isArray(answers) && answers.length === calls.length ? answers : [];
    return together(
      calls.map((call, i) => {
        try {
          return this.#usable(call, believe(call, known[i]));
        } catch (error) {
          return this.#failed(call, error);
        }
      }),
    );
  }

  /** The stamp to load under, as for {@link read}. Never rejects. */
  async stamp(call: Call): Promise<Stamp | undefined> {
    if (!this.isTagged(call)) return undefined;
    const readers = this.loads.beginRead(call.key);
    try {
      return believe(call, await call.target.store.stamp(call.tags())) as Stamp;
    } catch (error) {
      return this.#failed(call, error);
    } finally {
      call.ended = this.loads.endRead(call.key, readers) ?? call.ended;
    }
  }

  /** Whether all tags of a call are known, so that its entry may carry them; says why not. */
  isTagged(call: Call): boolean {
    call.tags();
    if (call.tagsError !== undefined) this.#failed(call, call.tagsError);
    return call.tagsError === undefined;
  }

  /** Whether a stamp, inherited tags included, still equals the generations as they are now. */
  async isCurrent(call: Call, stamp: Stamp): Promise<boolean> {
    return (await this.#judge(call, stamp)) === 'current';
  }

  /** Whether an entry, fresh or not, was not purged since. */
  async isUsable(call: Call, entry: Entry): Promise<boolean> {
    return (await this.#judge(call, entry.stamp)) !== 'purged';
  }

  async #judge(call: Call, stamp: Stamp): Promise<Verdict> {
    if (isOffline(stamp)) return this.offline.isCurrent(stamp) ? 'current' : 'purged';
    try {
      return await call.target.store.judge(stamp);
    } catch (error) {
      this.#failed(call, error);
      return 'purged';
    }
  }

  #failed(call: Call, error: unknown): Stamp | undefined {
    const { name, store, topic } = call.target;
    if (error instanceof CacheUsageError) {
      this.log.warn(`tags ${topic}`, `A call of ${name} was not cached: ${error.message}`);
      return undefined;
    }
    if (!(error instanceof StoreUnavailableError)) {
      // A store behind a guard said so when it went, and will say so when it is back.
      this.log.error(
        `store ${store.kind}`,
        `The ${store.kind} store failed, values are loaded uncached`,
        error,
      );
    }
    return this.offline.current();
  }
}

function together(readings: readonly MaybePromise<Reading>[]): MaybePromise<readonly Reading[]> {
  return readings.some(isThenable) ? Promise.all(readings) : (readings as Reading[]);
}

/** How long a key whose load proved not storable is loaded without waiting for others. */
const MARK_MS = 5_000;
const MAX_MARKS = 10_000;

/**
 * Hit-for-miss: keys whose last load proved not storable. For a while requests for them do not wait for each other,
 * since none could use the other's answer. A storable answer clears the mark.
 */
export class UncacheableMarks {
  readonly #until = new LRUCache<string, number>({ max: MAX_MARKS });

  constructor(private readonly clock: Clock) {}

  has(key: string): boolean {
    const until = this.#until.get(key);
    return until !== undefined && this.clock.now() < until;
  }

  set(key: string): void {
    this.#until.set(key, this.clock.now() + MARK_MS);
  }

  clear(key: string): void {
    this.#until.delete(key);
  }
}

const MAX_TAGS = 10_000;

/** One invalidation: what caused it, and which one in a row it was. */
interface Drop {
  readonly cause: string;
  readonly turn: number;
}

/**
 * Remembers what dropped each tag last, in this process, for those who ask why something is not cached. Only there where somebody
 * may ask.
 */
export class DropLog {
  readonly #drops = new LRUCache<string, Drop>({ max: MAX_TAGS });
  #turn = 0;

  /** How many drops there were; what is seen now is dropped by a later one. */
  get turn(): number {
    return this.#turn;
  }

  note(tags: Iterable<string>, cause: string): void {
    const drop: Drop = { cause, turn: ++this.#turn };
    for (const tag of tags) this.#drops.set(tag, drop);
  }

  /** What dropped one of these tags last, after a turn. */
  lastOf(tags: readonly string[], after = 0): string | undefined {
    let last: Drop | undefined;
    for (const tag of tags) {
      const drop = this.#drops.get(tag);
      if (drop !== undefined && drop.turn > (last?.turn ?? after)) last = drop;
    }
    return last?.cause;
  }
}
