import { LATE, orLate, within } from '../../common/async.js';
import { CacheTimeoutError } from '../../common/errors.js';
import type { Clock } from '../../common/time.js';
import type { MethodCounters } from '../../observability/metrics.js';
import type { OnceLog } from '../../observability/once-log.js';
import type { Stamp } from '../../stores/stamp.js';
import { Entry } from '../../stores/store.interface.js';
import { CacheStatus, type Call } from './call.js';
import type { EntryWriter } from './entry-writer.js';
import { currentLoad, type LoadContext } from './load-context.js';
import type { Load } from './loads.js';
import type { StoreReader } from './store-reader.js';

/** The part of the engine that timeouts use. */
export interface TimedEngine {
  readonly clock: Clock;
  readonly log: OnceLog;
  /** Whether an entry past its freshness may be served because a fresh one takes too long. */
  mayServeLate(call: Call, entry: Entry): Promise<boolean>;
  serve(call: Call, entry: Entry, status: CacheStatus): unknown;
}

/**
 * Runs a load under `softTimeout` and `hardTimeout`. When one passes the caller gets what is stale, or, at the hard one, an
 * error; the load goes on in the background, and what it brings is stored.
 */
export async function loadWithin(
  engine: TimedEngine,
  call: Call,
  stale: Entry | undefined,
  load: (call: Call) => Promise<unknown>,
): Promise<unknown> {
  const { clock } = engine;
  const { hardTimeout } = call.target.policy;
  const softTimeout = stale === undefined ? Infinity : call.target.policy.softTimeout;
  const deadline = clock.now() + hardTimeout;
  const behind = call.copy();
  behind.retries = call.retries;
  behind.endedLoad = call.endedLoad;
  const loading = load(behind);
  let value = await within(clock, Math.min(softTimeout, hardTimeout), loading, orLate);
  if (value === LATE) {
    // Asked only now: it may have been purged meanwhile.
    if (stale !== undefined && (await engine.mayServeLate(call, stale))) {
      report(engine, call, loading);
      return engine.serve(call, stale, CacheStatus.STALE);
    }
    const left = deadline - clock.now();
    if (left > 0) value = await within(clock, left, loading, orLate);
  }
  if (value === LATE) {
    report(engine, call, loading);
    // What the load goes on to read is not known yet.
    currentLoad()?.refuse(`${call.target.name} inside it did not answer in time`);
    throw new CacheTimeoutError(call.target.name, hardTimeout);
  }
  call.status = behind.status;
  call.entry = behind.entry;
  return value;
}

/** Nobody waits for it any more: if it fails, the log is told. */
function report({ log }: TimedEngine, { target }: Call, loading: Promise<unknown>): void {
  loading.catch((error: unknown) => {
    log.error(`late ${target.topic}`, `A load of ${target.name} failed after its timeout`, error);
  });
}

// What a cached call tells the load that it was made in: every call does, whatever its status, so that the outer value
// is invalidated with the inner one and never outlives it.

/** Reports an entry that was served. */
export function reportEntry(call: Call, outer: LoadContext): void {
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
export async function bypassInLoad(engine: BypassedEngine, call: Call, outer: LoadContext): Promise<unknown> {
  const { name, policy, store } = call.target;
  const stamp = call.isKeyed ? await engine.reader.stamp(call) : undefined;
  if (stamp === undefined) outer.refuse(`it was made from ${name}, which was called uncached`, !call.isKeyed);
  else
    outer.inherit(store, stamp, typeof policy.ttl === 'number' ? engine.clock.now() + policy.ttl : Infinity);
  const value = await call.target.load(call);
  if (typeof policy.ttl === 'function') engine.writer.limitByTtlFunction(call, value, outer);
  return value;
}

/** Counts a call that loads by what its caller is told in the end. */
export async function counted(
  call: Call,
  loading: Promise<unknown>,
  counters: MethodCounters,
): Promise<unknown> {
  try {
    return await loading;
  } finally {
    counters.count(call.status);
  }
}
