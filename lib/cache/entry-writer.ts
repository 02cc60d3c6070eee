import type { OnceLog } from '../observability/once-log.js';
import { Entry } from '../stores/entry.js';
import type { Call } from './call.js';
import type { Clock } from './clock.js';
import { parseDuration } from './duration.js';
import type { Load } from './loads.js';
import { staleWindow } from './policy.js';
import type { UncacheableMarks } from './uncacheable-marks.js';
import type { PreparedValue } from './values/isolation.js';
import { Unstorable } from './values/snapshot.js';

/** What became of a loaded value: its stored form, if it has one, and its entry, if it was stored. */
export interface Written {
  readonly entry?: Entry;
  readonly prepared?: PreparedValue;
  /** The next load of this key will not be storable either, so nobody should wait for it. */
  readonly uncacheable?: boolean;
}

const UNCACHEABLE: Written = { uncacheable: true };

/** What the bookkeeping of one entry and of one tag takes in memory. */
const ENTRY_BYTES = 200;
const TAG_BYTES = 100;

/** Decides whether and for how long a loaded value is stored, stores it, and settles its load. */
export class EntryWriter {
  constructor(
    private readonly clock: Clock,
    private readonly log: OnceLog,
    private readonly uncacheable: UncacheableMarks,
  ) {}

  /**
   * @param lifetime an upper bound in milliseconds that the value itself brings, e.g. `Cache-Control: max-age`
   * @returns never rejects: whatever goes wrong, the caller still has the value
   */
  async write(call: Call, load: Load, value: unknown, lifetime = Infinity): Promise<Written> {
    let written: Written = {};
    try {
      written = await this.#write(call, load, value, lifetime);
    } catch (error) {
      this.log.error(`write ${call.target.name}`, `A value of ${call.target.name} was not stored`, error);
    }
    if (written.uncacheable === true) this.uncacheable.set(call.key);
    else if (written.entry !== undefined) this.uncacheable.clear(call.key);
    load.settle({ failed: false, entry: written.entry });
    return written;
  }

  async #write(call: Call, load: Load, value: unknown, lifetime: number): Promise<Written> {
    const { policy, store, values } = call.target;
    const prepared = values.prepare(value);
    if (prepared instanceof Unstorable)
      return this.#refused(call, `cached: ${String(prepared)}`, UNCACHEABLE);
    if (policy.condition !== undefined && !(await policy.condition(value, call.context)))
      return { prepared, uncacheable: true };
    const now = this.clock.now();
    const ttl = Math.min(this.#ttl(call, value), lifetime);
    if (ttl <= 0) return { prepared, uncacheable: true };
    const { refusal, lasting } = load.context;
    if (refusal !== undefined)
      return this.#refused(call, `stored: ${refusal}.`, { prepared, uncacheable: lasting });
    const stamp = load.stamp && load.context.complete(load.stamp);
    const freshUntil = Math.min(now + ttl, load.context.freshUntil);
    if (stamp === undefined || freshUntil <= now) return { prepared };
    const size = ENTRY_BYTES + 2 * call.key.length + TAG_BYTES * stamp.tags.length + prepared.size;
    const entry = new Entry(prepared.stored, now, freshUntil, freshUntil + staleWindow(policy), stamp, size);
    await store.set(call, entry);
    return { prepared, entry };
  }

  #ttl(call: Call, value: unknown): number {
    const { ttl } = call.target.policy;
    if (typeof ttl === 'number') return ttl;
    return parseDuration(ttl(value, call.context), `The ttl function's answer for ${call.target.name}`);
  }

  #refused(call: Call, reason: string, written: Written): Written {
    this.log.warn(`${call.target.name} ${reason}`, `A value of ${call.target.name} is not ${reason}`);
    return written;
  }
}
