import { from, of, switchMap, type Observable } from 'rxjs';
import type { Call } from '../../cache/engine/call.js';
import type { CacheEngine } from '../../cache/engine/engine.js';
import { takeTurn, tryTurn, type FleetTurn } from '../../cache/engine/fleet-lock.js';
import type { Load } from '../../cache/engine/loads.js';
import type { Entry } from '../../stores/store.interface.js';

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
export function whenItsTurn(
  engine: CacheEngine,
  call: Call,
  load: Load,
  isRefresh: boolean,
  { lead, replay }: Turn,
): Observable<unknown> {
  if (call.target.policy.lock !== 'distributed' || engine.uncacheable.has(call.key)) return lead();
  // It goes back with the load, also where nobody waited until the turn came.
  const giveBack = ({ lease }: FleetTurn): void => {
    if (lease !== undefined) void load.wait().then(() => lease.release());
  };
  const giveUp = (entry?: Entry): void => load.settle({ failed: false, ...(entry && { entry }) });
  if (isRefresh) {
    const turn = tryTurn(engine.clock, call).then((tried) => {
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
  const turn = takeTurn(engine.clock, call).then((taken) => {
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
