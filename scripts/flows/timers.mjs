// Keeps what runs from time to time, such as the pings of the bus, out of a flow: it belongs to none.
import { setTimeout as delay } from 'node:timers/promises';

/** Timers of at least this many milliseconds are periodic work; shorter ones limit a call that has ended by now. */
const PERIODIC_MS = 300;

/** Timers of at least this many milliseconds do not fire, unless they were set when it was quiet. */
let dropsFrom = Infinity;
let isQuiet = false;

/** Must be called before the library is loaded. */
export function controlTimers() {
  for (const name of ['setTimeout', 'setInterval']) {
    const original = globalThis[name];
    const controlled = (callback, ms = 1, ...args) => {
      const isOfFlow = isQuiet;
      return original(() => {
        if (isOfFlow || ms < dropsFrom) callback(...args);
      }, ms);
    };
    globalThis[name] = Object.defineProperties(controlled, Object.getOwnPropertyDescriptors(original));
  }
}

/** From now on only timers fire that were set later. The process must end when the flow does. */
export async function quietTimers() {
  dropsFrom = PERIODIC_MS;
  await delay(PERIODIC_MS);
  dropsFrom = 0;
  isQuiet = true;
}
