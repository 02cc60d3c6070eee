import { LRUCache } from 'lru-cache';
import { isThenable } from '../../common/async.js';
import type { OnceLog } from '../../observability/once-log.js';
import { Stamp } from '../../stores/stamp.js';
import {
  type BumpPosition,
  type CacheStore,
  hasBumpLog,
  type MaybePromise,
  StoreUnavailableError,
} from '../../stores/store.interface.js';
import type { Call } from './call.js';
import type { Load } from './loads.js';
import { isLocalStamp } from './outage.js';

const MAX_PREDICTED_KEYS = 10_000;
/** Tags that the loads of one method learned last. */
const MAX_PREDICTED_TAGS = 64;

/**
 * The fence for tags that a load learns while it runs. A store with a log of bumps tells afterwards whether one of them was bumped since the
 * load began. On any other store, tags that earlier loads learned are stamped before the load, and a load that learns others is not stored.
 */
export class LearnedTags {
  /** Methods whose loads have learned tags. */
  readonly #topics = new Map<string, Set<string>>();
  readonly #byKey = new LRUCache<string, readonly string[]>({ max: MAX_PREDICTED_KEYS });
  readonly #begun = new WeakMap<Load, BumpPosition | Stamp>();

  constructor(private readonly log: OnceLog) {}

  /** Must be called after the stamp of the load was read, and have ended before its loader runs. Never rejects. */
  begin(call: Call, load: Load): Promise<void> | undefined {
    const { learnsTags, tableTags, topic } = call.target;
    load.context.tableTags = tableTags;
    if (tableTags === undefined && learnsTags !== true && !this.#topics.has(topic)) return undefined;
    if (load.stamp === undefined || isLocalStamp(load.stamp)) return undefined;
    return this.#settle(
      call,
      () => this.#readBefore(call),
      (begun) => {
        if (begun !== undefined) this.#begun.set(load, begun);
      },
    );
  }

  #readBefore(call: Call): MaybePromise<BumpPosition | Stamp | undefined> {
    const { store, topic } = call.target;
    if (hasBumpLog(store)) return store.bumpPosition(call.tags());
    const predicted = new Set([...(this.#byKey.get(call.key) ?? []), ...(this.#topics.get(topic) ?? [])]);
    return predicted.size === 0 ? undefined : store.stamp([...predicted]);
  }

  /**
   * Reads the generations of the tags that a load has learned, and gives them to its context if they are those of its begin. To be called
   * when the loader has ended, before the stamp of the load is completed. Never rejects.
   */
  end(call: Call, load: Load): Promise<void> | undefined {
    const { learned, tableTags, hasSources } = load.context;
    if (tableTags !== undefined && !hasSources) this.#warnOfNoTables(call);
    if (learned === undefined || load.stamp === undefined) return undefined;
    if (isLocalStamp(load.stamp)) {
      // Any bump of this process ends it.
      load.context.learnedStamp = load.stamp;
      return undefined;
    }
    const tags = [...learned];
    const begun = this.#begun.get(load);
    this.#predict(call, tags);
    return this.#settle(
      call,
      () => stampOf(call.target.store, tags, begun),
      (stamp) => {
        load.context.learnedStamp = stamp;
      },
    );
  }

  #warnOfNoTables({ target: { name, topic, hasRules } }: Call): void {
    if (hasRules === true) return;
    this.log.warn(
      `no tables ${topic}`,
      `invalidatesOn: 'auto' has no effect on ${name}: its load was not seen to read a table, so its values stay until their ttl ends. Write a rule, ` +
        `invalidatesOn: [invalidates(Entity, { … })], or invalidatesOn: [] if nothing in the database concerns it.`,
    );
  }

  #predict(call: Call, tags: readonly string[]): void {
    const { store, topic } = call.target;
    let known = this.#topics.get(topic);
    if (known === undefined) this.#topics.set(topic, (known = new Set()));
    if (hasBumpLog(store)) return;
    this.#byKey.set(call.key, tags);
    for (const tag of tags) {
      known.delete(tag);
      known.add(tag);
    }
    for (const tag of known) {
      if (known.size <= MAX_PREDICTED_TAGS) break;
      known.delete(tag);
    }
  }

  /** Calls the store, and logs its failure: then the value is not stored. */
  #settle<T>(call: Call, ask: () => MaybePromise<T>, done: (answer: T) => void): Promise<void> | undefined {
    try {
      const answer = ask();
      if (isThenable(answer))
        return Promise.resolve(answer)
          .then(done)
          .catch((error: unknown) => this.#failed(call, error));
      done(answer);
    } catch (error) {
      this.#failed(call, error);
    }
    return undefined;
  }

  #failed({ target: { name, store } }: Call, error: unknown): void {
    if (error instanceof StoreUnavailableError) return;
    this.log.error(
      `learned ${store.kind}`,
      `The ${store.kind} store did not answer for the tags that a load of ${name} learned, so its value is not stored`,
      error,
    );
  }
}

function stampOf(
  store: CacheStore,
  tags: readonly string[],
  begun: BumpPosition | Stamp | undefined,
): MaybePromise<Stamp | undefined> {
  if (begun === undefined) return undefined;
  if (!(begun instanceof Stamp)) return hasBumpLog(store) ? store.stampSince(tags, begun) : undefined;
  const at = tags.map((tag) => begun.tags.indexOf(tag));
  if (at.includes(-1)) return undefined;
  return new Stamp(
    begun.epoch,
    tags,
    at.map((i) => begun.generations[i]!),
  );
}
