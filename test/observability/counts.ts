import type { CacheService, MethodMetrics } from '../../lib/index.js';

type Counts = Partial<
  Omit<MethodMetrics, 'name' | 'loadTimes' | 'hitTimes' | 'refusals' | 'expired' | 'storedBytes'>
>;

/** What was counted for a method, without what was not. */
export function countsOf(cache: CacheService, name: string): Counts {
  const {
    name: _,
    loadTimes: _loads,
    hitTimes: _hits,
    refusals: _refusals,
    expired: _expired,
    storedBytes: _bytes,
    ...counts
  } = cache.metrics().methods.find((one) => one.name === name)!;
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}
