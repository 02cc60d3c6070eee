import { from, of, switchMap, type Observable } from 'rxjs';
import type { Call } from '../cache/call.js';
import type { CacheEngine } from '../cache/engine.js';
import { takeTurn, tryTurn } from '../cache/fleet-lock.js';
import type { Load } from '../cache/loads.js';
import type { Entry } from '../stores/entry.js';
import type { Lease } from '../stores/lease.interface.js';

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
  const leadUnder = (lease: Lease | undefined): Observable<unknown> => {
    if (lease !== undefined) void load.wait().then(() => lease.release());
    return lead();
  };
  const giveUp = (entry?: Entry): void => load.settle({ failed: false, ...(entry && { entry }) });
  if (isRefresh) {
    return from(tryTurn(engine, call)).pipe(
      switchMap((turn) => {
        if (turn !== 'taken' && turn.entry === undefined) return leadUnder(turn.lease);
        giveUp(turn === 'taken' ? undefined : turn.entry);
        return of(undefined);
      }),
    );
  }
  return from(takeTurn(engine, call)).pipe(
    switchMap(({ entry, lease }) => {
      if (entry === undefined) return leadUnder(lease);
      giveUp(entry);
      return replay(entry);
    }),
  );
}
