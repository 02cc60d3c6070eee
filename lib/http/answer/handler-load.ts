import { ServiceUnavailableException } from '@nestjs/common';
import { from, Observable, of, race, switchMap, tap } from 'rxjs';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import type { Call } from '../../cache/engine/call.js';
import type { CacheEngine } from '../../cache/engine/engine.js';
import { type FleetLock, waitForFleetLock, tryFleetLock } from '../../cache/engine/fleet-lock.js';
import type { Load } from '../../cache/engine/loads.js';
import { CacheTimeoutError } from '../../common/errors.js';
import type { Clock } from '../../common/time.js';
import { LoadWatch } from '../../observability/load-watch.js';
import type { Entry } from '../../stores/store.interface.js';
import type { Recording } from '../platform.interface.js';
import type { CachedRoute } from '../route/cached-route.js';
import type { LoadGate } from '../../cache/engine/outage.js';

/** The run of a handler, counted as a load of its method. */
export class HandlerLoad {
  readonly #watch: LoadWatch;
  #error: unknown;

  constructor(
    { engine }: CacheRuntime,
    private readonly route: CachedRoute,
  ) {
    this.#watch = new LoadWatch(route.target.counters, engine.clock);
  }

  /** @param failed told of what the handler throws */
  run<T>(handle: () => Observable<T>, failed: () => void): Observable<T> {
    const error = (thrown: unknown): void => {
      this.#error = thrown;
      failed();
    };
    return this.#watch.begin(() => handle().pipe(tap({ error })));
  }

  /**
   * To be called once its answer has gone.
   * @param isOffered whether it was given to the store, or needs not be
   */
  ended({ response, ...refused }: Recording, isOffered: boolean): void {
    const status = response?.status ?? ('status' in refused ? refused.status : undefined);
    if (status !== undefined && status >= 500) return this.#watch.failed(this.#error);
    this.#watch.succeeded();
    if (!isOffered) this.route.target.counters.notStored++;
  }
}

/** An answer, or 503 after the `hardTimeout` of its route. */
export function withinHardTimeout<T>(
  clock: Clock,
  { target }: Call,
  answer: Observable<T>,
  onTimeout: () => void,
): Observable<T> {
  const { hardTimeout } = target.policy;
  if (hardTimeout === Infinity) return answer;
  const late = new Observable<never>((subscriber) =>
    clock.after(hardTimeout, () => {
      onTimeout();
      const cause = new CacheTimeoutError(target.name, hardTimeout);
      subscriber.error(new ServiceUnavailableException('The answer took too long.', { cause }));
    }),
  );
  return race(answer, late);
}

/** What is done when it is this process's turn, and when another process has done it. */
export interface Turn {
  lead(): Observable<unknown>;
  replay(entry: Entry): Observable<unknown>;
}

/**
 * Runs a handler at once, or, with `lock: 'distributed'`, when no other process of the fleet does; what that one stored is taken.
 *
 * @param isRefresh nobody waits for the answer: where somebody else loads it, nothing is left to do
 */
export function withFleetLock(
  engine: CacheEngine,
  call: Call,
  load: Load,
  isRefresh: boolean,
  { lead, replay }: Turn,
): Observable<unknown> {
  if (call.target.policy.lock !== 'distributed' || engine.hitForMiss.has(call.key)) return lead();
  // It goes back with the load, also where nobody waited until the turn came.
  const giveBack = ({ lease }: FleetLock): void => {
    if (lease !== undefined) void load.wait().then(() => lease.release());
  };
  const giveUp = (entry?: Entry): void => load.settle({ failed: false, ...(entry && { entry }) });
  if (isRefresh) {
    const turn = tryFleetLock(engine.clock, call).then((tried) => {
      if (tried !== 'taken') giveBack(tried);
      return tried;
    });
    return from(turn).pipe(
      switchMap((tried) => {
        if (tried !== 'taken' && tried.entry === undefined) return lead();
        giveUp(tried === 'taken' ? undefined : tried.entry);
        return of(undefined);
      }),
    );
  }
  const turn = waitForFleetLock(engine.clock, call).then((taken) => {
    giveBack(taken);
    return taken;
  });
  return from(turn).pipe(
    switchMap(({ entry }) => {
      if (entry === undefined) return lead();
      giveUp(entry);
      return replay(entry);
    }),
  );
}

/** Runs a load at once, or in its turn, while the store is down and too many run. */
export function withLoadGate<T>(gate: LoadGate, load: Load, run: () => Observable<T>): Observable<T> {
  const entering = gate.enterFor(load);
  if (entering === undefined) return run();
  // The place goes back with the load, also where nobody waited until there was one.
  const admitted = Promise.resolve(entering).then((leave) => void load.wait().then(leave));
  return from(admitted).pipe(switchMap(run));
}
