import { CacheUsageError } from '../../common/errors.js';

/** An entry with more tags than this costs more to check than to load. */
export const MAX_TAGS = 2_000;

/** The error of a call that names too many: with fewer than it names, an invalidation would not reach its entry. */
export function tooManyTags(count: number): CacheUsageError {
  return new CacheUsageError(
    'CACHE_TAG_COUNT',
    `it has ${count} tags, and an entry carries at most ${MAX_TAGS}. Name what it is a part of, as in tags: ['orders'], in place of ` +
      `each thing in it, and drop that.`,
  );
}
