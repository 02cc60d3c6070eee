import { isThenable } from './thenable.js';

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
