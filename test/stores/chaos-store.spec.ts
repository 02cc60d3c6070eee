import { describe, expect, it } from '@jest/globals';
import { type CacheStore, memoryStore, Entry, Stamp, type StoreQuery } from '../../lib/index.js';
import { chaosStore, type ChaosOptions } from '../../lib/testing.js';
import { storeHost } from '../support/store-host.js';
import { settled } from '../support/gate.js';

const query = { key: 'key', tags: () => ['tag'], values: undefined } as unknown as StoreQuery;

function chaotic(options: Partial<ChaosOptions>): CacheStore {
  const store = chaosStore(memoryStore(), { seed: 7, ...options });
  store.attach?.(storeHost);
  return store;
}

const entryUnder = (stamp: Stamp): Entry => new Entry('value', 0, Infinity, Infinity, stamp, 10);

/** What became of a hundred reads. */
async function fates(options: Partial<ChaosOptions>): Promise<string[]> {
  const store = chaotic(options);
  const told: string[] = [];
  for (let turn = 0; turn < 100; turn++) {
    told.push('pending');
    void Promise.resolve(store.get(query)).then(
      (reading) => (told[turn] = reading instanceof Stamp ? 'stamp' : 'garbage'),
      (error: Error) => (told[turn] = error.message),
    );
  }
  await settled();
  return told;
}

const count = (told: readonly string[], what: string): number => told.filter((one) => one === what).length;

describe('chaosStore', () => {
  it.each<[string, Partial<ChaosOptions>]>([
    ['chaos', { error: 0.3 }],
    ['pending', { hang: 0.3 }],
    ['garbage', { garbage: 0.3 }],
    ['pending', { delay: 0.3, maxDelay: 3_600_000 }],
  ])('makes about so many calls end as %s', async (what, options) => {
    const told = await fates(options);
    expect(count(told, what)).toBeGreaterThan(15);
    expect(count(told, what)).toBeLessThan(45);
    expect(count(told, 'stamp')).toBe(100 - count(told, what));
  });

  it('injects the same faults for the same seed, and others for another seed', async () => {
    const options = { error: 0.2, garbage: 0.2, hang: 0.2 };
    const first = await fates(options);
    expect(await fates(options)).toEqual(first);
    expect(await fates({ ...options, seed: 8 })).not.toEqual(first);
  });

  it('acknowledges writes that it loses, and never loses an invalidation', async () => {
    const store = chaotic({ lostWrite: 1 });
    await store.set(query, entryUnder(await store.stamp(['tag'])));
    expect(await store.get(query)).toBeInstanceOf(Stamp);
    const stamp = await store.stamp(['tag']);
    await store.bump(['tag'], 'purge');
    expect(await store.judge(stamp)).toBe('purged');
  });

  it('injects no faults without probabilities', async () => {
    const store = chaotic({});
    await store.set(query, entryUnder(await store.stamp(['tag'])));
    expect(await store.get(query)).toBeInstanceOf(Entry);
  });
});
