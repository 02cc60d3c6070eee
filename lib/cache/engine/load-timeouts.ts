import type { OnceLog } from '../../observability/once-log.js';
import type { Entry } from '../../stores/store.interface.js';
import { CacheStatus, type Call } from './call.js';
import type { Clock } from '../../common/time.js';
import { CacheTimeoutError } from '../../common/errors.js';
import { currentLoad } from './load-context.js';

/** The part of the engine that timeouts use. */
export interface TimedEngine {
  readonly clock: Clock;
  readonly log: OnceLog;
  /** Whether an entry past its freshness may be served because a fresh one takes too long. */
  mayServeLate(call: Call, entry: Entry): Promise<boolean>;
  serve(call: Call, entry: Entry, status: CacheStatus): unknown;
}

/** What {@link within} answers when the time is over. */
export const LATE = Symbol('late');

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
  const behind = call.again();
  behind.retries = call.retries;
  behind.ended = call.ended;
  const loading = load(behind);
  let value = await within(clock, loading, Math.min(softTimeout, hardTimeout));
  if (value === LATE) {
    // Asked only now: it may have been purged meanwhile.
    if (stale !== undefined && (await engine.mayServeLate(call, stale))) {
      report(engine, call, loading);
      return engine.serve(call, stale, CacheStatus.STALE);
    }
    const left = deadline - clock.now();
    if (left > 0) value = await within(clock, loading, left);
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

/** What a promise brings, or {@link LATE} after a limit in milliseconds. */
export async function within<T>(clock: Clock, loading: Promise<T>, limit: number): Promise<T | typeof LATE> {
  if (limit === Infinity) return loading;
  let cancel = (): void => undefined;
  const late = new Promise<typeof LATE>((resolve) => (cancel = clock.after(limit, () => resolve(LATE))));
  return Promise.race([loading, late]).finally(cancel);
}
