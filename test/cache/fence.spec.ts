import { afterEach, describe, expect, it } from '@jest/globals';
import { CACHE_MISSING, CacheStatus, memoryStore } from '../../lib/index.js';
import type { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../lib/cache/runtime-token.js';
import type { Lease } from '../../lib/stores/store.interface.js';
import { Gate, settled } from '../support/gate.js';
import type { TestApplication } from '../support/application.js';
import { Applications, ById, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

const Things = method('things');

/** Every way to drop what `things.call(1)` cached. */
const DROPS: [string, (application: TestApplication) => Promise<unknown>][] = [
  ['its key', ({ cache }) => cache.for(Things, 'call').deleteCache(1)],
  ['its partition', ({ cache }) => cache.for(Things, 'call').deleteByPrefix({ id: '1' })],
  ['its method', ({ cache }) => cache.for(Things, 'call').invalidateAll()],
  ['a partition of its key constructor', ({ cache }) => cache.wipe(ById, { id: 1 })],
  ['its key constructor', ({ cache }) => cache.wipe(ById)],
  ['everything', ({ cache }) => cache.clear()],
];

describe.each(DROPS)('dropping %s', (_level, drop) => {
  it('a load that began before is never stored', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => 'old');
    const early = things.call(1);
    await gate.reached();
    await drop(application);
    gate.open();
    expect(await early).toBe('old');
    things.body = () => 'new';
    expect(await things.call(1)).toBe('new');
    expect(await application.cache.for(Things, 'call').getCacheOnly(1)).toBe('new');
  });

  it('a reader that comes after never joins an older load', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => 'old');
    const early = things.call(1);
    await gate.reached();
    await drop(application);
    things.body = () => 'new';
    expect(await things.call(1)).toBe('new');
    gate.open();
    expect(await early).toBe('old');
    expect(await things.call(1)).toBe('new');
    expect(things.runs).toBe(2);
  });

  it('the cached value is never served again', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    await things.call(1);
    await drop(application);
    expect(await application.cache.for(Things, 'call').getCacheOnly(1)).toBe(CACHE_MISSING);
    await things.call(1);
    expect(things.runs).toBe(2);
  });
});

describe('single-flight', () => {
  it('1,000 concurrent misses run one load', async () => {
    const things = (await start([Things])).get(Things);
    const gate = new Gate();
    things.body = (id) => gate.pass().then(() => ({ id }));
    const readers = Array.from({ length: 1_000 }, () => things.call(1));
    gate.open();
    const values = await Promise.all(readers);
    expect(things.runs).toBe(1);
    expect(new Set(values).size).toBe(1_000);
    expect(values.every((value) => value.id === 1)).toBe(true);
  });

  it("a waiting caller and the leader of a load cannot change each other's value", async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => ({ n: 1 }));
    const readers = [things.call(1), things.call(1), things.call(1)];
    gate.open();
    for (const value of await Promise.all(readers)) value.n++;
    expect(await Promise.all(readers)).toEqual([{ n: 2 }, { n: 2 }, { n: 2 }]);
    expect(await things.call(1)).toEqual({ n: 1 });
  });

  it('waiting callers of a load that a bump overtook share one new load', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => 'old');
    const readers = Array.from({ length: 50 }, () => things.call(1));
    await gate.reached();
    await application.cache.clear();
    things.body = () => settled().then(() => 'new');
    const late = Array.from({ length: 50 }, () => things.call(1));
    gate.open();
    expect(new Set(await Promise.all(late))).toEqual(new Set(['new']));
    const [leader, ...waiters] = await Promise.all(readers);
    expect([leader, new Set(waiters)]).toEqual(['old', new Set(['new'])]);
    expect(things.runs).toBe(2);
  });

  it('an error goes to all who waited, and is not stored', async () => {
    const things = (await start([Things])).get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => Promise.reject(new Error('down')));
    const readers = Array.from({ length: 10 }, () => things.call(1));
    gate.open();
    for (const result of await Promise.allSettled(readers))
      expect(result).toMatchObject({ reason: { message: 'down' } });
    expect(things.runs).toBe(1);
    things.body = () => 'up';
    expect(await things.call(1)).toBe('up');
  });

  it('an error is shared only while it is current', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => Promise.reject(new Error('gone')));
    const leader = things.call(1);
    const waiter = things.call(1);
    await gate.reached();
    await application.cache.clear();
    things.body = () => 'there';
    gate.open();
    await expect(leader).rejects.toThrow('gone');
    expect(await waiter).toBe('there');
  });

  it('a method that throws before it returns a promise fails its callers alone', async () => {
    const things = (await start([Things])).get(Things);
    things.body = () => {
      throw new Error('at once');
    };
    await expect(things.call(1)).rejects.toThrow('at once');
    things.body = () => 'up';
    expect(await things.call(1)).toBe('up');
  });

  it('loads over the limit run unshared, and none is lost', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const { engine } = application.module.get<CacheRuntime>(CACHE_RUNTIME);
    const gate = new Gate();
    things.body = (id) => gate.pass().then(() => id);
    const readers = Array.from({ length: 10_000 }, (_, id) => things.call(id));
    expect(engine.loads.size).toBe(10_000);
    const over = [things.call(-1), things.call(-1)];
    expect(engine.loads.size).toBe(10_000);
    gate.open();
    expect(await Promise.all(over)).toEqual([-1, -1]);
    expect(await Promise.all(readers)).toEqual(Array.from({ length: 10_000 }, (_, id) => id));
    expect(things.runs).toBe(10_002);
    expect(engine.loads.size).toBe(0);
  });

  it('a method that calls itself with the same key does not wait for itself', async () => {
    const things = (await start([Things])).get(Things);
    let depth = 0;
    things.body = async (id) => (++depth < 3 ? `${id} ${await things.call(id)}` : 'end');
    expect(await things.call(1)).toBe('1 1 end');
  });

  it('a method that calls itself does not wait for its own lease, with lock: distributed', async () => {
    const leases = new Set<string>();
    const acquire = async (key: string): Promise<Lease | undefined> =>
      leases.has(key) ? undefined : (leases.add(key), { release: async () => void leases.delete(key) });
    const Things = method('things', { lock: 'distributed' });
    const application = await start([Things], { store: Object.assign(memoryStore(), { acquire }) });
    const things = application.get(Things);
    things.body = async (id) => (things.runs === 1 ? `again ${await things.call(id)}` : 'end');
    // Its clock stands still: whoever waits for a lease waits for ever.
    expect(await things.call(1)).toBe('again end');
    expect(leases.size).toBe(0);
  });

  it('two methods that call each other, led by two callers, do not wait for each other', async () => {
    const [A, B] = [method('a'), method('b')];
    const application = await start([A, B]);
    const [a, b] = [application.get(A), application.get(B)];
    const gate = new Gate();
    a.body = async () => (a.runs > 1 ? 'a' : (await gate.pass(), `a ${await b.call(1)}`));
    b.body = async () => (b.runs > 1 ? 'b' : (await gate.pass(), `b ${await a.call(1)}`));
    const both = [a.call(1), b.call(1)];
    await gate.reached(2);
    gate.open();
    for (const value of await Promise.all(both)) expect(value).toMatch(/^(a b|b a)/);
  });
});

describe('refresh', () => {
  it('refresh() never joins a running load, and an older load does not overwrite its value', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => 'old');
    const early = things.call(1);
    await gate.reached();
    things.body = () => 'new';
    expect(await application.cache.for(Things, 'call').refresh(1)).toBe('new');
    gate.open();
    expect(await early).toBe('old');
    expect(await things.call(1)).toBe('new');
    expect(things.runs).toBe(2);
  });

  it('an older load does not overwrite the value of set()', async () => {
    const { cache } = await start();
    const gate = new Gate();
    const early = cache.getOrSet('k', () => gate.pass().then(() => 'old'));
    await gate.reached();
    await cache.set('k', 'new');
    gate.open();
    expect(await early).toBe('old');
    expect(await cache.get('k')).toBe('new');
  });

  it('readers get the cached value during a refresh, and the refresh has the status REFRESH', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    things.body = () => 'old';
    await things.call(1);
    const gate = new Gate();
    things.body = () => gate.pass().then(() => 'new');
    const refreshing = application.cache.for(Things, 'call').refresh(1);
    await gate.reached();
    expect(await things.call(1)).toBe('old');
    gate.open();
    expect(await refreshing).toBe('new');
    expect(await application.cache.for(Things, 'call').getWithMetadata(1)).toEqual([
      'new',
      { cacheStatus: CacheStatus.HIT, cachedAt: expect.any(String), resetAt: expect.any(String) },
    ]);
  });

  it('a refresh that fails keeps the cached value', async () => {
    const application = await start([Things]);
    const things = application.get(Things);
    await things.call(1);
    things.body = () => Promise.reject(new Error('down'));
    await expect(application.cache.for(Things, 'call').refresh(1)).rejects.toThrow('down');
    expect(await things.call(1)).toBe(1);
  });

  it.each(['refresh', 'get'] as const)(
    'a refresh that fails does not prevent storing the value of an earlier %s',
    async (how) => {
      const application = await start([Things]);
      const [things, cached] = [application.get(Things), application.cache.for(Things, 'call')];
      const gate = new Gate();
      things.body = () => gate.pass().then(() => 'first');
      const first = cached[how](1);
      await gate.reached();
      things.body = () => Promise.reject(new Error('down'));
      await expect(cached.refresh(1)).rejects.toThrow('down');
      gate.open();
      expect(await first).toBe('first');
      expect(await cached.getCacheOnly(1)).toBe('first');
    },
  );
});

it('a value that a bump overtook is not written while the next load runs', async () => {
  const store = memoryStore();
  const given: unknown[] = [];
  const set = store.set.bind(store);
  store.set = (query, entry) => {
    given.push(entry.value);
    return set(query, entry);
  };
  const application = await start([Things], { store });
  const things = application.get(Things);
  const [old, fresh] = [new Gate(), new Gate()];
  things.body = () => old.pass().then(() => 1);
  const early = things.call(1);
  await old.reached();
  await application.cache.clear();
  things.body = () => fresh.pass().then(() => 2);
  const late = things.call(1);
  await fresh.reached();
  old.open();
  expect(await early).toBe(1);
  fresh.open();
  expect(await late).toBe(2);
  expect(given).toHaveLength(1);
  expect(await things.call(1)).toBe(2);
});

it('a load that timed out does not overwrite a later value', async () => {
  const Slow = method('slow', { hardTimeout: '1s' });
  const application = await start([Slow]);
  const [slow, cached] = [application.get(Slow), application.cache.for(Slow, 'call')];
  const gate = new Gate();
  slow.body = () => gate.pass().then(() => 'given up');
  const first = expect(cached.get(1)).rejects.toThrow('hardTimeout');
  await gate.reached();
  application.clock.advance(1_000);
  await first;
  slow.body = () => 'new';
  expect(await cached.get(1)).toBe('new');
  gate.open();
  await settled();
  expect(await cached.getCacheOnly(1)).toBe('new');
});

it('bypassCache neither reads nor stores', async () => {
  const application = await start([Things]);
  const things = application.get(Things);
  const cached = application.cache.for(Things, 'call');
  expect([await cached.bypassCache(1), await cached.bypassCache(1)]).toEqual([1, 1]);
  expect(things.runs).toBe(2);
  expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
});
