import type { OnceLog } from '../observability/once-log.js';
import type { MaybePromise } from '../stores/store.interface.js';

/** Ends all of these. One that fails is logged, and keeps no other open. */
export async function endAll<T>(
  all: readonly T[],
  end: (one: T) => MaybePromise<void>,
  log: OnceLog,
  what: string,
): Promise<void> {
  for (const result of await Promise.allSettled(all.map(async (one) => end(one))))
    if (result.status === 'rejected') log.error(`end ${what}`, `${what} did not close`, result.reason);
}
