const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 5 * 60_000;

/** Attempts of a job whose store fails, before it is dead: over an hour and a half. */
export const ATTEMPTS = 25;

/** How long to wait after the nth failed attempt, in milliseconds: a second, doubled each time, five minutes at most. */
export function pauseBefore(attempt: number): number {
  return Math.min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE);
}
