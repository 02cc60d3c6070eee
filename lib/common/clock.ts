/**
 * The one door to time. Tests put their own clock behind it (`forRoot({ clock })`).
 *
 * @publicApi
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Runs `callback` after `ms` milliseconds; the timer never keeps the process alive. Returns its cancellation. */
  after(ms: number, callback: () => void): () => void;
}

/** Timers beyond this overflow in Node and would fire at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

export const systemClock: Clock = {
  // Looked up at each call, as timers are: tests that fake time put another Date in its place.
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, MAX_TIMEOUT));
    timer.unref();
    return () => clearTimeout(timer);
  },
};
