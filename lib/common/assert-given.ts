import { CacheUsageError } from './errors.js';
import { describeOption, isText } from './option-types.js';

/** @throws CacheUsageError for what is no list of texts: one text alone is a list of letters to JavaScript */
export function assertTexts(method: string, what: 'tags' | 'keys', given: unknown): void {
  if (Array.isArray(given) && given.every(isText)) return;
  throw new CacheUsageError(
    what === 'tags' ? 'CACHE_TAGS' : 'CACHE_KEY',
    `${method}() was given the ${what} ${describeOption(given)}. Write a list of texts that are not empty: ` +
      `${method}(['${what === 'tags' ? 'orders' : 'orders:total'}']).`,
  );
}

/** @throws CacheUsageError for a value in place of what loads it */
export function assertLoader(loader: unknown, what: string): void {
  if (typeof loader === 'function') return;
  throw new CacheUsageError(
    'CACHE_LOADER',
    `The loader of ${what} is ${describeOption(loader)}. Write a function that loads: () => this.orders.total().`,
  );
}

/** @throws CacheUsageError for another mode than there are: a misspelt one must not expire what was to be purged */
export function assertMode(method: string, mode: unknown): void {
  if (mode === 'purge' || mode === 'expire') return;
  throw new CacheUsageError(
    'CACHE_MODE',
    `${method}() was given mode ${describeOption(mode)}. Write 'purge' (the default) or 'expire'.`,
  );
}
