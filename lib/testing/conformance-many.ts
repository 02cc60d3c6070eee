import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { entry, query, type Case, type SharedCase } from './conformance-tools.js';
import { type CacheStore, Entry, type StoreQuery } from '../stores/store.interface.js';
import { Stamp } from '../stores/stamp.js';

/** Values, and `undefined` for what is missing; a store that cannot read many at once has nothing to prove. */
async function valuesOf(store: CacheStore, queries: readonly StoreQuery[]): Promise<unknown[] | undefined> {
  const readings = await store.getMany?.(queries);
  if (readings === undefined) return undefined;
  strictEqual(readings.length, queries.length, 'each is answered');
  return readings.map((reading) => {
    ok(reading instanceof Entry || reading instanceof Stamp, 'by an entry or a stamp');
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

/** Three keys that share their tags but for one each. */
const threeOf = ({ key, tags }: { key: string; tags: readonly string[] }): readonly StoreQuery[] =>
  ['a', 'b', 'c'].map((name) => query(key + name, [...tags, `${tags[0]!}${name}`]));

/** What `getMany` promises, where a store has it. */
export const MANY: Readonly<Record<string, Case>> = {
  'many that are read at once are answered as each alone': async (store, names) => {
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
  'stamps that are taken of many at once are those of each alone': async (store, names) => {
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
  'tags that only an entry knows count when many are read at once': async (store, { key, tags }) => {
    const [asked, inherited] = [tags.slice(0, 1), tags.slice(1)];
    const queries = [query(`${key}1`, asked), query(`${key}2`, asked)];
    for (const at of queries) await store.set(at, entry('value', await store.stamp(tags)));
    for (let i = 0; i < 2; i++) await holds(store, queries, ['value', 'value']);
    await store.bump(inherited.slice(0, 1), 'purge');
    await holds(store, queries, [undefined, undefined]);
  },
};

export const SHARED_MANY: Readonly<Record<string, SharedCase>> = {
  'what one process purged another does not serve when it reads many at once': async (store, peer, names) => {
    const queries = threeOf(names);
    for (const at of queries) await write(store, at, 'value');
    for (let i = 0; i < 2; i++) await holds(peer, queries, ['value', 'value', 'value']);
    await store.bump([queries[1]!.tags().at(-1)!], 'purge');
    await holds(peer, queries, ['value', undefined, 'value']);
    await write(store, queries[1]!, 'again');
    await holds(peer, queries, ['value', 'again', 'value']);
  },
};
