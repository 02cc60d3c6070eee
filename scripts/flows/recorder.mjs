// Records who calls whom. What runs later, behind an await or in a callback, is shown below the function that waits.
import { AsyncLocalStorage } from 'node:async_hooks';

/** @typedef {{ id: number, calls: Call[] }} Call */

const callers = new AsyncLocalStorage();
// The library watches storages through their prototype, and would record its own recording.
Object.assign(callers, {
  getStore: AsyncLocalStorage.prototype.getStore,
  run: AsyncLocalStorage.prototype.run,
});
/** @type {Call[] | undefined} */
let roots;

/** Called by each function of a traced file, in place of its body. */
export function $call(id, body) {
  if (roots === undefined) return body();
  const call = { id, calls: [] };
  (callers.getStore()?.calls ?? roots).push(call);
  return callers.run(call, body);
}

/** Runs `action` and answers what was called until it had ended. */
export async function recordCalls(action) {
  const recorded = (roots = []);
  await action();
  roots = undefined;
  return recorded;
}
