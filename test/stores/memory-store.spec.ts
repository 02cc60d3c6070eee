import { describe, expect, it } from '@jest/globals';
import { Entry, type StoreQuery } from '../../lib/stores/store.interface.js';
import { MemoryStore, memoryStore } from '../../lib/stores/memory-store.js';
import { Stamp } from '../../lib/stores/stamp.js';

function query(key: string, tags: readonly string[] = ['all', `k:${key}`]): StoreQuery {
  return { key, tags: () => tags } as StoreQuery;
}

/** Loads a value under a key: stamp, then store. */
function put(store: MemoryStore, key: string, options: { tags?: string[]; size?: number } = {}): boolean {
  const asked = query(key, options.tags);
  return store.set(asked, entry(store.stamp(asked.tags()), key, options.size));
}

function entry(stamp: Stamp, value: unknown = 'value', size = 100): Entry {
  return new Entry(value, 0, Infinity, Infinity, stamp, size);
}

function holds(store: MemoryStore, key: string): boolean {
  return store.get(query(key)) instanceof Entry;
}

describe('bounds', () => {
  it('by entries: the least recently used entry is dropped', () => {
    const store = new MemoryStore({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c']) put(store, key);
    store.get(query('a'));
    put(store, 'd');
    expect(['a', 'b', 'c', 'd'].filter((key) => holds(store, key))).toEqual(['a', 'c', 'd']);
  });

  it('by bytes', () => {
    const store = new MemoryStore({ maxBytes: 100_000 });
    for (let i = 0; i < 50; i++) {
      put(store, `key${i}`, { size: 30_000 });
      expect(store.size.bytes).toBeLessThanOrEqual(100_000);
    }
    expect(store.size.entries).toBe(3);
  });

  it.each([
    ['entries', { maxEntries: 100 }],
    // Entries are so large that their generations, which count too, make no difference.
    ['bytes', { maxBytes: 100 * 100_000 + 50_000 }],
  ])('by %s: entries in use stay, and the least recently used are evicted', (_, bounds) => {
    const store = new MemoryStore(bounds);
    put(store, 'used', { size: 100_000 });
    for (let i = 0; i < 2_000; i++) {
      put(store, `other ${i}`, { size: 100_000 });
      if (i % 10 === 0) expect(holds(store, 'used')).toBe(true);
      if (i >= 100) expect(store.find(`other ${i - 100}`)).toBeUndefined();
    }
    expect(store.size.entries).toBe(100);
  });

  it('an entry larger than the store is refused, and the previous entry of its key is dropped', () => {
    const store = new MemoryStore({ maxBytes: 1_000 });
    expect(put(store, 'a')).toBe(true);
    expect(put(store, 'a', { size: 1_001 })).toBe(false);
    expect(holds(store, 'a')).toBe(false);
    expect(store.size).toMatchObject({ entries: 0, bytes: 0 });
  });

  it.each([0, -1, 1.5, NaN, Infinity, '5' as never])('%p is refused as a bound', (bound) => {
    expect(() => memoryStore({ maxBytes: bound })).toThrow(TypeError);
    expect(() => memoryStore({ maxEntries: bound })).toThrow(
      /memoryStore\(\): maxEntries is .*Write a positive whole number/,
    );
  });
});

describe('tags leave with their entries', () => {
  const IDLE = 50_000;

  it('after 200,000 keys through a store of 100 entries', () => {
    const store = new MemoryStore({ maxEntries: 100 });
    for (let i = 0; i < 200_000; i++) put(store, `key${i}`);
    expect(store.size.entries).toBe(100);
    expect(store.size.tags).toBeLessThanOrEqual(IDLE + 200);
  });

  it('after 200,000 loads whose values were not storable', () => {
    const store = new MemoryStore();
    for (let i = 0; i < 200_000; i++) store.get(query(`key${i}`));
    expect(store.size.tags).toBeLessThanOrEqual(IDLE);
  });

  it('after 200,000 values were stored over one another, swept or refused', () => {
    const store = new MemoryStore({ maxBytes: 10_000, maxEntries: 10 });
    for (let i = 0; i < 200_000; i++) {
      put(store, 'same', { tags: [`t${i}`], size: i % 3 === 0 ? 20_000 : 100 });
      if (i % 7 === 0) store.sweep('same', () => true);
    }
    expect(store.size.tags).toBeLessThanOrEqual(IDLE + 1);
  });

  it('a tag with an entry is kept, however many tags have none', () => {
    const store = new MemoryStore();
    put(store, 'kept');
    for (let i = 0; i < 2 * IDLE; i++) store.stamp([`idle${i}`]);
    expect(holds(store, 'kept')).toBe(true);
    store.bump(['k:kept'], 'purge');
    expect(holds(store, 'kept')).toBe(false);
  });
});

describe('a missing generation', () => {
  it('keeps a load from being stored whose tags were forgotten meanwhile', () => {
    const store = new MemoryStore();
    const asked = query('a');
    const stamp = store.stamp(asked.tags());
    for (let i = 0; i < 60_000; i++) store.stamp([`idle${i}`]);
    expect(store.judge(stamp)).toBe('purged');
    expect(store.set(asked, entry(stamp))).toBe(false);
    expect(holds(store, 'a')).toBe(false);
  });

  it('is replaced by another one when its tag is used again', () => {
    const store = new MemoryStore();
    const stamp = store.stamp(['a']);
    for (let i = 0; i < 60_000; i++) store.stamp([`idle${i}`]);
    store.stamp(['a']);
    expect(store.judge(stamp)).toBe('purged');
  });

  it('makes a stamp of another store, or of no store, purged', () => {
    const [store, other] = [new MemoryStore(), new MemoryStore()];
    // They count alike.
    const own = store.stamp(['a']);
    expect(other.stamp(['a']).generations).toEqual(own.generations);
    expect([store.judge(own), store.judge(other.stamp(['a']))]).toEqual(['current', 'purged']);
    expect(store.judge(new Stamp('', ['a'], [{ hard: 1, soft: 1 }]))).toBe('purged');
    expect(store.set(query('a'), entry(other.stamp(['a'])))).toBe(false);
  });

  it('is not created by judging a stamp', () => {
    const store = new MemoryStore();
    store.judge(new MemoryStore().stamp(['a', 'b']));
    store.bump(['c'], 'purge');
    expect(store.size.tags).toBe(0);
  });
});

describe('a bump', () => {
  it('purge: ends the entries that carry the tag, and no others', () => {
    const store = new MemoryStore();
    put(store, 'a', { tags: ['x', 'y'] });
    put(store, 'b', { tags: ['x'] });
    store.bump(['y'], 'purge');
    expect([holds(store, 'a'), holds(store, 'b')]).toEqual([false, true]);
    store.bump(['x'], 'purge');
    expect(holds(store, 'b')).toBe(false);
  });

  it('expire: keeps the entries that carry the tag, marked as expired', () => {
    const store = new MemoryStore();
    put(store, 'a');
    store.bump(['all'], 'expire');
    const found = store.get(query('a')) as Entry;
    expect([found.expired, found.isFresh(0)]).toEqual([true, false]);
  });

  it('expire, then purge; purge, then expire: ends the entry', () => {
    for (const modes of [
      ['expire', 'purge'],
      ['purge', 'expire'],
    ] as const) {
      const store = new MemoryStore();
      put(store, 'a');
      for (const mode of modes) store.bump(['all'], mode);
      expect(holds(store, 'a')).toBe(false);
    }
  });

  it('purge during a load: it is not stored; expire: it is stored as expired, but not over a fresh entry', () => {
    const store = new MemoryStore();
    const asked = query('a');
    const early = store.stamp(asked.tags());
    store.bump(['all'], 'expire');
    expect(store.judge(early)).toBe('expired');
    expect(store.set(asked, entry(early, 'early'))).toBe(true);
    expect(store.get(asked)).toMatchObject({ value: 'early', expired: true });
    expect(store.set(asked, entry(store.stamp(asked.tags()), 'late'))).toBe(true);
    expect(store.set(asked, entry(early, 'early'))).toBe(false);
    expect(store.get(asked)).toMatchObject({ value: 'late', expired: false });
    store.bump(['all'], 'purge');
    expect(store.set(asked, entry(early, 'early'))).toBe(false);
    expect(store.get(asked)).toBeInstanceOf(Stamp);
  });
});

it('a sweep removes the entries that begin with the prefix and that drop() selects', () => {
  const store = new MemoryStore();
  for (const key of ['a:1', 'a:2', 'b:1']) put(store, key);
  store.sweep('a:', (key) => key.endsWith('1'));
  expect(['a:1', 'a:2', 'b:1'].filter((key) => holds(store, key))).toEqual(['a:2', 'b:1']);
});
