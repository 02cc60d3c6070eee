import { isThenable } from '../../common/async.js';
import { CacheUsageError } from '../../common/errors.js';
import type { OnceLog } from '../../observability/once-log.js';
import { Stamp, type Verdict } from '../../stores/stamp.js';
import { Entry, type MaybePromise, StoreUnavailableError } from '../../stores/store.interface.js';
import type { Call } from './call.js';

import type { LoadTable } from './loads.js';
import { isLocalStamp, type LocalStamps } from './outage.js';

/**
 * Whether an entry carries every tag of a call: those of a method follow from its key, but under a key of the user's one caller may
 * name others than the next, and an invalidation of those would not have reached the entry.
 */
export function carriesTagsOf(call: Call, entry: Entry): boolean {
  if (call.target.hasOwnTags !== true) return true;
  return call.tags().every((tag) => entry.stamp.tags.includes(tag)) && call.tagsError === undefined;
}

/**
 * Believes what a store answered to a call.
 *
 * @throws CacheUsageError when the tags of the call could not be told, so that the store was asked about the wrong ones, and
 *   TypeError when the answer is neither an entry nor a stamp
 */
export function assertReading(call: Call, answer: unknown): Entry | Stamp {
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
    private readonly offline: LocalStamps,
    private readonly loads: LoadTable,
  ) {}

  /**
   * The entry of a call, or the stamp to load it under; `undefined` when its tags cannot be told. Never throws: a store
   * that fails has nothing, and the stamp is one of {@link LocalStamps}.
   */
  read(call: Call): MaybePromise<Reading> {
    try {
      const answer: unknown = call.target.store.get(call);
      return isThenable(answer)
        ? this.#readLater(call, answer)
        : this.#usable(call, assertReading(call, answer));
    } catch (error) {
      return this.#failed(call, error);
    }
  }

  async #readLater(call: Call, answer: PromiseLike<unknown>): Promise<Reading> {
    const readers = this.loads.beginRead(call.key);
    try {
      return await this.#usable(call, assertReading(call, await answer));
    } catch (error) {
      return this.#failed(call, error);
    } finally {
      call.endedLoad = this.loads.endRead(call.key, readers);
    }
  }

  #usable(call: Call, reading: Entry | Stamp): MaybePromise<Reading> {
    return reading instanceof Entry && !carriesTagsOf(call, reading) ? this.stamp(call) : reading;
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
      calls.forEach((call, i) => (call.endedLoad = this.loads.endRead(call.key, readers[i]!)));
    }
  }

  /** What one answer is worth says nothing of the others. */
  #believeMany(calls: readonly Call[], answers: unknown): MaybePromise<readonly Reading[]> {
    const known: readonly unknown[] =
      Array.isArray(answers) && answers.length === calls.length ? answers : [];
    return together(
      calls.map((call, i) => {
        try {
          return this.#usable(call, assertReading(call, known[i]));
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
      return assertReading(call, await call.target.store.stamp(call.tags())) as Stamp;
    } catch (error) {
      return this.#failed(call, error);
    } finally {
      call.endedLoad = this.loads.endRead(call.key, readers) ?? call.endedLoad;
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
    if (isLocalStamp(stamp)) return this.offline.isCurrent(stamp) ? 'current' : 'purged';
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
