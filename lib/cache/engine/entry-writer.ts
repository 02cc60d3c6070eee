import { describeError, type OnceLog } from '../../observability/once-log.js';
import { Entry } from '../../stores/store.interface.js';
import { type Call, staleWindow } from './call.js';
import { type Clock, parseDuration } from '../../common/time.js';
import type { LearnedTags } from './learned-tags.js';
import { type LoadContext, MAX_TAGS } from './load-context.js';
import type { Load, HitForMiss } from './loads.js';

import type { PreparedValue } from '../values/isolation.js';
import { Unstorable } from '../values/snapshot.js';
import { isLocalStamp } from './outage.js';

/** Result of writing a loaded value. */
export interface WriteResult {
  /** The entry for calls that wait for the load; usable while its stamp is current, stored or not. */
  readonly entry?: Entry;
  readonly isStored?: boolean;
  readonly prepared?: PreparedValue;
  /** The next value of this key will not be storable either, so calls should not wait for its load. */
  readonly isHitForMiss?: boolean;
}

const UNCACHEABLE: WriteResult = { isHitForMiss: true };

/** Estimated bytes of one entry in memory and of its reference to one tag, without its value and texts. Measured in test/stores/memory. */
const ENTRY_BYTES = 720;
const TAG_BYTES = 24;

/** Decides whether and for how long a loaded value is stored, stores it, and settles its load. */
export class EntryWriter {
  /** Called with the tables that a load has read; set where there is somebody to advise. */
  onTablesRead: ((call: Call, tables: ReadonlySet<string>) => void) | undefined = undefined;

  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    private readonly uncacheable: HitForMiss,
    private readonly learned: LearnedTags,
    private readonly isEnabled: () => boolean,
  ) {}

  /**
   * @param lifetime upper bound in milliseconds that the value itself sets, e.g. by `Cache-Control: max-age`
   * @returns a promise that never rejects: a failed write must not fail the call
   */
  async write(call: Call, load: Load, value: unknown, lifetime = Infinity): Promise<WriteResult> {
    let written: WriteResult;
    this.#readLoad(call, load, value);
    // Also for a value that is not stored: others may be made from it.
    const ended = this.learned.end(call, load);
    if (ended !== undefined) await ended;
    try {
      written = await this.#write(call, load, value, lifetime);
    } catch (error) {
      written = UNCACHEABLE;
      call.target.counters.refusals.count('error');
      load.context.limit(this.clock.now());
      this.log.error(`write ${call.target.topic}`, `A value of ${call.target.name} was not stored`, error);
    }
    if (written.isHitForMiss === true) this.uncacheable.mark(call.key);
    else if (written.entry !== undefined) this.uncacheable.clear(call.key);
    if (written.isStored !== true) call.target.counters.notStored++;
    load.settle({ failed: false, entry: written.entry });
    return written;
  }

  /** Takes from a load what the application is told, and the tags that its value decides. */
  #readLoad(call: Call, { context }: Load, value: unknown): void {
    const { target } = call;
    if (context.tables.size > 0) this.onTablesRead?.(call, context.tables);
    if (target.learnsTags !== true) return;
    try {
      for (const tag of target.valueTags?.(call, value) ?? []) context.learn(tag);
    } catch (error) {
      context.refuse(`its valueTags are not known. ${describeError(error)}`, true, 'tags');
    }
  }

  async #write(call: Call, load: Load, value: unknown, lifetime: number): Promise<WriteResult> {
    const { policy, values } = call.target;
    const prepared = values.prepare(value);
    // A value that is not stored has a lifetime too, which limits values made from it.
    if (typeof policy.ttl === 'number') load.context.limit(this.clock.now() + policy.ttl);
    if (prepared instanceof Unstorable)
      return this.#refused(call, 'value', prepared.topic, `cached: ${String(prepared)}`, UNCACHEABLE);
    const { refusals } = call.target.counters;
    if (policy.condition !== undefined && !(await policy.condition(value, call.context))) {
      refusals.count('condition');
      return { prepared, isHitForMiss: true };
    }
    const now = this.clock.now();
    const ttl = Math.min(this.ttlOf(call, value) * (1 - policy.jitter * Math.random()), lifetime);
    load.context.limit(now + ttl);
    if (ttl <= 0) {
      refusals.count('ttl');
      return { prepared, isHitForMiss: true };
    }
    const { refusal, refusalKind, lasting } = load.context;
    if (refusal !== undefined)
      return this.#refused(call, refusalKind, refusal, `stored: ${refusal}.`, {
        prepared,
        isHitForMiss: lasting,
      });
    const [input] = load.context.inputs;
    if (input !== undefined) {
      const reason = `its load read ${input.name}, which its key does not hold: ${input.advice}`;
      return this.#refused(call, 'input', input.name, `stored: ${reason}.`, { prepared, isHitForMiss: true });
    }
    const stamp = load.stamp && load.context.complete(load.stamp);
    const { freshUntil } = load.context;
    if (stamp === undefined || freshUntil <= now) {
      refusals.count('changed');
      return { prepared };
    }
    if (stamp.tags.length > MAX_TAGS) {
      const reason = `with what it was made from it has more than ${MAX_TAGS} tags`;
      return this.#refused(call, 'tags', reason, `stored: ${reason}.`, { prepared, isHitForMiss: true });
    }
    const size = ENTRY_BYTES + call.key.length + TAG_BYTES * stamp.tags.length + prepared.size;
    const entry = new Entry(prepared.stored, now, freshUntil, freshUntil + staleWindow(policy), stamp, size);
    const isStored = !isLocalStamp(stamp) && (await this.#store(call, load, entry));
    if (load.context.hasWritten) call.target.writes = true;
    if (isStored) call.target.counters.storedBytes += size;
    else refusals.count('store');
    return { prepared, entry, isStored };
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

  /** @returns milliseconds @throws what the user's function throws, or TypeError if it returns no duration */
  ttlOf(call: Call, value: unknown): number {
    const { ttl } = call.target.policy;
    if (typeof ttl === 'number') return ttl;
    return parseDuration(ttl(value, call.context), `The result of the ttl function of ${call.target.name}`);
  }

  /** Limits a load by the lifetime that the ttl function gives a value used in it. */
  limitByTtlFunction(call: Call, value: unknown, context: LoadContext): void {
    let ttl = 0;
    try {
      ttl = this.ttlOf(call, value);
    } catch (error) {
      this.log.error(`write ${call.target.topic}`, `The ttl function of ${call.target.name} failed`, error);
    }
    context.limit(this.clock.now() + ttl);
  }

  /**
   * @param kind counted under
   * @param topic the same for every value, so that the line is logged once
   */
  #refused(call: Call, kind: string, topic: string, reason: string, written: WriteResult): WriteResult {
    const line = `A value of ${call.target.name} is not ${reason}`;
    call.target.counters.refusals.count(kind, line);
    this.log.warn(`${call.target.topic} ${topic}`, line);
    return written;
  }
}
