import type { Stamp } from '../stores/stamp.js';
import type { Call } from './call.js';
import type { CacheEngine } from './engine.js';
import { reportLoad } from './inner-call.js';
import { currentLoad } from './load-context.js';

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
