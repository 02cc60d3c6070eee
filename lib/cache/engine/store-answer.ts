import { Entry } from '../../stores/store.interface.js';
import { Stamp } from '../../stores/stamp.js';
import type { Call } from './call.js';

/**
 * Whether an entry carries every tag of a call: those of a method follow from its key, but under a key of the user's one caller may
 * name others than the next, and an invalidation of those would not have reached the entry.
 */
export function hasTagsOf(call: Call, entry: Entry): boolean {
  if (call.target.hasOwnTags !== true) return true;
  return call.tags().every((tag) => entry.stamp.tags.includes(tag)) && call.tagsError === undefined;
}

/**
 * Believes what a store answered to a call.
 *
 * @throws CacheUsageError when the tags of the call could not be told, so that the store was asked about the wrong ones, and
 *   TypeError when the answer is neither an entry nor a stamp
 */
export function believe(call: Call, answer: unknown): Entry | Stamp {
  if (call.tagsError !== undefined) throw call.tagsError;
  if (answer instanceof Entry) return answer;
  if (answer instanceof Stamp) return answer;
  throw new TypeError('it answered neither an entry nor a stamp');
}
