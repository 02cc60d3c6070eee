import type { OnceLog } from '../../observability/once-log.js';
import { Entry } from '../../stores/store.interface.js';
import { type Call, staleWindow } from './call.js';
import { type Clock, parseDuration } from '../../common/time.js';
import { type LoadContext, MAX_TAGS } from './load-context.js';
import type { Load, HitForMiss } from './loads.js';

import type { PreparedValue } from '../values/isolation.js';
import { Unstorable } from '../values/snapshot.js';
import { isLocalStamp } from './outage.js';

/** What became of a loaded value: its stored form and its entry, if it has them. */
export interface WriteResult {
  /** For those who wait: good as long as its stamp is, stored or not. */
  readonly entry?: Entry;
  readonly isStored?: boolean;
  readonly prepared?: PreparedValue;
  /** The next load of this key will not be storable either, so nobody should wait for it. */
  readonly isHitForMiss?: boolean;
}

const UNCACHEABLE: WriteResult = { isHitForMiss: true };

/** What the bookkeeping of one entry and of one tag takes in memory. */
const ENTRY_BYTES = 200;
const TAG_BYTES = 100;

/** Decides whether and for how long a loaded value is stored, stores it, and settles its load. */
export class EntryWriter {
  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    private readonly uncacheable: HitForMiss,
    private readonly isEnabled: () => boolean,
  ) {}

  /**
   * @param lifetime an upper bound in milliseconds that the value itself brings, e.g. `Cache-Control: max-age`
   * @returns never rejects: whatever goes wrong, the caller still has the value
   */
  async write(call: Call, load: Load, value: unknown, lifetime = Infinity): Promise<WriteResult> {
    let written: WriteResult;
    try {
      written = await this.#write(call, load, value, lifetime);
    } catch (error) {
      written = UNCACHEABLE;
      load.context.limit(this.clock.now());
      this.log.error(`write ${call.target.topic}`, `A value of ${call.target.name} was not stored`, error);
    }
    if (written.isHitForMiss === true) this.uncacheable.mark(call.key);
    else if (written.entry !== undefined) this.uncacheable.clear(call.key);
    if (written.isStored !== true) call.target.counters.notStored++;
    load.settle({ failed: false, entry: written.entry });
    return written;
  }

  async #write(call: Call, load: Load, value: unknown, lifetime: number): Promise<WriteResult> {
    const { policy, values } = call.target;
    const prepared = values.prepare(value);
    // Also a value that is not stored has a lifetime, which those made from it must not outlive.
    if (typeof policy.ttl === 'number') load.context.limit(this.clock.now() + policy.ttl);
    if (prepared instanceof Unstorable)
      return this.#refused(call, prepared.what, `cached: ${String(prepared)}`, UNCACHEABLE);
    if (policy.condition !== undefined && !(await policy.condition(value, call.context)))
      return { prepared, isHitForMiss: true };
    const now = this.clock.now();
    const ttl = Math.min(this.ttlOf(call, value) * (1 - policy.jitter * Math.random()), lifetime);
    load.context.limit(now + ttl);
    if (ttl <= 0) return { prepared, isHitForMiss: true };
    const { refusal, lasting } = load.context;
    if (refusal !== undefined)
      return this.#refused(call, refusal, `stored: ${refusal}.`, { prepared, isHitForMiss: lasting });
    const stamp = load.stamp && load.context.complete(load.stamp);
    const { freshUntil } = load.context;
    if (stamp === undefined || freshUntil <= now) return { prepared };
    if (stamp.tags.length > MAX_TAGS) {
      const reason = `with what it was made from it has more than ${MAX_TAGS} tags`;
      return this.#refused(call, reason, `stored: ${reason}.`, { prepared, isHitForMiss: true });
    }
    const size = ENTRY_BYTES + 2 * call.key.length + TAG_BYTES * stamp.tags.length + prepared.size;
    const entry = new Entry(prepared.stored, now, freshUntil, freshUntil + staleWindow(policy), stamp, size);
    return { prepared, entry, isStored: !isLocalStamp(stamp) && (await this.#store(call, load, entry)) };
  }

  async #store(call: Call, load: Load, entry: Entry): Promise<boolean> {
    const { name, store } = call.target;
    if (!this.isEnabled() || !load.mayStore()) return false;
    try {
      return (await store.set(call, entry)) !== false;
    } catch (error) {
      this.log.error(`write ${store.kind}`, `The ${store.kind} store did not take a value of ${name}`, error);
      return false;
    }
  }

  /** Milliseconds. @throws what the user's function throws, or TypeError when it answers no duration */
  ttlOf(call: Call, value: unknown): number {
    const { ttl } = call.target.policy;
    if (typeof ttl === 'number') return ttl;
    return parseDuration(ttl(value, call.context), `The ttl function's answer for ${call.target.name}`);
  }

  /** Passes the lifetime that a ttl function gives a value on to a load that the value was used in. */
  limitByTtlFunction(call: Call, value: unknown, context: LoadContext): void {
    let ttl = 0;
    try {
      ttl = this.ttlOf(call, value);
    } catch (error) {
      this.log.error(`write ${call.target.topic}`, `The ttl function of ${call.target.name} failed`, error);
    }
    context.limit(this.clock.now() + ttl);
  }

  /** @param topic without what differs from value to value, so that it is said once */
  #refused(call: Call, topic: string, reason: string, written: WriteResult): WriteResult {
    this.log.warn(`${call.target.topic} ${topic}`, `A value of ${call.target.name} is not ${reason}`);
    return written;
  }
}
