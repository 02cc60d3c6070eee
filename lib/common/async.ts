/** A promise of any kind: those of other realms and libraries are not `instanceof Promise`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** Waits for all, so that nothing keeps running behind the caller's back, and then throws the first error. */
export async function allOrFirstError(work: readonly Promise<unknown>[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(work);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/** Runs callbacks later: a clock, or a store's host. */
export interface Timers {
  /** Returns the cancellation. */
  after(ms: number, callback: () => void): () => void;
}

/** Resolves after `ms` milliseconds. */
export function pause(timers: Timers, ms: number): Promise<void> {
  return new Promise((resolve) => void timers.after(ms, resolve));
}

/** Stands for a result that did not come in time, where `undefined` may be a result. */
export const LATE = Symbol('late');
export const orLate = (): typeof LATE => LATE;

/**
 * The result of `work`; if `work` takes longer than `ms` milliseconds, that of `late`. Then `work` goes on, and its result is dropped.
 *
 * @param late returns the value to use instead of the result, or throws. Default: `undefined`
 */
export function within<T, Late = undefined>(
  timers: Timers,
  ms: number,
  work: PromiseLike<T>,
  late: () => Late = () => undefined as Late,
): Promise<T | Late> {
  return new Promise((resolve, reject) => {
    if (ms === Infinity) return void work.then(resolve, reject);
    const cancel = timers.after(ms, () => {
      try {
        resolve(late());
      } catch (error) {
        reject(error as Error);
      }
    });
    work.then(
      (result) => {
        cancel();
        resolve(result);
      },
      (error: Error) => {
        cancel();
        reject(error);
      },
    );
  });
}

/**
 * Result of a callback that must be synchronous: `enabled`, `bypass`, `rewarmRequest`.
 *
 * @throws TypeError for a promise; its rejection is ignored, so that it cannot end the process
 */
export function assertSynchronous<T>(result: T): T {
  if (!isThenable(result)) return result;
  Promise.resolve(result).catch(() => undefined);
  throw new TypeError('it returned a promise, but must be synchronous');
}

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 5 * 60_000;

/** Attempts of a job whose store fails, before the job is dead: over an hour and a half. */
export const ATTEMPTS = 25;

/** Pause after the nth failed attempt, in milliseconds: a second, doubled each time, five minutes at most. */
export function pauseBefore(attempt: number): number {
  return Math.min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE);
}

/** Default of `shutdownTimeout`: `docker stop` kills after ten seconds. Milliseconds. */
export const SHUTDOWN_MS = 5_000;

/**
 * Time that is left of `forRoot({ shutdownTimeout })`.
 *
 * @publicApi
 */
export interface ShutdownDeadline {
  /** Milliseconds. */
  left(): number;
  /** Waits for work for as long as there is time, and then calls `late` and goes on. */
  wait(work: PromiseLike<unknown>, late?: () => unknown): Promise<void>;
}

/** The time that a shutdown may take, of which all its parts use what is left. It begins when it is first asked for. */
export class Deadline implements ShutdownDeadline {
  #end: number | undefined;

  /** @param total milliseconds */
  constructor(private readonly total = SHUTDOWN_MS) {}

  /** Milliseconds. */
  left(): number {
    const now = performance.now();
    this.#end ??= now + this.total;
    return Math.max(0, this.#end - now);
  }

  /** Waits for a part of the shutdown for as long as there is time; then the part goes on by itself. */
  async wait(work: PromiseLike<unknown>, late?: () => unknown): Promise<void> {
    await within(keepAlive, this.left(), work, () => late?.());
  }
}

/** Timers that keep the process alive: during a shutdown there may be no other handle. */
const keepAlive: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
