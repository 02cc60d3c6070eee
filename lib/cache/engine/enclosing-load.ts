import type { Stamp } from '../../stores/stamp.js';
import { Entry } from '../../stores/store.interface.js';
import { CacheStatus, type Call } from './call.js';
import type { LoadContext } from './load-context.js';
import type { Load } from './loads.js';

// Every cached call made inside a load reports what its value depends on to that load, whatever the status of the call: then
// the outer value is invalidated together with the inner one, and expires no later.

/** Reports an entry that was served. */
export function reportEntry(call: Call, enclosing: LoadContext): void {
  if (call.status === CacheStatus.STALE)
    return enclosing.refuse(`${call.target.name} inside it was served stale`);
  enclosing.inherit(call.target.store, call.entry!.stamp, call.entry!.freshUntil);
}

/** Reports a load, also one that failed or whose value was not stored. */
export function reportLoad(call: Call, load: Load, enclosing: LoadContext): void {
  if (load.context.refusal !== undefined)
    enclosing.refuse(load.context.refusal, load.context.lasting, load.context.refusalKind);
  if (load.context.hasWritten) enclosing.hasWritten = true;
  enclosing.inheritInputs(load.context);
  const stamp = load.stamp && load.context.complete(load.stamp);
  if (stamp === undefined)
    return enclosing.refuse(`the data ${call.target.name} depends on changed during the load`);
  enclosing.inherit(call.target.store, stamp, load.context.freshUntil);
}

/** Reports a lookup by hand that found nothing: the enclosing value is made from what it then stores under this key. */
export function reportMissing(call: Call, reading: Entry | Stamp | undefined, enclosing: LoadContext): void {
  const stamp = reading instanceof Entry ? reading.stamp : reading;
  if (stamp !== undefined) enclosing.inherit(call.target.store, stamp, Infinity);
  enclosing.missed.add(call.key);
}
