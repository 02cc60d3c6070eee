import { describeError } from '../../observability/once-log.js';
import type { KeyRequest, KeySource } from '../../keys/key.interface.js';
import type { CacheStore, Entry, StoreQuery } from '../../stores/store.interface.js';
import type { MethodCounters } from '../../observability/metrics.js';
import { CacheStatus, metadataOf, type CacheMetadata } from './cache-status.js';
import { CacheUsageError } from '../../common/errors.js';
import type { Load } from './loads.js';
import type { CachePolicy, ValueContext } from './policy.js';
import { MAX_TAGS, tooManyTags } from './tag-bound.js';
import type { ValueHandling } from '../values/isolation.js';

/** The place of a call in a batch that loads all that is missing in one go. */
export interface BatchSeat {
  /** Told when the call will not load, or not soon: the others do not wait for it. */
  leave(): void;
}

/** What is cached: one decorated method of one class, or a name given to `getOrSet`. */
export interface CacheTarget {
  /** For logs and errors, e.g. `UsersService.find`. */
  readonly name: string;
  /** What is said once in the log is said once for this; keys cached by hand have one between them. */
  readonly topic: string;
  readonly store: CacheStore;
  readonly policy: CachePolicy;
  readonly values: ValueHandling;
  /** What became of its calls. */
  readonly counters: MethodCounters;
  readonly seat?: BatchSeat | undefined;
  /** Whether another call of the same key may carry other tags. */
  readonly hasOwnTags?: boolean | undefined;
  /** Every tag an entry of this call carries, from its arguments alone. */
  tags(call: Call): readonly string[];
  /** Computes the value. */
  load(call: Call): Promise<unknown>;
}

/** One call of something cached, from its key to what became of it. */
export class Call implements StoreQuery, KeySource {
  key = '';
  /** Where in the key the part begins that is made of the arguments or the request's own values. */
  argumentsAt = 0;
  /** The end of the key that chooses between variants of one response (`Vary`). */
  variant = '';
  status: CacheStatus = CacheStatus.MISS;
  /** The entry that was served or stored. */
  entry: Entry | undefined = undefined;
  /** How often this call waited for somebody else's load in vain. */
  retries = 0;
  /** The load of its key that ended while its store was asked. */
  ended: Load | undefined = undefined;
  /** Why its tags could not be told, or are too many: then it has no stamp, and nothing is stored. */
  tagsError: CacheUsageError | undefined = undefined;
  #tags: readonly string[] | undefined = undefined;

  constructor(
    readonly target: CacheTarget,
    /** The instance the method was called on. */
    readonly self: unknown,
    readonly args: readonly unknown[],
    readonly request: KeyRequest | undefined = undefined,
  ) {}

  get values(): ValueHandling {
    return this.target.values;
  }

  /** Never throws: it is called by stores, whose failures are another matter. */
  tags(): readonly string[] {
    return (this.#tags ??= this.#readTags());
  }

  #readTags(): readonly string[] {
    try {
      const tags = this.target.tags(this);
      if (tags.length <= MAX_TAGS) return tags;
      this.tagsError = tooManyTags(tags.length);
    } catch (error) {
      this.tagsError = new CacheUsageError('CACHE_TAGS', `its tags cannot be told. ${describeError(error)}`);
    }
    return [];
  }

  /** False when no key could be made of its arguments: it can only bypass the cache. */
  get isKeyed(): boolean {
    return this.key !== '';
  }

  get metadata(): CacheMetadata {
    return metadataOf(this.status, this.entry);
  }

  get context(): ValueContext {
    return { method: this.target.name, key: this.key, args: this.args, request: this.request };
  }

  /** The same call, to be answered anew. */
  again(): Call {
    const call = new Call(this.target, this.self, this.args, this.request);
    call.key = this.key;
    call.argumentsAt = this.argumentsAt;
    call.variant = this.variant;
    return call;
  }
}
