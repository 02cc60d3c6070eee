import { Entry } from '../stores/entry.js';
import { CacheStatus } from './cache-status.js';
import type { Call } from './call.js';
import type { CacheEngine } from './engine.js';
import { CacheUsageError } from './errors.js';
import { reportLoad } from './inner-call.js';
import { currentLoad, LoadContext, runInLoad } from './load-context.js';
import type { Load } from './loads.js';
import { isThenable } from './thenable.js';

/** A call whose value this batch has to load. */
interface Missing {
  readonly call: Call;
  readonly load: Load;
  readonly index: number;
}

/**
 * Answers many calls with one network wait and one run of a loader for all that is missing. Each item is shared, stored
 * and invalidated for itself.
 *
 * @param loadMissing gets the calls that are missing and answers their values, in the same order
 */
export async function fetchMany(
  engine: CacheEngine,
  calls: readonly Call[],
  loadMissing: (calls: readonly Call[]) => Promise<readonly unknown[]>,
): Promise<unknown[]> {
  const results = new Array<unknown>(calls.length);
  const missing: Missing[] = [];
  const waiting: Promise<void>[] = [];
  const asked = calls.map((call) => engine.reader.read(call));
  // Without a wait, where there is none: others may ask for the same meanwhile.
  const readings = asked.some(isThenable)
    ? await Promise.all(asked)
    : (asked as Awaited<(typeof asked)[number]>[]);
  readings.forEach((reading, index) => {
    const call = calls[index]!;
    if (reading instanceof Entry && reading.isFresh(engine.clock.now())) {
      results[index] = engine.serve(call, reading, CacheStatus.HIT);
      return;
    }
    const stamp = reading instanceof Entry ? undefined : reading;
    const joined = engine.join(call, stamp);
    if (joined === undefined) missing.push({ call, index, load: engine.begin(call, stamp) });
    else waiting.push(engine.wait(call, joined, undefined).then((value) => void (results[index] = value)));
  });
  if (missing.length > 0) waiting.push(loadAll(engine, missing, loadMissing, results));
  await allOrFirstError(waiting);
  return results;
}

async function loadAll(
  engine: CacheEngine,
  missing: readonly Missing[],
  loadMissing: (calls: readonly Call[]) => Promise<readonly unknown[]>,
  results: unknown[],
): Promise<void> {
  const outer = currentLoad();
  const shared = new LoadContext(missing[0]!.call.target.store);
  let values: readonly unknown[];
  try {
    values = await runInLoad(shared, () => loadMissing(missing.map(({ call }) => call)));
    assertOneEach(values, missing.length);
  } catch (error) {
    for (const { load } of missing) load.settle({ failed: true, error });
    throw error;
  } finally {
    shared.close();
    for (const { load } of missing) load.context.absorb(shared);
    if (outer !== undefined) for (const { call, load } of missing) reportLoad(call, load, outer);
  }
  await Promise.all(
    missing.map(async ({ call, load, index }, i) => {
      const written = await engine.writer.write(call, load, values[i]);
      if (written.isStored === true) call.entry = written.entry;
      if (outer !== undefined) outer.limit(load.context.freshUntil);
      results[index] = call.target.values.presentLoaded(values[i], written.prepared);
    }),
  );
}

function assertOneEach(values: unknown, count: number): void {
  if (Array.isArray(values) && values.length === count) return;
  throw new CacheUsageError(
    'CACHE_BATCH',
    `The loader of getOrSetMany() must answer one value for each of the ${count} keys it was given, in their order; it ` +
      `answered ${Array.isArray(values) ? `${values.length} values` : typeof values}.`,
  );
}

/** Waits for all, so that nothing is left running behind the caller's back, and then tells the first error. */
async function allOrFirstError(work: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(work))
    if (outcome.status === 'rejected') throw outcome.reason;
}
