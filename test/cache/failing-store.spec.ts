import { afterEach, describe, expect, it } from '@jest/globals';
import { memoryStore, type CacheStore } from '../../lib/index.js';
import { Deferred, Gate, settled } from '../support/gate.js';
import { until } from '../support/until.js';
import { Applications, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

const OPERATIONS = ['get', 'stamp', 'judge', 'set', 'bump', 'sweep'] as const;
type Operation = (typeof OPERATIONS)[number];
type Answer = (operation: Operation, work: () => unknown) => unknown;

/** A memory store whose answers a test may spoil. */
class SpoiltStore {
  answer: Answer = (_operation, work) => work();
  readonly store: CacheStore;

  constructor() {
    const inner = memoryStore() as unknown as Record<Operation, (...args: unknown[]) => unknown>;
    const operations = OPERATIONS.map((operation) => [
      operation,
      (...args: unknown[]) => this.answer(operation, () => inner[operation](...args)),
    ]);
    this.store = { kind: 'spoilt', keepsReferences: true, ...Object.fromEntries(operations) } as CacheStore;
  }
}

async function things(options = {}) {
  const Things = method('things', options);
  const spoilt = new SpoiltStore();
  const application = await start([Things], { store: spoilt.store });
  return {
    application,
    spoilt,
    provider: application.get(Things),
    cached: application.cache.for(Things, 'call'),
  };
}

const WAYS: [string, Answer][] = [
  [
    'throws',
    () => {
      throw new Error('store down');
    },
  ],
  ['rejects', () => Promise.reject(new Error('store down'))],
  ['rejects late', () => settled().then(() => Promise.reject(new Error('store down')))],
  ['answers null', () => null],
  ['answers undefined', () => undefined],
  ['answers a number', () => 1],
  ['answers plain data', () => ({ epoch: 'x', tags: [], generations: [], value: 'garbage' })],
  ['answers nonsense later', async () => ({ value: 'garbage' })],
];

describe.each(WAYS)('a store that %s', (_way, answer) => {
  it.each<[string, readonly Operation[]]>([
    ['when it is read', ['get']],
    ['when it is asked for a stamp', ['stamp']],
    ['when a stamp is judged', ['judge']],
    ['when it is written', ['set']],
    ['always', OPERATIONS],
  ])('%s, fails no call', async (_name, broken) => {
    const { spoilt, provider, cached } = await things({
      ttl: 10,
      staleWhileRevalidate: 10,
      staleIfError: 10,
    });
    await provider.call(1);
    spoilt.answer = (operation, work) => (broken.includes(operation) ? answer(operation, work) : work());
    const values = await Promise.all(Array.from({ length: 20 }, () => provider.call(1)));
    expect(new Set(values)).toEqual(new Set([1]));
    const missing = await Promise.all(Array.from({ length: 20 }, () => provider.call(2)));
    expect(new Set(missing)).toEqual(new Set([2]));
    expect(await cached.refresh(3)).toBe(3);
    expect(await cached.bypassCache(4)).toBe(4);
    expect((await cached.getWithMetadata(5))[0]).toBe(5);
    await cached.getCacheOnly(6);
    await cached.getCachedMetadata(6);
    provider.body = () => Promise.reject(new Error('the method failed'));
    await expect(provider.call(7)).rejects.toThrow('the method failed');
  });
});

it.each(OPERATIONS)(
  'a store that hangs when it should %s keeps nobody waiting for more than a second',
  async (hangs) => {
    const { application, spoilt, provider, cached } = await things({ staleIfError: '1h' });
    spoilt.answer = (operation, work) => (operation === hangs ? new Promise(() => undefined) : work());
    const work = [provider.call(1), cached.refresh(2), cached.deleteCache(3), application.cache.set('k', 1)];
    let done = false;
    void Promise.all(work).then(() => (done = true));
    await until(async () => {
      application.clock.advance(250);
      await settled();
      return done;
    });
    spoilt.answer = (_operation, work) => work();
    application.clock.advance(2_000);
    expect(await provider.call(1)).toBe(1);
  },
);

it('a failing store is logged once, not on every call', async () => {
  const { application, spoilt, provider } = await things();
  spoilt.answer = () => Promise.reject(new Error('store down'));
  for (let id = 0; id < 20; id++) await provider.call(id);
  expect(application.log.errors.filter((line) => line.includes('store down'))).toHaveLength(1);
});

it('a store that answers late, within its timeout, is used', async () => {
  const { spoilt, provider } = await things();
  spoilt.answer = (_operation, work) => settled().then(work);
  expect([await provider.call(1), await provider.call(1), provider.runs]).toEqual([1, 1, 1]);
});

it('a store whose promises are not of this realm works', async () => {
  const { spoilt, provider, cached } = await things();
  spoilt.answer = (_operation, work) => ({
    then: (resolve: (value: unknown) => void) => setImmediate(() => resolve(work())),
  });
  expect([await provider.call(1), await provider.call(1), provider.runs]).toEqual([1, 1, 1]);
  await cached.invalidateAll();
  expect([await provider.call(1), provider.runs]).toEqual([1, 2]);
});

it('waiting callers share the load of a value that the store refused', async () => {
  const { spoilt, provider } = await things();
  spoilt.answer = (operation, work) => (operation === 'set' ? Promise.reject(new Error('full')) : work());
  const gate = new Gate();
  provider.body = () => gate.pass().then(() => 'value');
  const readers = Array.from({ length: 50 }, () => provider.call(1));
  await gate.reached();
  gate.open();
  expect(new Set(await Promise.all(readers))).toEqual(new Set(['value']));
  expect(provider.runs).toBe(1);
});

it('metadata says that a value was not stored', async () => {
  const { spoilt, cached } = await things();
  spoilt.answer = (operation, work) => (operation === 'set' ? Promise.reject(new Error('full')) : work());
  expect(await cached.getWithMetadata(1)).toEqual([
    1,
    { cacheStatus: 'MISS', cachedAt: null, resetAt: null },
  ]);
});

it('a failed invalidation is logged, reaches the other stores, and is repeated until the store accepts it', async () => {
  const Things = method('things', { store: 'good' });
  const Others = method('others', { store: 'default' });
  const first = new SpoiltStore();
  first.answer = (operation, work) => {
    if (operation === 'bump') throw new Error('store down');
    return work();
  };
  const application = await start([Things, Others], { store: first.store, stores: { good: memoryStore() } });
  const [things, others] = [application.get(Things), application.get(Others)];
  await Promise.all([things.call(1), others.call(1)]);
  expect(await application.cache.clear()).toBe('queued');
  await Promise.all([things.call(1), others.call(1)]);
  expect([things.runs, others.runs]).toEqual([2, 2]);
  first.answer = (_operation, work) => work();
  application.clock.advance(1_000);
  await settled();
  expect(application.cache.health().status).toBe('up');
  expect([await others.call(1), await others.call(1), others.runs]).toEqual([1, 1, 3]);
});

it('clear() drops everything even if the store fails to remove entries, and logs the failure', async () => {
  const { application, spoilt, provider } = await things();
  spoilt.answer = (operation, work) =>
    operation === 'sweep' ? Promise.reject(new Error('no SCAN for you')) : work();
  await provider.call(1);
  expect(await application.cache.clear()).toBe('delivered');
  expect(application.log.errors).toEqual([
    expect.stringMatching(/did not remove all entries after clear\(\).*no SCAN/s),
  ]);
  await provider.call(1);
  expect(provider.runs).toBe(2);
});

it('an invalidation resolves only when the store has accepted it', async () => {
  const { application, spoilt } = await things();
  const bumped = new Deferred();
  spoilt.answer = (operation, work) => (operation === 'bump' ? bumped.promise.then(work) : work());
  let done = false;
  const clearing = application.cache.invalidateTags(['x']).then(() => (done = true));
  await settled();
  expect(done).toBe(false);
  bumped.resolve();
  await clearing;
});

it('a tags function that throws is no failure of the store: the call runs uncached, and the log names its method', async () => {
  for (const tags of [
    () => {
      throw new Error('no tags');
    },
    () => 'users',
    () => [1],
    () => undefined,
  ] as never[]) {
    const Tagged = method('tagged', { tags });
    const application = await start([Tagged]);
    const tagged = application.get(Tagged);
    expect([await tagged.call(1), await tagged.call(1), tagged.runs]).toEqual([1, 1, 2]);
    expect(application.log.warnings).toEqual([
      expect.stringMatching(/tagged was not cached: its tags are not known/),
    ]);
    expect(application.log.errors).toEqual([]);
  }
});

it('a call whose tags function throws reads no store', async () => {
  const tags = (): string[] => {
    throw new Error('no tags');
  };
  const { spoilt, provider, cached } = await things({ ttl: 10, tags });
  const asked: Operation[] = [];
  spoilt.answer = (operation, work) => {
    asked.push(operation);
    return work();
  };
  expect([await cached.refresh(1), provider.runs]).toEqual([1, 1]);
  expect(asked).toEqual([]);
});
