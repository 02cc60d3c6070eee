import { expect, it } from '@jest/globals';
import { FLOOR_MS, IDLE_MS, physicalLife } from '../../lib/stores/shared-generations.js';

const DAY = 86_400_000;

it.each([1, DAY, 30 * DAY, 60 * DAY, 1_000 * DAY, Infinity])(
  'a generation outlives the entries under it: %d ms',
  (life) => {
    const { entry, generations } = physicalLife({ cachedAt: 5, keepUntil: 5 + life });
    expect(generations).toBeGreaterThanOrEqual(entry);
    if (Number.isFinite(life)) expect(generations).toBeGreaterThan(entry);
    expect(generations).toBeGreaterThanOrEqual(FLOOR_MS);
    // Generations of short-lived entries must not pile up.
    expect(generations).toBeLessThanOrEqual(entry + FLOOR_MS);
  },
);

it('an entry is kept for its life, for a year at most, and for thirty days where it never ends', () => {
  const kept = (life: number): number => physicalLife({ cachedAt: 5, keepUntil: 5 + life }).entry;
  expect([0, 0.5, 1_500, DAY].map(kept)).toEqual([1, 1, 1_500, DAY]);
  expect(kept(1_000 * DAY)).toBe(365 * DAY);
  expect(kept(Infinity)).toBe(IDLE_MS);
});
