import { from, switchMap, type Observable } from 'rxjs';
import type { Load, LoadGate } from '../../cache/engine/loads.js';

/** Runs a load at once, or in its turn, while the store is down and too many run. */
export function whenAdmitted<T>(gate: LoadGate, load: Load, run: () => Observable<T>): Observable<T> {
  const entering = gate.enterFor(load);
  if (entering === undefined) return run();
  // The place goes back with the load, also where nobody waited until there was one.
  const admitted = Promise.resolve(entering).then((leave) => void load.wait().then(leave));
  return from(admitted).pipe(switchMap(run));
}
