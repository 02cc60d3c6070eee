/**
 * What a store is told of the application that uses it.
 *
 * @publicApi
 */
export interface StoreHost {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs a callback later; the timer never keeps the process alive. Returns its cancellation. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** Tells the application, once for what happens once. */
  readonly log: (message: string) => void;
  /** Tells the application that the store does not answer any more, or takes no writes, or is back. */
  readonly changed?: ((status: 'up' | 'down', reason?: unknown) => void) | undefined;
  /** A tag that covers another one and more; `undefined` for the one that covers all. */
  readonly coarser: (tag: string) => string | undefined;
}

/**
 * The store does not answer, or was not asked because it did not answer lately. It was reported when it went.
 *
 * @publicApi
 */
export class StoreUnavailableError extends Error {
  /** Stable. */
  readonly code: string = 'STORE_UNAVAILABLE';
}

/** The store did not answer in time. */
export class StoreTimeoutError extends StoreUnavailableError {
  constructor(kind: string, timeout: number) {
    super(`The ${kind} store did not answer within ${timeout} ms`);
  }
}

/** The store answers, but does not take what is written to it. Reads go on. */
export class StoreRefusedError extends StoreUnavailableError {
  override readonly code = 'STORE_REFUSED';
}

/** An invalidation did not reach the store yet: it is kept and sent again, and this process serves nothing it covers. */
export class BumpQueuedError extends StoreUnavailableError {
  override readonly code = 'BUMP_QUEUED';
}

/** What a store goes by until an application uses it. */
export const UNATTACHED: StoreHost = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  log: () => undefined,
  coarser: () => undefined,
};
