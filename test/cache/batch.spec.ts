import { describe, expect, it } from '@jest/globals';
import { CacheUsageError } from '../../lib/index.js';
import { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CacheService } from '../../lib/cache/cache.service.js';
import type { MethodDirectory } from '../../lib/cache/method-directory.js';
import { normaliseOptions } from '../../lib/module-options.js';

const service = (): CacheService =>
  new CacheService(new CacheRuntime(normaliseOptions().runtime), undefined as unknown as MethodDirectory);

describe('getOrSetMany', () => {
  it('runs the loader once, for what is missing, and keeps the order', async () => {
    const cache = service();
    const asked: (readonly string[])[] = [];
    const load = (missing: readonly string[]): Promise<string[]> => {
      asked.push(missing);
      return Promise.resolve(missing.map((key) => key.toUpperCase()));
    };
    await cache.getOrSet('b', () => 'cached');
    expect(await cache.getOrSetMany(['a', 'b', 'c', 'a'], load)).toEqual(['A', 'cached', 'C', 'A']);
    expect(await cache.getOrSetMany(['c', 'a'], load)).toEqual(['C', 'A']);
    expect(asked).toEqual([['a', 'c']]);
  });

  it('shares each item with whoever else asks for it', async () => {
    const cache = service();
    let loads = 0;
    const one = cache.getOrSetMany(['a', 'b'], async (missing) => {
      loads++;
      await Promise.resolve();
      return missing;
    });
    expect(await cache.getOrSet('b', () => (loads++, 'again'))).toBe('b');
    expect(await one).toEqual(['a', 'b']);
    expect(loads).toBe(1);
  });

  it('does not store what was invalidated during the load, and passes on what the loader read', async () => {
    const cache = service();
    const read = (): Promise<string> => cache.getOrSet('inner', () => 'inner', { tags: ['row'] });
    expect(await cache.getOrSetMany(['a', 'b'], async (missing) => (await read(), missing))).toEqual([
      'a',
      'b',
    ]);
    await cache.invalidateTags(['row']);
    let loads = 0;
    await cache.getOrSetMany(['a', 'b'], (missing) => (loads++, cache.delete('b').then(() => missing)));
    await cache.getOrSetMany(
      ['a', 'b'],
      (missing) => (loads++, expect(missing).toEqual(['b']), Promise.resolve(missing)),
    );
    expect(loads).toBe(2);
  });

  it('tells everybody of an error, and stores nothing', async () => {
    const cache = service();
    await expect(cache.getOrSetMany(['a'], () => Promise.reject(new Error('down')))).rejects.toThrow('down');
    await expect(cache.getOrSetMany(['a', 'b'], () => Promise.resolve(['x']))).rejects.toThrow(
      CacheUsageError,
    );
    expect(await cache.getOrSetMany(['a'], (missing) => Promise.resolve(missing))).toEqual(['a']);
  });
});
