import { afterEach, describe, expect, it } from '@jest/globals';
import { CACHE_MISSING } from '../../lib/index.js';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

/** Tags of the user's own; each entry has two or three more. */
function orders(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `order:${i}`);
}

const TOO_MANY = /was not cached: it has 200\d tags, .* at most 2000\. .* tags: \['orders'\]/;

describe('more tags than an entry may carry', () => {
  it.each([
    ['a list', orders(2_000)],
    ['a function', () => orders(2_000)],
  ])('by %s: the method runs uncached in every way of calling, and is logged once', async (_, tags) => {
    const Report = method('report', { tags });
    const application = await start([Report]);
    const { cache, log } = application;
    const report = application.get(Report);
    const cached = cache.for(Report, 'call');
    expect([await report.call(1), await report.call(1), await cached.refresh(1)]).toEqual([1, 1, 1]);
    expect(await cached.getWithMetadata(1)).toMatchObject([1, { cacheStatus: 'MISS', cachedAt: null }]);
    expect([report.runs, await cached.getCacheOnly(1)]).toEqual([4, CACHE_MISSING]);
    expect(log.warnings).toEqual([expect.stringMatching(TOO_MANY)]);
    expect(log.warnings[0]).toContain('A call of report ');
    expect(log.errors).toEqual([]);
  });

  it('by hand: nothing is stored, even if the key has an entry or a stamp with fewer tags', async () => {
    const { cache, log } = await start();
    const tags = orders(2_000);
    let loads = 0;
    const load = (): number => ++loads;
    expect(await cache.getOrSet('k', load, { tags: ['order:1'] })).toBe(1);
    expect([await cache.getOrSet('k', load, { tags }), await cache.getOrSet('k', load, { tags })]).toEqual([
      2, 3,
    ]);
    expect(await cache.getOrSetMany(['k'], async () => [++loads], { tags })).toEqual([4]);
    expect(await cache.set('k', 5, { tags })).toMatchObject({ cachedAt: null });
    const stamp = await cache.stamp('k', { tags: ['order:1'] });
    expect(await cache.set('k', 6, { tags, stamp })).toMatchObject({ cachedAt: null });
    expect(await cache.stamp('k', { tags })).toBeUndefined();
    expect(await cache.get('k')).toBe(CACHE_MISSING);
    expect(log.warnings).toEqual([expect.stringMatching(TOO_MANY)]);
  });

  it('counted with the tags of inner values: the value is not stored', async () => {
    const [Part, Whole] = [
      method('part', { tags: (id: number) => orders(1_500).map((tag) => `${id} ${tag}`) }),
      method('whole', { tags: orders(1_000) }),
    ];
    const application = await start([Part, Whole]);
    const [part, whole] = [application.get(Part), application.get(Whole)];
    whole.body = () => part.call(1);
    expect([await whole.call(1), await whole.call(1)]).toEqual([1, 1]);
    expect([part.runs, whole.runs]).toEqual([1, 2]);
    expect(application.log.warnings).toEqual([
      expect.stringMatching(/whole is not stored: .*more than 2000 tags/),
    ]);
  });

  it('in an inner call: neither the inner nor the outer value is stored', async () => {
    const [Part, Whole] = [method('part', { tags: orders(2_000) }), method('whole')];
    const application = await start([Part, Whole]);
    const [part, whole] = [application.get(Part), application.get(Whole)];
    whole.body = () => part.call(1);
    expect([await whole.call(1), await whole.call(1)]).toEqual([1, 1]);
    expect([part.runs, whole.runs]).toEqual([2, 2]);
  });

  it('the maximum is stored, and the last of the tags drops the entry', async () => {
    const Report = method('report', { tags: orders(1_995) });
    const application = await start([Report]);
    const { cache } = application;
    const report = application.get(Report);
    expect([await report.call(1), await report.call(1), report.runs]).toEqual([1, 1, 1]);
    await cache.invalidateTags(['order:1994']);
    await report.call(1);
    expect(report.runs).toBe(2);
  });
});

describe('an entry that lacks a tag which a call by hand asks for', () => {
  it('is not served to it: its invalidation would not have reached the entry', async () => {
    const { cache } = await start();
    let value = 1;
    const load = (): number => value;
    await cache.getOrSet('k', load);
    expect(await cache.getOrSet('k', load, { tags: ['x'] })).toBe(1);
    await cache.getOrSet('k', load, { tags: ['y'] });
    value = 2;
    await cache.invalidateTags(['x']);
    expect(await cache.getOrSet('k', load, { tags: ['x'] })).toBe(2);
    expect(await cache.getOrSetMany(['k'], async () => [3], { tags: ['x', 'y'] })).toEqual([3]);
    expect(await cache.getOrSet('k', load, { tags: ['y'] })).toBe(3);
  });
});
