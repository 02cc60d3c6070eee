import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { Stamp } from '../stores/stamp.js';
import { type CacheStore, Entry, type StoreQuery, type ValueCodec } from '../stores/store.interface.js';

/** Passes values through unchanged: a store must return equal values. */
const PLAIN: ValueCodec = {
  encode: (stored) =>
    Buffer.isBuffer(stored)
      ? { data: null, flags: 1, size: 1, bytes: stored }
      : { data: stored, flags: 0, size: 1 },
  decode: ({ data, flags, bytes }) => (flags === 1 ? bytes : data),
};

let counter = 0;

/** Names that no other case uses, with characters that stores often mishandle. */
export function fresh(): { key: string; tags: string[] } {
  const id = `conf-${process.pid}-${Date.now()}-${++counter}`;
  return { key: `${id}:e:*[a]{b}'ü\u2028`, tags: [`${id}:g:all`, `${id}:g:m:{x}`, `${id}:g:p:*?[y]'é`] };
}

export function query(key: string, tags: readonly string[]): StoreQuery {
  return { key, values: PLAIN, tags: () => tags };
}

export function entry(value: unknown, stamp: Stamp, now = Date.now()): Entry {
  return new Entry(value, now, now + 60_000, now + 60_000, stamp, 500);
}

export async function stampOf(store: CacheStore, at: StoreQuery): Promise<Stamp> {
  const reading = await store.get(at);
  ok(reading instanceof Stamp, 'a read of an absent entry returns a stamp');
  return reading;
}

export async function valueOf(store: CacheStore, at: StoreQuery): Promise<unknown> {
  const reading = await store.get(at);
  ok(reading instanceof Entry, 'the entry is there');
  return reading.value;
}

export async function isMissing(store: CacheStore, at: StoreQuery): Promise<void> {
  ok((await store.get(at)) instanceof Stamp, 'the entry is gone');
}

export type Case = (store: CacheStore, names: { key: string; tags: string[] }) => Promise<void>;

/** One of two processes on one store. */
export type SharedCase = (
  store: CacheStore,
  peer: CacheStore,
  names: { key: string; tags: string[] },
) => Promise<void>;

/** Values, and `undefined` for missing entries; `undefined` for a store without `getMany`, which is optional. */
async function valuesOf(store: CacheStore, queries: readonly StoreQuery[]): Promise<unknown[] | undefined> {
  const readings = await store.getMany?.(queries);
  if (readings === undefined) return undefined;
  strictEqual(readings.length, queries.length, 'one result for each query');
  return readings.map((reading) => {
    ok(reading instanceof Entry || reading instanceof Stamp, 'an entry or a stamp');
    return reading instanceof Entry ? reading.value : undefined;
  });
}

async function write(store: CacheStore, at: StoreQuery, value: unknown): Promise<void> {
  await store.set(at, entry(value, await store.stamp(at.tags())));
}

async function holds(
  store: CacheStore,
  queries: readonly StoreQuery[],
  expected: readonly unknown[],
): Promise<void> {
  const values = await valuesOf(store, queries);
  if (values !== undefined) deepStrictEqual(values, expected);
}

/** Three keys with common tags, and one tag of its own each. */
const threeOf = ({ key, tags }: { key: string; tags: readonly string[] }): readonly StoreQuery[] =>
  ['a', 'b', 'c'].map((name) => query(key + name, [...tags, `${tags[0]!}${name}`]));

/** Promises of `getMany`, which is optional. */
export const MANY: Readonly<Record<string, Case>> = {
  'getMany() returns the results of single reads': async (store, names) => {
    const [a, b, c] = threeOf(names) as [StoreQuery, StoreQuery, StoreQuery];
    await holds(store, [], []);
    await holds(store, [a, b], [undefined, undefined]);
    await write(store, a, { a: 1 });
    await write(store, c, null);
    for (let i = 0; i < 2; i++)
      await holds(store, [c, b, a, a, b], [null, undefined, { a: 1 }, { a: 1 }, undefined]);
    await store.bump([a.tags().at(-1)!], 'purge');
    await holds(store, [a, b, c], [undefined, undefined, null]);
    await store.bump([a.tags()[0]!], 'purge');
    await holds(store, [a, b, c], [undefined, undefined, undefined]);
  },
  'getMany() returns the stamps of single reads': async (store, names) => {
    const queries = threeOf(names);
    const readings = (await store.getMany?.(queries)) ?? [];
    for (const [i, stamp] of readings.entries()) {
      const at = queries[i]!;
      ok(stamp instanceof Stamp);
      deepStrictEqual([...stamp.tags], [...at.tags()]);
      strictEqual(await store.judge(stamp), 'current');
      await store.set(at, entry('value', stamp));
    }
    if (readings.length > 0) await holds(store, queries, ['value', 'value', 'value']);
  },
  'getMany() judges tags that only the entry carries': async (store, { key, tags }) => {
    const [asked, inherited] = [tags.slice(0, 1), tags.slice(1)];
    const queries = [query(`${key}1`, asked), query(`${key}2`, asked)];
    for (const at of queries) await store.set(at, entry('value', await store.stamp(tags)));
    for (let i = 0; i < 2; i++) await holds(store, queries, ['value', 'value']);
    await store.bump(inherited.slice(0, 1), 'purge');
    await holds(store, queries, [undefined, undefined]);
  },
};

export const SHARED_MANY: Readonly<Record<string, SharedCase>> = {
  'getMany() returns no entry that another process purged': async (store, peer, names) => {
    const queries = threeOf(names);
    for (const at of queries) await write(store, at, 'value');
    for (let i = 0; i < 2; i++) await holds(peer, queries, ['value', 'value', 'value']);
    await store.bump([queries[1]!.tags().at(-1)!], 'purge');
    await holds(peer, queries, ['value', undefined, 'value']);
    await write(store, queries[1]!, 'again');
    await holds(peer, queries, ['value', 'again', 'value']);
  },
};

/**
 * The store to be tested.
 *
 * @publicApi
 */
export interface ConformanceOptions {
  /** Creates a store that is ready for use. Called once for every case; the suite closes it. */
  create(): Promise<CacheStore> | CacheStore;
  /** Creates another store on the same data, as another process would. Leave it out for stores that processes do not share. */
  createPeer?(): Promise<CacheStore> | CacheStore;
  /** True if entries may be served as stale after an expire; stores without atomic updates purge instead. Default true. */
  expires?: boolean | undefined;
  /** True if `sweep` removes entries at once. Default true. */
  sweeps?: boolean | undefined;
}

/**
 * One promise that a store has to keep.
 *
 * @publicApi
 */
export interface ConformanceCase {
  /** The promise, as a test title. */
  readonly name: string;
  /** Rejects where the store breaks the promise. */
  run(): Promise<void>;
}

const CASES: Readonly<Record<string, Case>> = {
  'a read of an absent entry returns a stamp of all its tags': async (store, { key, tags }) => {
    const stamp = await stampOf(store, query(key, tags));
    deepStrictEqual([...stamp.tags], tags);
    ok(stamp.equals(await store.stamp(tags)), 'the stamp stays the same while nothing is bumped');
  },
  'a stored entry comes back equal, with its times': async (store, { key, tags }) => {
    const at = query(key, tags);
    for (const value of [
      { a: [1, 'x', null, undefined, new Date(5), new Map([[1, new Set(['a'])]]), 12n] },
      'text',
      null,
      0,
      false,
      Buffer.from([0, 255]),
    ]) {
      const stored = entry(value, await store.stamp(tags));
      await store.set(at, stored);
      const reading = await store.get(at);
      ok(reading instanceof Entry);
      deepStrictEqual(reading.value, value);
      deepStrictEqual(
        [reading.cachedAt, reading.freshUntil, reading.keepUntil, reading.expired],
        [stored.cachedAt, stored.freshUntil, stored.keepUntil, false],
      );
    }
  },
  'a purge of any of its tags ends an entry, and only its own': async (store, { key, tags }) => {
    const other = query(`${key}2`, [`${tags[0]!}other`]);
    await store.set(other, entry('other', await store.stamp(other.tags())));
    for (const tag of tags) {
      await store.set(query(key, tags), entry('value', await store.stamp(tags)));
      strictEqual(await valueOf(store, query(key, tags)), 'value');
      await store.bump([tag], 'purge');
      await isMissing(store, query(key, tags));
      strictEqual(await valueOf(store, other), 'other');
    }
  },
  'an entry whose load began before a purge is never served': async (store, { key, tags }) => {
    const stamp = await stampOf(store, query(key, tags));
    await store.bump([tags[1]!], 'purge');
    await store.set(query(key, tags), entry('old', stamp));
    await isMissing(store, query(key, tags));
    strictEqual(await store.judge(stamp), 'purged');
  },
  'tags that only the entry carries are judged': async (store, { key, tags }) => {
    const [asked, inherited] = [tags.slice(0, 1), tags.slice(1)];
    await store.set(query(key, asked), entry('value', await store.stamp(tags)));
    for (let i = 0; i < 2; i++) strictEqual(await valueOf(store, query(key, asked)), 'value');
    await store.bump(inherited.slice(0, 1), 'purge');
    await isMissing(store, query(key, asked));
  },
  'a stamp is judged by the current generations': async (store, { tags }) => {
    const stamp = await store.stamp(tags);
    strictEqual(await store.judge(stamp), 'current');
    strictEqual(await store.judge(new Stamp('another history', stamp.tags, stamp.generations)), 'purged');
    const missing = stamp.tags.map((tag) => `${tag}-missing`);
    strictEqual(await store.judge(new Stamp(stamp.epoch, missing, stamp.generations)), 'purged');
  },
  'an entry without tags survives every purge': async (store, { key, tags }) => {
    const at = query(key, []);
    const { epoch } = await store.stamp(tags);
    ok((await store.get(at)) instanceof Stamp, 'a read of an absent entry returns a stamp without tags');
    await store.set(at, entry('value', new Stamp(epoch, [], [])));
    await store.bump(tags, 'purge');
    strictEqual(await valueOf(store, at), 'value');
  },
  'a bump of tags without entries does no harm': async (store, { key, tags }) => {
    await store.bump(tags, 'purge');
    await store.bump(tags, 'expire');
    await store.set(query(key, tags), entry('value', await store.stamp(tags)));
    strictEqual(await valueOf(store, query(key, tags)), 'value');
  },
  'an entry with 300 tags is served, and ended by a purge of 200 of them': async (store, { key, tags }) => {
    const many = Array.from({ length: 300 }, (_, i) => `${tags[0]!}${i}`);
    await store.set(query(key, many), entry('value', await store.stamp(many)));
    strictEqual(await valueOf(store, query(key, many)), 'value');
    await store.bump(many.slice(100), 'purge');
    await isMissing(store, query(key, many));
  },
  'the last writer of a key wins': async (store, { key, tags }) => {
    const stamp = await store.stamp(tags);
    for (const value of ['first', 'second']) await store.set(query(key, tags), entry(value, stamp));
    strictEqual(await valueOf(store, query(key, tags)), 'second');
  },
  'of stamps that are taken concurrently at least one is current': async (store, { tags }) => {
    const stamps = await Promise.all(Array.from({ length: 10 }, () => store.stamp(tags)));
    const verdicts = await Promise.all(stamps.map((stamp) => store.judge(stamp)));
    ok(verdicts.includes('current'), 'at least the last of them is current');
  },
  ...MANY,
};

const EXPIRES: Case = async (store, { key, tags }) => {
  const stamp = await store.stamp(tags);
  await store.set(query(key, tags), entry('value', stamp));
  await store.bump([tags[1]!], 'expire');
  const reading = await store.get(query(key, tags));
  ok(reading instanceof Entry && reading.expired, 'it is still there, as expired');
  strictEqual(await store.judge(stamp), 'expired');
  await store.bump([tags[1]!], 'purge');
  await isMissing(store, query(key, tags));
};

const EXPIRE_PURGES: Case = async (store, { key, tags }) => {
  await store.set(query(key, tags), entry('value', await store.stamp(tags)));
  await store.bump([tags[1]!], 'expire');
  await isMissing(store, query(key, tags));
};

const SWEEPS: Case = async (store, { key, tags }) => {
  const [inside, outside] = [query(`${key}*in`, tags), query(`${key}xin`, tags)];
  for (const at of [inside, outside]) await store.set(at, entry('value', await store.stamp(tags)));
  await store.sweep(`${key}*`, (found) => found === inside.key);
  await isMissing(store, inside);
  strictEqual(await valueOf(store, outside), 'value');
};

/** Cases of two processes on one store. */
const SHARED: Readonly<Record<string, SharedCase>> = {
  'an entry that one process stored is served by another': async (store, peer, { key, tags }) => {
    await store.set(query(key, tags), entry({ a: 1 }, await store.stamp(tags)));
    deepStrictEqual(await valueOf(peer, query(key, tags)), { a: 1 });
  },
  'an entry that one process purged is not served by another, and neither is its running load': async (
    store,
    peer,
    { key, tags },
  ) => {
    const stamp = await peer.stamp(tags);
    await store.set(query(key, tags), entry('old', await store.stamp(tags)));
    await store.bump([tags[2]!], 'purge');
    await isMissing(peer, query(key, tags));
    await peer.set(query(key, tags), entry('old', stamp));
    await isMissing(store, query(key, tags));
    await isMissing(peer, query(key, tags));
  },
  ...SHARED_MANY,
};

/**
 * The promises that every store must keep, as test cases for your own stores. Independent of the test runner.
 *
 * @example
 * for (const { name, run } of storeConformance({ create: () => new MyStore() })) it(name, run);
 *
 * @publicApi
 */
export function storeConformance(options: ConformanceOptions): readonly ConformanceCase[] {
  const { create, createPeer, expires = true, sweeps = true } = options;
  const cases: Record<string, Case> = { ...CASES };
  if (expires) cases['an entry is served as stale after an expire, never as fresh'] = EXPIRES;
  else cases['an expire purges where the store has no atomic update'] = EXPIRE_PURGES;
  if (sweeps) cases['a sweep removes entries whose keys begin with the literal prefix'] = SWEEPS;
  const alone = Object.entries(cases).map(([name, run]) => ({
    name,
    run: () => withStores([create], ([store]) => run(store!, fresh())),
  }));
  if (createPeer === undefined) return alone;
  const together = Object.entries(SHARED).map(([name, run]) => ({
    name,
    run: () => withStores([create, createPeer], ([store, peer]) => run(store!, peer!, fresh())),
  }));
  return [...alone, ...together];
}

async function withStores(
  makers: readonly (() => Promise<CacheStore> | CacheStore)[],
  body: (stores: readonly CacheStore[]) => Promise<void>,
): Promise<void> {
  const stores: CacheStore[] = [];
  try {
    for (const make of makers) {
      const store = await make();
      stores.push(store);
      await store.ready?.();
    }
    await body(stores);
  } finally {
    for (const store of stores) await store.close?.();
  }
}
