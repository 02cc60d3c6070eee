import type { Stamp } from '../stores/stamp.js';
import { StoreUnavailableError } from '../stores/store.interface.js';
import type { Call } from './engine/call.js';
import type { CacheEngine } from './engine/engine.js';
import { reportLoad } from './engine/call-wrappers.js';
import { currentLoad } from './engine/load-context.js';

/**
 * The stamp for a value that takes the place of what is there: that is dropped first, for who has it in the memory of another process, or
 * made something from it; `undefined` when the store did not take that. What the caller's load looked up in vain it has not to drop.
 */
export async function stampAnew(
  { log, reader }: CacheEngine,
  call: Call,
  keyTag: string,
): Promise<Stamp | undefined> {
  const { name, store, topic } = call.target;
  if (currentLoad()?.missed.has(call.key) === true) return reader.stamp(call);
  try {
    await store.bump([keyTag], 'purge');
  } catch (error) {
    if (!(error instanceof StoreUnavailableError))
      log.error(`replace ${topic}`, `A value of ${name} was not replaced`, error);
    return undefined;
  }
  return reader.stamp(call);
}

/** Stores a value that was computed elsewhere, under the stamp that was read before it was. */
export async function putValue(
  { loads, writer }: CacheEngine,
  call: Call,
  value: unknown,
  stamp: Stamp | undefined,
): Promise<void> {
  const load = loads.inPlace(call.key, stamp, call.target.store);
  const written = await writer.write(call, load, value);
  if (written.isStored === true) call.entry = written.entry;
  const outer = currentLoad();
  if (outer?.missed.has(call.key) === true) reportLoad(call, load, outer);
}
