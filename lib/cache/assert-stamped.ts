import { Stamp } from '../stores/stamp.js';
import type { Call } from './engine/call.js';
import { CacheUsageError } from '../common/errors.js';
import { isOffline } from './engine/offline.js';
import { describeOption } from '../common/options.js';

/** @throws CacheUsageError when an entry under this stamp would not be found by its own key and tags */
export function assertStamped(call: Call, stamp: Stamp): void {
  if (!(stamp instanceof Stamp)) {
    throw new CacheUsageError(
      'CACHE_STAMP',
      `The stamp given to set() for ${call.target.name} is ${describeOption(stamp)}. Take it before the value is read: ` +
        `cache.stamp(key, { tags }).`,
    );
  }
  const missing = call.tags().filter((tag) => !stamp.tags.includes(tag));
  // While the store did not answer it could not be told which tags stand how: then nothing is stored.
  if (missing.length === 0 || isOffline(stamp)) return;
  throw new CacheUsageError(
    'CACHE_STAMP',
    `The stamp given to set() for ${call.target.name} does not cover ${missing.join(', ')}. Take it for the same key and ` +
      `tags: cache.stamp(key, { tags }).`,
  );
}
