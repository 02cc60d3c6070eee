import { afterEach, describe, expect, it } from '@jest/globals';
import { memoryStore } from '../../lib/index.js';
import type { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../lib/cache/runtime-token.js';
import { DurationHistogram, LOAD_BOUNDS, quantile } from '../../lib/observability/histogram.js';
import { RefusalCounts } from '../../lib/observability/refusals.js';
import { Applications, method } from '../cache/support/methods.js';

const { start, close } = new Applications();
afterEach(close);

const started = async (options = {}) => {
  const Things = method('things', { ttl: 60, cacheIf: (value) => value !== 'refused' });
  const app = await start([Things], options);
  const metrics = () => app.cache.metrics().methods.find(({ name }) => name === 'things')!;
  return { app, provider: app.get(Things), clock: app.clock, metrics };
};

describe('a histogram of durations', () => {
  it('counts each duration in the first bucket whose bound is not below it', () => {
    const histogram = new DurationHistogram([1, 2]);
    for (const seconds of [0, 1, 1.5, 2, 7]) histogram.observe(seconds);
    expect(histogram.report()).toEqual({ count: 5, seconds: 11.5, bounds: [1, 2], buckets: [2, 2, 1] });
  });

  it('has quantiles within the bucket that holds them, and none without durations', () => {
    const histogram = new DurationHistogram([1, 2]);
    expect(quantile(histogram.report(), 0.5)).toBeUndefined();
    for (let i = 0; i < 10; i++) histogram.observe(1.5);
    expect(quantile(histogram.report(), 0.5)).toBe(1.5);
    histogram.observe(100);
    expect(quantile(histogram.report(), 0.999)).toBe(2);
  });
});

describe('the metrics of a method', () => {
  it('hold the duration of each load', async () => {
    const { provider, clock, metrics } = await started();
    provider.body = () => clock.advance(30);
    await provider.call(1);
    await provider.call(1);
    const { loadTimes } = metrics();
    expect(loadTimes).toMatchObject({ count: 1, seconds: 0.03, bounds: LOAD_BOUNDS });
    expect(loadTimes.buckets[LOAD_BOUNDS.indexOf(0.05)]).toBe(1);
  });

  it('hold the duration of sampled hits alone, once something asks for it', async () => {
    const { app, provider, metrics } = await started();
    const runtime = app.module.get<CacheRuntime>(CACHE_RUNTIME);
    for (let i = 0; i < 10; i++) await provider.call(1);
    expect(metrics().hitTimes.count).toBe(0);
    runtime.sampleHits(1);
    await provider.call(2);
    expect(metrics().hitTimes.count).toBe(0);
    for (let i = 0; i < 100; i++) await provider.call(2);
    const { count, seconds } = metrics().hitTimes;
    expect(count).toBeGreaterThan(20);
    expect(seconds).toBeGreaterThan(0);
  });

  it('count entries that were found past their lifetime', async () => {
    const { provider, clock, metrics } = await started();
    await provider.call(1);
    expect(metrics().expired).toBe(0);
    clock.advance(61_000);
    await provider.call(1);
    expect(metrics().expired).toBe(1);
  });

  it('count refusals by kind', async () => {
    const { app, provider, metrics } = await started();
    provider.body = () => 'refused';
    await provider.call(1);
    app.cache.disable();
    await provider.call(1);
    await provider.call(1);
    expect(metrics().refusals).toEqual({ condition: 1, disabled: 2 });
  });
});

describe('the metrics of a store in memory', () => {
  it('count entries that gave way to others, and none that were replaced or dropped', async () => {
    const { app } = await started({ store: memoryStore({ maxEntries: 2 }) });
    const evictions = () => app.cache.metrics().stores['default']!.evictions;
    await app.cache.set('a', 1);
    await app.cache.set('a', 2);
    await app.cache.delete('a');
    await app.cache.get('a');
    expect(evictions()).toBe(0);
    for (const key of ['a', 'b', 'c', 'd']) await app.cache.set(key, 1);
    expect(evictions()).toBe(2);
  });
});

describe('the refusals of a method', () => {
  it('have at most fifty kinds, whatever they are called', () => {
    const refusals = new RefusalCounts();
    for (let i = 0; i < 1_000; i++) refusals.count(`kind ${i}`);
    const report = refusals.report();
    expect(report.length).toBeLessThanOrEqual(51);
    expect(report.reduce((sum, { count }) => sum + count, 0)).toBe(1_000);
  });

  it('keep the last cause', () => {
    const refusals = new RefusalCounts();
    refusals.explain('cookie', 'first');
    refusals.count('cookie');
    refusals.count('cookie', 'second');
    refusals.count('cookie');
    expect(refusals.report()).toEqual([{ kind: 'cookie', count: 3, reason: 'second' }]);
  });
});
