import { CacheOptionTypeError } from './errors.js';
import { describe } from './messages.js';

/**
 * The source of time. Tests give their own clock: `forRoot({ clock })`.
 *
 * @publicApi
 */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Runs `callback` after `ms` milliseconds; the timer never keeps the process alive. Returns its cancellation. */
  after(ms: number, callback: () => void): () => void;
  /**
   * True for a clock that tests set, such as `ManualClock`: it does not run with the clocks of servers, so that no store takes their
   * distance for an error. Default false.
   */
  readonly isManual?: boolean | undefined;
}

/** Node fires timers with a longer delay immediately. */
const MAX_TIMEOUT = 2 ** 31 - 1;

export const systemClock: Clock = {
  // Date is looked up at each call, as timers are: tests that fake time replace it.
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, MAX_TIMEOUT));
    timer.unref();
    return () => clearTimeout(timer);
  },
};

type Unit = 'ms' | 's' | 'm' | 'h' | 'd';

/**
 * A length of time: a number is whole **seconds** (as in HTTP); a string carries its unit, `'500ms'`, `'90s'`, `'15m'`,
 * `'1h'`, `'7d'`; `null` is unlimited.
 *
 * @publicApi
 */
export type Duration = number | `${number}${Unit}` | null;

const UNITS: Record<Unit, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const PATTERN = /^(\d{1,15})(ms|s|m|h|d)$/;

/** A larger number is probably meant as milliseconds, the unit of cache-manager. */
const SUSPICIOUS_SECONDS = 30 * 86_400;

/**
 * Converts a duration into milliseconds.
 *
 * @param duration whole seconds, a string with a unit, or `null`
 * @param where names the option, class and method for the error, e.g. `@CacheResult() ttl of UsersService.find`
 * @param hint called with a text when the number looks like milliseconds
 * @returns milliseconds; `Infinity` for `null`
 * @throws TypeError for anything else: `'60'`, `-1`, `NaN`, `1.5`
 * @example
 * parseDuration('15m', 'ttl') // 900000
 */
export function parseDuration(duration: unknown, where: string, hint?: (text: string) => void): number {
  if (duration === null) return Infinity;
  if (typeof duration === 'number') {
    if (!Number.isSafeInteger(duration) || duration < 0) throw invalid(duration, where);
    if (duration > SUSPICIOUS_SECONDS) {
      hint?.(
        `${where} is ${duration} seconds (${Math.round(duration / 86_400)} days). Numbers are seconds here, not ` +
          `milliseconds; write '${duration}ms' if that was meant, or '${Math.round(duration / 86_400)}d' to say days.`,
      );
    }
    return duration * 1000;
  }
  const match = typeof duration === 'string' ? PATTERN.exec(duration) : null;
  if (match === null) throw invalid(duration, where);
  return Number(match[1]) * UNITS[match[2] as Unit];
}

function invalid(duration: unknown, where: string): TypeError {
  const example =
    typeof duration === 'string' && /^\d+$/.test(duration)
      ? `${duration} or '${duration}s'`
      : `60, '15m' or null`;
  return new CacheOptionTypeError(
    `${where} is ${describe(duration)}, which is not a duration. Write whole seconds (60), a string with a unit ` +
      `('500ms', '90s', '15m', '1h', '7d'), or null for no expiry: for example ${example}.`,
  );
}
