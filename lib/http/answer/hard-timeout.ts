import { ServiceUnavailableException } from '@nestjs/common';
import { Observable, race } from 'rxjs';
import type { Call } from '../../cache/engine/call.js';
import type { Clock } from '../../common/time.js';
import { CacheTimeoutError } from '../../common/errors.js';

/** An answer, or 503 after the `hardTimeout` of its route. */
export function withinHardTimeout<T>(
  clock: Clock,
  { target }: Call,
  answer: Observable<T>,
  onTimeout: () => void,
): Observable<T> {
  const { hardTimeout } = target.policy;
  if (hardTimeout === Infinity) return answer;
  const late = new Observable<never>((subscriber) =>
    clock.after(hardTimeout, () => {
      onTimeout();
      const cause = new CacheTimeoutError(target.name, hardTimeout);
      subscriber.error(new ServiceUnavailableException('The answer took too long.', { cause }));
    }),
  );
  return race(answer, late);
}
