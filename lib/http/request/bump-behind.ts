import type { CacheRuntime } from '../../cache/cache-runtime.js';

/** Drops what carries these tags without making a response wait for it; in memory it is done when this returns. */
export function bumpBehind(runtime: CacheRuntime, tags: readonly string[], mode: 'purge' | 'expire'): void {
  Promise.resolve(runtime.bump(tags, mode, 'response')).catch((error: unknown) => {
    runtime.log.error('bump of a response', 'A stored response was not dropped', error);
  });
}
