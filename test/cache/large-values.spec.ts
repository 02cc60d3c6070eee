import { afterEach, describe, expect, it } from '@jest/globals';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

const MIB = 1024 * 1024;
const rows = (bytes: number): unknown =>
  Array.from({ length: bytes / 100 }, (_, id) => ({ id, text: `row ${id}`.padEnd(60) }));

describe('a value larger than maxValueBytes', () => {
  it.each<[string, unknown]>([
    ['rows', rows(20_000_000)],
    ['a text', 'x'.repeat(20_000_000)],
    ['bytes', Buffer.alloc(20_000_000)],
    ['numbers', Array.from({ length: 2_500_000 }, (_, i) => i / 3)],
    ['texts in a Map', new Map(Array.from({ length: 60_000 }, (_, i) => [i, String(i).padEnd(300)]))],
  ])('is returned, not stored, and logged once with its class, method and size: %s', async (_name, value) => {
    const Reports = method('ReportsService.yearly');
    const application = await start([Reports]);
    const { log } = application;
    const reports = application.get(Reports);
    reports.body = () => value;
    for (let run = 1; run <= 2; run++) {
      expect(await reports.call(1)).toBe(value);
      expect(reports.runs).toBe(run);
    }
    const lines = log.warnings.filter((line) => line.includes('maxValueBytes'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /ReportsService\.yearly is not cached: the value takes about \d+\.\d MB.*4\.2 MB/,
    );
    // The estimate is made from the part that was copied.
    const megabytes = Number(/about (\d+\.\d) MB/.exec(lines[0]!)![1]);
    expect(megabytes).toBeGreaterThan(10);
    expect(megabytes).toBeLessThan(60);
  });

  it('is refused by hand too, and stored where the bound is larger', async () => {
    const { cache } = await start();
    let loads = 0;
    const text = 'x'.repeat(5 * MIB);
    const load = (): string => (loads++, text);
    for (let run = 0; run < 2; run++) await cache.getOrSet('large', load);
    expect(loads).toBe(2);
    expect((await cache.set('large', text)).cachedAt).toBeNull();
    for (let run = 0; run < 2; run++) await cache.getOrSet('large', load, { maxValueBytes: 6 * MIB });
    expect(loads).toBe(3);
    await expect(cache.getOrSet('large', load, { maxValueBytes: 0.5 })).rejects.toThrow(
      /maxValueBytes is 0\.5/,
    );
  });
});
