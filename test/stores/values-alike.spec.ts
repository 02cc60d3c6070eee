import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import Keyv from 'keyv';
import { cacheManagerStore, type CacheStore, memoryStore, tieredStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { sameGraph } from '../cache/support/graphs.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { announce, seed, soaked } from '../support/randomised.js';
import { uniqueName } from '../support/unique.js';

class Point {
  constructor(
    readonly x: unknown = 1,
    readonly y: unknown = 2,
  ) {}
}
class Secretive {
  #secret = 1;
  reveal(): number {
    return this.#secret;
  }
}

const sticky = (lastIndex: number): RegExp => Object.assign(/a/giy, { lastIndex });
const page = 'a page of text '.repeat(10_000);

const part = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: true,
  }),
  fc.nat(1_000_000_000).map((at) => Object.assign([], { [at]: at })),
  fc.nat(1_000).map((from) => page.slice(from, from + 100)),
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  fc.nat(9).map(sticky),
  fc.tuple(fc.anything(), fc.anything()).map(([x, y]) => new Point(x, y)),
  fc.constantFrom<unknown>(-0, NaN, '\ud800', 1n << 200n, Object.assign([], { 1: 1 }), [0.5, -0]),
  // What no store may take.
  fc
    .constantFrom<() => unknown>(
      () => new Secretive(),
      () => Object.assign(Buffer.from('a'), { name: 1 }),
      () => Object.assign([1], { [Symbol('s')]: 1 }),
      () => Object.defineProperty(new Date(1), 'hidden', { value: 1 }),
      () => 'x'.repeat(5_000_000),
      () => () => 1,
    )
    .map((make) => make()),
);
/** One part stands in two places. */
const value = fc.array(part, { maxLength: 4 }).map((parts) => ({ parts, again: parts[0] }));

const applications = new Map<string, TestApplication>();
beforeAll(async () => {
  const redis = (): CacheStore => redisStore({ url: serverUrl('redis'), timeout: 5_000 });
  const stores: Record<string, () => CacheStore> = {
    memory: memoryStore,
    redis,
    tiered: () => tieredStore({ l1: memoryStore(), l2: redis(), consistency: 'validate' }),
    'cache-manager': () => cacheManagerStore(new Keyv()),
  };
  for (const [name, make] of Object.entries(stores))
    applications.set(
      name,
      await TestApplication.start([], {
        store: make(),
        namespace: uniqueName('alike'),
        application: 'alike',
      }),
    );
});
afterAll(async () => {
  for (const application of applications.values()) await application.close();
});

let keys = 0;

/** What the second and the third call of a value get: itself, since it was refused, or its copy. */
async function outcome({ cache }: TestApplication, given: unknown): Promise<string> {
  const key = `value ${keys++}`;
  let loads = 0;
  const call = (): Promise<unknown> =>
    cache.getOrSet(key, () => (loads++, given), { type: () => [Point, Secretive] });
  await call();
  const hits = [await call(), await call()];
  if (loads === 3) return 'refused';
  if (loads !== 1) return `loaded ${loads} times`;
  return `stored, ${hits.map((hit) => sameGraph(given, hit)).join()}`;
}

it('what comes back equals what went in, or was refused, on every store alike', async () => {
  const numRuns = soaked(1_500);
  announce('values are alike on every store', numRuns);
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(value, async (given) => {
      const outcomes: Record<string, string> = {};
      for (const [name, application] of applications) outcomes[name] = await outcome(application, given);
      const [expected] = Object.values(outcomes);
      seen.add(expected!);
      expect(outcomes).toEqual(Object.fromEntries([...applications.keys()].map((name) => [name, expected])));
      expect(['refused', 'stored, same,same']).toContain(expected);
    }),
    { seed, numRuns },
  );
  expect([...seen].sort()).toEqual(['refused', 'stored, same,same']);
  // Applications of one process share Nest's logger.
  const lines = [...applications.values()].flatMap(({ log }) => log.warnings);
  expect(lines.filter((line) => line.includes('is not cached')).length).toBeGreaterThan(3);
});
