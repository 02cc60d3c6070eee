/** A promise of any kind: those of other realms and libraries are no `instanceof Promise`. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** Waits for all, so that nothing is left running behind the caller's back, and then tells the first error. */
export async function allOrFirstError(work: readonly Promise<unknown>[]): Promise<unknown[]> {
  const outcomes = await Promise.allSettled(work);
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/**
 * What a callback says that cannot be waited for: `enabled`, `bypass`.
 *
 * @throws TypeError for a promise; what becomes of that is nobody's, and must not end the process
 */
export function saidAtOnce(answer: unknown): boolean {
  if (!isThenable(answer)) return Boolean(answer);
  Promise.resolve(answer).catch(() => undefined);
  throw new TypeError('it answered with a promise, but must answer true or false at once');
}

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 5 * 60_000;

/** Attempts of a job whose store fails, before it is dead: over an hour and a half. */
export const ATTEMPTS = 25;

/** How long to wait after the nth failed attempt, in milliseconds: a second, doubled each time, five minutes at most. */
export function pauseBefore(attempt: number): number {
  return Math.min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE);
}
