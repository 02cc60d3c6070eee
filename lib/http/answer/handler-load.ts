import { type CallHandler, ServiceUnavailableException } from '@nestjs/common';
import { from, Observable, of, race, switchMap, tap } from 'rxjs';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { CacheStatus, type Call } from '../../cache/engine/call.js';
import type { CacheEngine } from '../../cache/engine/engine.js';
import { type FleetLock, waitForFleetLock, tryFleetLock } from '../../cache/engine/fleet-lock.js';
import type { Load } from '../../cache/engine/loads.js';
import { CacheTimeoutError } from '../../common/errors.js';
import type { Clock } from '../../common/time.js';
import { LoadWatch } from '../../observability/load-watch.js';
import type { StatusCounter } from '../../observability/metrics.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Recording, RecordingControl } from '../platform.interface.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { LoadGate } from '../../cache/engine/outage.js';

// Limits around a handler, in the order in which a request meets them: hard timeout, fleet lock, load gate, handler.

/** Answers 503 after the `hardTimeout` of the route. */
export function withHardTimeout(
  clock: Clock,
  { target }: Call,
  counter: StatusCounter,
  answer: Observable<unknown>,
): Observable<unknown> {
  const { hardTimeout } = target.policy;
  if (hardTimeout === Infinity) return answer;
  const late = new Observable<never>((subscriber) =>
    clock.after(hardTimeout, () => {
      counter.count(CacheStatus.MISS);
      const cause = new CacheTimeoutError(target.name, hardTimeout);
      subscriber.error(new ServiceUnavailableException('The answer took too long.', { cause }));
    }),
  );
  return race(answer, late);
}

/**
 * Runs a handler at once, or with `lock: 'distributed'` when it holds the lock of all processes.
 *
 * @param isRefresh true for background refreshes: if another process loads the answer, nothing is left to do
 * @param replay sends the response that another process has loaded
 */
export function withFleetLock(
  engine: CacheEngine,
  call: Call,
  load: Load,
  isRefresh: boolean,
  run: () => Observable<unknown>,
  replay: (entry: Entry) => Observable<unknown>,
): Observable<unknown> {
  if (call.target.policy.lock !== 'distributed' || engine.hitForMiss.has(call.key)) return run();
  const acquire: Promise<FleetLock | 'taken'> = isRefresh
    ? tryFleetLock(engine.clock, call)
    : waitForFleetLock(engine.clock, engine.log, call, load);
  const acquired = acquire.then((lock) => {
    const lease = lock === 'taken' ? undefined : lock.lease;
    // Released with the load, even if the request was cancelled before it got the lock.
    if (lease !== undefined) load.whenEnded(() => void lease.release());
    return lock;
  });
  return from(acquired).pipe(
    switchMap((lock) => {
      const entry = lock === 'taken' ? undefined : lock.entry;
      if (lock !== 'taken' && entry === undefined) return run();
      load.settle({ failed: false, ...(entry && { entry }) });
      return isRefresh || entry === undefined ? of(undefined) : replay(entry);
    }),
  );
}

/** Runs a load at once; while the store is down and too many loads run, in turn. */
export function withLoadGate<T>(gate: LoadGate, load: Load, run: () => Observable<T>): Observable<T> {
  const entering = gate.enterFor(load);
  if (entering === undefined) return run();
  // The slot is released with the load, even if the request was cancelled before it got one.
  const admitted = Promise.resolve(entering).then((leave) => load.whenEnded(leave));
  return from(admitted).pipe(switchMap(run));
}

/** Runs a load when the store has said where it stands among bumps; at once if its method learns no tags. */
export function withLearnedTags<T>(
  { learned }: CacheEngine,
  call: Call,
  load: Load,
  run: () => Observable<T>,
): Observable<T> {
  const begun = learned.begin(call, load);
  return begun === undefined ? run() : from(begun).pipe(switchMap(run));
}

/** Runs the handler once, counted as a load of its method. */
export class HandlerLoad {
  readonly #watch: LoadWatch;
  #error: unknown;

  constructor(
    { engine }: CacheRuntime,
    private readonly route: CachedRoute,
  ) {
    this.#watch = new LoadWatch(route.target.counters, engine.clock, true);
  }

  /** @param control control of the recording, which ends if the handler throws or is cancelled (hard timeout) */
  run(next: CallHandler, control: RecordingControl): Observable<unknown> {
    const error = (thrown: unknown): void => {
      this.#error = thrown;
      control.fail();
    };
    const unsubscribe = (): void => control.fail();
    return this.#watch.begin(() => next.handle().pipe(tap({ error, unsubscribe })));
  }

  /**
   * Called after the answer was sent.
   * @param isOffered true if the answer was passed to the store, or was not meant to be stored
   */
  ended({ response, ...refused }: Recording, isOffered: boolean): void {
    const status = response?.status ?? ('status' in refused ? refused.status : undefined);
    if (status !== undefined && status >= 500) return this.#watch.failed(this.#error);
    this.#watch.succeeded();
    if (!isOffered) this.route.target.counters.notStored++;
  }
}
