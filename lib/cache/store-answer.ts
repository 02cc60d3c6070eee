import { describeError } from '../observability/once-log.js';
import { Entry } from '../stores/entry.js';
import { Stamp } from '../stores/stamp.js';
import type { Call } from './call.js';
import { CacheUsageError } from './errors.js';

/** @throws CacheUsageError when the tags of the call could not be told, so that a store is asked about the wrong ones */
export function assertTagged({ tagsError }: Call): void {
  if (tagsError === undefined) return;
  throw new CacheUsageError('CACHE_TAGS', `its tags cannot be told. ${describeError(tagsError)}`);
}

/**
 * Believes what a store answered to a call.
 *
 * @throws what {@link assertTagged} does, and TypeError when the answer is neither an entry nor a stamp
 */
export function believe(call: Call, answer: unknown): Entry | Stamp {
  if (answer instanceof Entry) return answer;
  assertTagged(call);
  if (answer instanceof Stamp) return answer;
  throw new TypeError('it answered neither an entry nor a stamp');
}
