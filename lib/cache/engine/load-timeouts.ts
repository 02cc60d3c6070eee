import { LATE, orLate, within } from '../../common/async.js';
import { CacheTimeoutError } from '../../common/errors.js';
import type { Clock } from '../../common/time.js';
import type { OnceLog } from '../../observability/once-log.js';
import type { Entry } from '../../stores/store.interface.js';
import { CacheStatus, type Call } from './call.js';
import { currentLoad } from './load-context.js';

/** The part of the engine that timeouts use. */
export interface TimedEngine {
  readonly clock: Clock;
  readonly log: OnceLog;
  /** True if a stale entry may be served because the load takes too long. */
  mayServeLate(call: Call, entry: Entry): Promise<boolean>;
  serve(call: Call, entry: Entry, status: CacheStatus): unknown;
}

/**
 * Runs a load under `softTimeout` and `hardTimeout`. After the soft one the caller gets the stale entry, if there is one; after
 * the hard one that, or an error. The load goes on in the background, and its value is stored.
 */
export async function loadWithTimeouts(
  engine: TimedEngine,
  call: Call,
  stale: Entry | undefined,
  load: (call: Call) => Promise<unknown>,
): Promise<unknown> {
  const { clock } = engine;
  const { hardTimeout } = call.target.policy;
  const softTimeout = stale === undefined ? Infinity : call.target.policy.softTimeout;
  const deadline = clock.now() + hardTimeout;
  // A copy, since the call is answered while the load may still be running.
  const background = call.copy();
  background.retries = call.retries;
  background.endedLoad = call.endedLoad;
  const loading = load(background);
  let value: unknown = await within(clock, Math.min(softTimeout, hardTimeout), loading, orLate);
  if (value === LATE) {
    // Asked only now, since the entry may have been purged meanwhile.
    if (stale !== undefined && (await engine.mayServeLate(call, stale))) {
      logLateFailure(engine, call, loading);
      return engine.serve(call, stale, CacheStatus.STALE);
    }
    const left = deadline - clock.now();
    if (left > 0) value = await within(clock, left, loading, orLate);
  }
  if (value === LATE) {
    logLateFailure(engine, call, loading);
    // The enclosing load cannot know what this one will still read.
    currentLoad()?.refuse(`${call.target.name} inside it did not answer in time`);
    throw new CacheTimeoutError(call.target.name, hardTimeout);
  }
  call.status = background.status;
  call.entry = background.entry;
  return value;
}

/** Logs the error of a load that no caller waits for any more. */
function logLateFailure({ log }: TimedEngine, { target }: Call, loading: Promise<unknown>): void {
  loading.catch((error: unknown) => {
    log.error(`late ${target.topic}`, `A load of ${target.name} failed after its timeout`, error);
  });
}
