import { isThenable } from '../../common/async.js';
import { CacheUsageError } from '../../common/errors.js';
import type { OnceLog } from '../../observability/once-log.js';
import { Stamp, type Verdict } from '../../stores/stamp.js';
import {
  Entry,
  holdsEntries,
  type MaybePromise,
  StoreUnavailableError,
} from '../../stores/store.interface.js';
import type { Call } from './call.js';
import type { LoadTable } from './loads.js';
import type { HitSampler } from './hit-sampler.js';
import { isLocalStamp, type LocalStamps } from './outage.js';

/** The entry of a call, or the stamp to load it under; `undefined` if its tags are not known, so that nothing may be stored. */
type Reading = Entry | Stamp | undefined;

/** Reads stores for calls. Never throws: a store that fails is read as a miss. */
export class StoreReader {
  /** Measures hits, where something asked for it. */
  sampler: HitSampler | undefined = undefined;

  constructor(
    private readonly log: OnceLog,
    private readonly localStamps: LocalStamps,
    private readonly loads: LoadTable,
  ) {}

  /** Reads the entry of a call, or the stamp to load it under: one of {@link LocalStamps} if the store fails. */
  read(call: Call): MaybePromise<Reading> {
    if (this.sampler !== undefined) this.sampler.begin(call);
    try {
      const answer: unknown = call.target.store.get(call);
      return isThenable(answer) ? this.#readLater(call, answer) : this.#assertReading(call, answer);
    } catch (error) {
      return this.#failed(call, error);
    }
  }

  /** The entry of a call in the memory of this process. Never waits, and asks no other store. */
  held(call: Call): Entry | undefined {
    const { store } = call.target;
    if (!holdsEntries(store)) return undefined;
    if (this.sampler !== undefined) this.sampler.begin(call);
    return store.held(call);
  }

  async #readLater(call: Call, answer: PromiseLike<unknown>): Promise<Reading> {
    const readers = this.loads.beginRead(call.key);
    try {
      return await this.#assertReading(call, await answer);
    } catch (error) {
      return this.#failed(call, error);
    } finally {
      call.endedLoad = this.loads.endRead(call.key, readers);
    }
  }

  /**
   * Checks what a store answered for a call. An entry that lacks a tag of the call is a miss.
   *
   * @throws CacheUsageError if the tags of the call are not known: then the store was asked about the wrong ones
   */
  #assertReading(call: Call, answer: unknown): MaybePromise<Reading> {
    if (call.tagsError !== undefined) throw call.tagsError;
    if (answer instanceof Entry)
      return call.target.hasOwnTags !== true || carriesTagsOf(call, answer) ? answer : this.stamp(call);
    if (answer instanceof Stamp) return answer;
    throw new TypeError('it answered neither an entry nor a stamp');
  }

  /** Reads for many calls of one store, in one network wait if the store can. */
  readMany(calls: readonly Call[]): MaybePromise<readonly Reading[]> {
    const store = calls[0]?.target.store;
    if (store?.getMany === undefined) return together(calls.map((call) => this.read(call)));
    try {
      const answers: unknown = store.getMany(calls);
      return isThenable(answers) ? this.#readManyLater(calls, answers) : this.#assertReadings(calls, answers);
    } catch (error) {
      return calls.map((call) => this.#failed(call, error));
    }
  }

  async #readManyLater(calls: readonly Call[], answers: PromiseLike<unknown>): Promise<readonly Reading[]> {
    const readers = calls.map(({ key }) => this.loads.beginRead(key));
    try {
      return await this.#assertReadings(calls, await answers);
    } catch (error) {
      return calls.map((call) => this.#failed(call, error));
    } finally {
      calls.forEach((call, i) => (call.endedLoad = this.loads.endRead(call.key, readers[i]!)));
    }
  }

  /** Checks each answer by itself: a wrong one does not spoil the others. */
  #assertReadings(calls: readonly Call[], answers: unknown): MaybePromise<readonly Reading[]> {
    const known: readonly unknown[] =
      Array.isArray(answers) && answers.length === calls.length ? answers : [];
    return together(
      calls.map((call, i) => {
        try {
          return this.#assertReading(call, known[i]);
        } catch (error) {
          return this.#failed(call, error);
        }
      }),
    );
  }

  /** Reads the stamp to load under, as {@link read} does. Never rejects. */
  async stamp(call: Call): Promise<Stamp | undefined> {
    if (!this.isTagged(call)) return undefined;
    const readers = this.loads.beginRead(call.key);
    try {
      const stamp: unknown = await call.target.store.stamp(call.tags());
      if (stamp instanceof Stamp) return stamp;
      throw new TypeError('it answered no stamp');
    } catch (error) {
      return this.#failed(call, error);
    } finally {
      call.endedLoad = this.loads.endRead(call.key, readers) ?? call.endedLoad;
    }
  }

  /** True if all tags of a call are known, so that its entry may carry them; if not, logs why. */
  isTagged(call: Call): boolean {
    call.tags();
    if (call.tagsError !== undefined) this.#failed(call, call.tagsError);
    return call.tagsError === undefined;
  }

  /** True if a stamp, inherited tags included, still equals the current generations. */
  async isCurrent(call: Call, stamp: Stamp): Promise<boolean> {
    return (await this.#judge(call, stamp)) === 'current';
  }

  /** True if an entry, fresh or stale, has not been purged. */
  async isUsable(call: Call, entry: Entry): Promise<boolean> {
    return (await this.#judge(call, entry.stamp)) !== 'purged';
  }

  async #judge(call: Call, stamp: Stamp): Promise<Verdict> {
    if (isLocalStamp(stamp)) return this.localStamps.isCurrent(stamp) ? 'current' : 'purged';
    try {
      return await call.target.store.judge(stamp);
    } catch (error) {
      this.#failed(call, error);
      return 'purged';
    }
  }

  /** Logs why nothing was read. @returns the stamp to load under, if the tags are known */
  #failed(call: Call, error: unknown): Stamp | undefined {
    const { name, store, topic } = call.target;
    if (error instanceof CacheUsageError) {
      this.log.warn(`tags ${topic}`, `A call of ${name} was not cached: ${error.message}`);
      return undefined;
    }
    // The guard around a store logs its outages itself.
    if (!(error instanceof StoreUnavailableError))
      this.log.error(
        `store ${store.kind}`,
        `The ${store.kind} store failed, values are loaded uncached`,
        error,
      );
    return this.localStamps.current();
  }
}

/**
 * True if an entry carries every tag of a call. The tags of a decorated method follow from its key, but two calls with one key
 * of the user's may name different tags; an invalidation of the second's tags would not reach the first's entry.
 */
export function carriesTagsOf(call: Call, entry: Entry): boolean {
  if (call.target.hasOwnTags !== true) return true;
  return call.tags().every((tag) => entry.stamp.tags.includes(tag)) && call.tagsError === undefined;
}

function together(readings: readonly MaybePromise<Reading>[]): MaybePromise<readonly Reading[]> {
  return readings.some(isThenable) ? Promise.all(readings) : (readings as Reading[]);
}
