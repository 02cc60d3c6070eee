import type { Entry } from '../stores/entry.js';
import { CacheStatus } from './cache-status.js';
import type { Call } from './call.js';
import type { Clock } from './clock.js';
import type { CacheEngine } from './engine.js';
import { CacheTimeoutError } from './errors.js';

/** What {@link within} answers when the time is over. */
export const LATE = Symbol('late');

/**
 * Runs a load under `softTimeout` and `hardTimeout`. When one passes the caller gets what is stale, or, at the hard one, an
 * error; the load goes on in the background, and what it brings is stored.
 */
export async function loadWithin(
  engine: CacheEngine,
  call: Call,
  stale: Entry | undefined,
  load: (call: Call) => Promise<unknown>,
): Promise<unknown> {
  const { softTimeout, hardTimeout } = call.target.policy;
  const behind = call.again();
  behind.retries = call.retries;
  const loading = load(behind);
  const usable = stale !== undefined && (await engine.mayServeLate(call, stale)) ? stale : undefined;
  const limit = usable === undefined ? hardTimeout : Math.min(softTimeout, hardTimeout);
  const value = await within(engine.clock, loading, limit);
  if (value !== LATE) {
    call.status = behind.status;
    call.entry = behind.entry;
    return value;
  }
  loading.catch((error: unknown) => {
    engine.log.error(
      `late ${call.target.name}`,
      `A load of ${call.target.name} failed after its timeout`,
      error,
    );
  });
  if (usable === undefined) throw new CacheTimeoutError(call.target.name, hardTimeout);
  return engine.serve(call, usable, CacheStatus.STALE);
}

/** What a promise brings, or {@link LATE} after a limit in milliseconds. */
export async function within<T>(clock: Clock, loading: Promise<T>, limit: number): Promise<T | typeof LATE> {
  if (limit === Infinity) return loading;
  let cancel = (): void => undefined;
  const late = new Promise<typeof LATE>((resolve) => (cancel = clock.after(limit, () => resolve(LATE))));
  return Promise.race([loading, late]).finally(cancel);
}
