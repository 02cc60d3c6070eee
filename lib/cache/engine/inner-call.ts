import { CacheStatus, type Call } from './call.js';
import type { Clock } from '../../common/time.js';
import type { EntryWriter } from './entry-writer.js';
import { Entry } from '../../stores/store.interface.js';
import type { Stamp } from '../../stores/stamp.js';
import type { LoadContext } from './load-context.js';
import type { Load } from './loads.js';
import type { StoreReader } from './store-reader.js';

// What a cached call tells the load that it was made in: every call does, whatever its status, so that the outer value
// is invalidated with the inner one and never outlives it.

/** Reports an entry that was served. */
export function reportServed(call: Call, outer: LoadContext): void {
  if (call.status === CacheStatus.STALE)
    return outer.refuse(`${call.target.name} inside it was served stale`);
  outer.inherit(call.target.store, call.entry!.stamp, call.entry!.freshUntil);
}

/** Reports a load, also one that failed or was not stored. */
export function reportLoad(call: Call, load: Load, outer: LoadContext): void {
  if (load.context.refusal !== undefined) outer.refuse(load.context.refusal, load.context.lasting);
  const stamp = load.stamp && load.context.complete(load.stamp);
  if (stamp === undefined)
    return outer.refuse(`the data ${call.target.name} depends on changed during the load`);
  outer.inherit(call.target.store, stamp, load.context.freshUntil);
}

/** Reports that a key was looked up by hand in vain: what the load stores under it, its own value is made from. */
export function reportMissing(call: Call, reading: Entry | Stamp | undefined, outer: LoadContext): void {
  const stamp = reading instanceof Entry ? reading.stamp : reading;
  if (stamp !== undefined) outer.inherit(call.target.store, stamp, Infinity);
  outer.missed.add(call.key);
}

/** The part of the engine that a bypassing call inside a load reports with. */
export interface BypassedEngine {
  readonly clock: Clock;
  readonly reader: StoreReader;
  readonly writer: EntryWriter;
}

/** Computes without reading or storing, and reports what a load of it would have. */
export async function bypassInside(engine: BypassedEngine, call: Call, outer: LoadContext): Promise<unknown> {
  const { name, policy, store } = call.target;
  const stamp = call.isKeyed ? await engine.reader.stamp(call) : undefined;
  if (stamp === undefined) outer.refuse(`it was made from ${name}, which was called uncached`, !call.isKeyed);
  else
    outer.inherit(store, stamp, typeof policy.ttl === 'number' ? engine.clock.now() + policy.ttl : Infinity);
  const value = await call.target.load(call);
  if (typeof policy.ttl === 'function') engine.writer.limitBy(call, value, outer);
  return value;
}
