import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  ArgsKeyField,
  CACHE_MISSING,
  CacheResult,
  InvalidatesCache,
  KeyConstructor,
  memoryStore,
  PartitionError,
  tieredStore,
  type CacheStore,
} from '../../lib/index.js';
import { Gate } from '../support/gate.js';
import { SharedMemory } from '../support/shared-memory.js';
import { Applications, ById, method } from './support/methods.js';

const { start, close } = new Applications();
afterEach(close);

const MISS = { cacheStatus: 'MISS', cachedAt: null, resetAt: null };

describe('values by hand', () => {
  it.each([null, undefined, 0, '', NaN, false, { a: undefined }])(
    '%p is a value, not a miss',
    async (value) => {
      const { cache } = await start();
      expect(await cache.get('k')).toBe(CACHE_MISSING);
      let runs = 0;
      const load = () => (runs++, value);
      expect([await cache.getOrSet('k', load), await cache.getOrSet('k', load)]).toEqual([value, value]);
      expect(runs).toBe(1);
      expect(await cache.get('k')).toEqual(value);
      await cache.delete('k');
      expect(await cache.get('k')).toBe(CACHE_MISSING);
    },
  );

  it('different keys never collide, including lone surrogates', async () => {
    const { cache } = await start();
    const keys = [
      'a',
      'a ',
      'A',
      ':',
      '%',
      "'",
      '*',
      'é',
      'e\u0301',
      '\ud800',
      '\ud801',
      '\0',
      'k'.repeat(10_000),
      '__proto__',
    ];
    for (const key of keys) await cache.set(key, key);
    expect(await Promise.all(keys.map((key) => cache.get(key)))).toEqual(keys);
    await cache.deleteMany(keys.slice(0, 7));
    expect(await Promise.all(keys.slice(0, 8).map((key) => cache.get(key)))).toEqual([
      ...Array.from({ length: 7 }, () => CACHE_MISSING),
      'é',
    ]);
  });

  it('keys and tags have at most 300 characters in the store, and long ones stay distinct', async () => {
    const store = memoryStore();
    const names: string[] = [];
    const set = store.set.bind(store);
    store.set = (query, entry) => {
      names.push(query.key, ...entry.stamp.tags);
      return set(query, entry);
    };
    const { cache, log } = await start([], { store });
    const [one, other] = ['a', 'b'].map((end) => 'é:'.repeat(100_000) + end) as [string, string];
    await cache.set(one, 1, { tags: [one] });
    await cache.set(other, 2, { tags: [other] });
    expect([await cache.get(one), await cache.get(other)]).toEqual([1, 2]);
    expect(Math.max(...names.map(({ length }) => length))).toBeLessThan(300);
    await cache.invalidateTags([one]);
    expect([await cache.get(one), await cache.get(other)]).toEqual([CACHE_MISSING, 2]);
    await cache.delete(other);
    expect(await cache.get(other)).toBe(CACHE_MISSING);
    await cache.set(one, () => 1);
    expect(log.warnings[0]!.length).toBeLessThan(400);
  });

  it.each(['', undefined, null, 1, {}])('%p is refused as a key', async (key) => {
    const { cache } = await start();
    await expect(cache.get(key as never)).rejects.toMatchObject({ code: 'CACHE_KEY' });
    await expect(cache.set(key as never, 1)).rejects.toMatchObject({ code: 'CACHE_KEY' });
  });

  it('carry the tags of the caller', async () => {
    const { cache } = await start();
    await cache.set('a', 1, { tags: ['x', '\ud800'] });
    await cache.set('b', 1, { tags: ['y'] });
    await cache.invalidateTags(['\ud800']);
    expect([await cache.get('a'), await cache.get('b')]).toEqual([CACHE_MISSING, 1]);
  });

  it('live in the store that is named, and are dropped in all', async () => {
    const { cache } = await start([], { stores: { bulk: memoryStore() } });
    await cache.set('k', 'here');
    await cache.set('k', 'there', { store: 'bulk' });
    expect([await cache.get('k'), await cache.get('k', { store: 'bulk' })]).toEqual(['here', 'there']);
    await cache.delete('k');
    expect([await cache.get('k'), await cache.get('k', { store: 'bulk' })]).toEqual([
      CACHE_MISSING,
      CACHE_MISSING,
    ]);
    await expect(cache.get('k', { store: 'none' })).rejects.toMatchObject({ code: 'CACHE_STORE' });
  });

  it('refuse options that do not exist or exclude each other', async () => {
    const { cache } = await start();
    const load = () => 1;
    await expect(cache.getOrSet('k', load, { tll: 5 } as never)).rejects.toThrow(
      /the key 'k': unknown option tll\. Did you mean ttl\?/,
    );
    await expect(cache.getOrSet('k', load, { ttl: '5' as never })).rejects.toThrow(
      /ttl of the key 'k' is '5'/,
    );
    await expect(
      cache.getOrSet('k', load, { cacheIf: () => true, cacheUnless: () => true }),
    ).rejects.toMatchObject({
      code: 'CACHE_CONDITION',
    });
  });

  it('name the problem of an invalid argument', async () => {
    const { cache } = await start();
    const given = cache as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const [call, message] of [
      [() => given['getOrSet']!('k'), /The loader of the key 'k' is undefined\. Write a function/],
      [() => given['getOrSetMany']!('k', () => []), /getOrSetMany\(\) was given the keys 'k'\. Write a list/],
      [() => given['getOrSetMany']!(['k'], 5), /The loader of getOrSetMany\(\) is 5/],
      [() => given['set']!('k', 1, 60), /the key 'k': the options are 60\. Write an object/],
      [() => given['set']!('k', 1, { stamp: {} }), /stamp given to set\(\) for the key 'k' is an object/],
      [() => given['delete']!(5), /A cache key must be a string that is not empty, not 5/],
      [() => given['deleteMany']!('abc'), /deleteMany\(\) was given the keys 'abc'\. Write a list/],
      [() => given['invalidateTags']!('orders'), /given the tags 'orders'.*invalidateTags\(\['orders'\]\)/],
      [() => given['invalidateTags']!([5]), /given the tags \[5\]/],
      [() => given['invalidateTags']!(), /given the tags undefined/],
      [() => given['wipe']!(Date), /wipe|no class that extends KeyConstructor/],
      [() => given['deletePreviousVersions']!('ById'), /'ById' is not a class that extends KeyConstructor/],
    ] as const)
      await expect((async () => call())()).rejects.toMatchObject({
        name: expect.stringMatching(/^Cache(Usage|Configuration)Error$/),
        message: expect.stringMatching(message),
      });
    expect(() => given['for']!(undefined, 'find')).toThrow(
      /cache\.for\(\) was given undefined.*circular import/,
    );
  });

  it('set with a stamp stores nothing that changed since the stamp', async () => {
    const { cache } = await start();
    const stamp = await cache.stamp('k', { tags: ['x'] });
    await cache.invalidateTags(['x']);
    expect(await cache.set('k', 'old', { tags: ['x'], stamp })).toEqual(MISS);
    expect(await cache.get('k')).toBe(CACHE_MISSING);
    const again = await cache.stamp('k', { tags: ['x'] });
    expect(await cache.set('k', 'new', { tags: ['x'], stamp: again })).toMatchObject({
      cachedAt: expect.any(String),
    });
    expect(await cache.get('k')).toBe('new');
  });

  it('set refuses a stamp of other tags, which would not drop the value', async () => {
    const { cache } = await start();
    const stamp = await cache.stamp('k');
    await expect(cache.set('k', 1, { tags: ['x'], stamp })).rejects.toMatchObject({ code: 'CACHE_STAMP' });
    await expect(cache.set('other', 1, { stamp })).rejects.toMatchObject({ code: 'CACHE_STAMP' });
  });

  it('set stores nothing with a stamp that could not be read, since no fence protects it', async () => {
    const { cache } = await start();
    expect(await cache.set('k', 1, { stamp: undefined })).toEqual(MISS);
    expect(await cache.get('k')).toBe(CACHE_MISSING);
  });

  it('set stores nothing with a stamp from a store outage, and does not fail', async () => {
    const away = (): Promise<never> => Promise.reject(new Error('away'));
    const memory = memoryStore();
    const store = Object.assign(Object.create(memory) as CacheStore, { stamp: away });
    const { cache } = await start([], { store });
    const stamp = await cache.stamp('k', { tags: ['x'] });
    expect(await cache.set('k', 1, { tags: ['x'], stamp })).toEqual(MISS);
  });

  it('set drops values that were made from the old value, and the old value even if the new one cannot be stored', async () => {
    const Report = method('report', { ttl: '1h' });
    const application = await start([Report]);
    const { cache } = application;
    const report = application.get(Report);
    report.body = async () => `made from ${String(await cache.get('rate'))}`;
    await cache.set('rate', 1);
    expect([await report.call(1), await report.call(1), report.runs]).toEqual([
      'made from 1',
      'made from 1',
      1,
    ]);
    await cache.set('rate', 2);
    expect([await report.call(1), await report.call(1), report.runs]).toEqual([
      'made from 2',
      'made from 2',
      2,
    ]);
    await cache.set('rate', () => 3);
    expect(await cache.get('rate')).toBe(CACHE_MISSING);
  });

  it('set supersedes a running load of its key', async () => {
    const { cache } = await start();
    const gate = new Gate();
    const loading = cache.getOrSet('k', () => gate.pass().then(() => 'loaded before'));
    await gate.reached();
    await cache.set('k', 'set');
    expect(await cache.getOrSet('k', () => 'loaded after')).toBe('set');
    gate.open();
    await loading;
    expect(await cache.get('k')).toBe('set');
  });

  it('set logs a value that could not be stored', async () => {
    const { cache, log } = await start();
    expect(await cache.set('k', () => 1)).toEqual(MISS);
    expect(log.warnings).toEqual([
      expect.stringContaining("A value of the key 'k' is not cached: the value is a function"),
    ]);
  });

  it('a value that is not stored under a thousand keys is logged once', async () => {
    const { cache, log } = await start();
    for (let i = 0; i < 1_000; i++) await cache.set(`k${i}`, () => i);
    expect(log.warnings).toHaveLength(1);
  });

  it('isolation: a caller cannot change the value of other callers', async () => {
    const { cache } = await start();
    const value = { list: [1] };
    await cache.set('k', value);
    value.list.push(2);
    ((await cache.get<typeof value>('k')) as typeof value).list.push(3);
    expect(await cache.get('k')).toEqual({ list: [1] });
  });

  it('isolation: a caller cannot change the value in the memory tier', async () => {
    const store = tieredStore({ l1: memoryStore(), l2: new SharedMemory(), consistency: 'validate' });
    const { cache } = await start([], { store });
    await cache.set('k', { list: [1] });
    for (let reads = 0; reads < 3; reads++) {
      const value = (await cache.get('k')) as { list: number[] };
      expect(value).toEqual({ list: [1] });
      value.list.push(2);
    }
  });
});

describe('a cached method by hand', () => {
  const Things = method('things');

  it('distinguishes cached null and undefined from a miss', async () => {
    const application = await start([Things]);
    const cached = application.cache.for(Things, 'call');
    for (const value of [null, undefined]) {
      application.get(Things).body = () => value;
      expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
      expect(await cached.getCachedMetadata(1)).toBeNull();
      await cached.get(1);
      expect(await cached.getCacheOnly(1)).toBe(value);
      expect(await cached.getCachedMetadata(1)).toMatchObject({ cacheStatus: 'HIT' });
      await cached.deleteCache(1);
    }
  });

  it('returns the key of a call, equal for a missing argument and undefined', async () => {
    const cached = (await start([Things])).cache.for(Things, 'call');
    expect(cached.getCacheKey(1)).toBe(cached.getCacheKey(1, undefined));
    expect(cached.getCacheKey(1)).not.toBe(cached.getCacheKey('1' as never));
    expect(cached.getCacheKey(1)).toMatch(/^restflow:e:/);
  });

  it('arguments that make no key bypass the cache in every way of calling, and are logged once', async () => {
    const Any = method('any', { keyConstructor: (...args: unknown[]) => args });
    const application = await start([Any]);
    const any = application.get(Any);
    const cached = application.cache.for(Any, 'call');
    const unencodable = (() => 1) as never;
    any.body = () => 'live';
    expect(await any.call(unencodable)).toBe('live');
    expect(await cached.get(unencodable)).toBe('live');
    expect(await cached.getWithMetadata(unencodable)).toEqual(['live', { ...MISS, cacheStatus: 'BYPASS' }]);
    expect(await cached.refresh(unencodable)).toBe('live');
    expect(await cached.bypassCache(unencodable)).toBe('live');
    expect(any.runs).toBe(5);
    expect(application.log.warnings).toHaveLength(1);
    expect(() => cached.getCacheKey(unencodable)).toThrow(
      expect.objectContaining({ code: 'KEY_UNENCODABLE' }),
    );
  });

  it('refuses to drop by partitions that are not declared', async () => {
    const cached = (await start([Things])).cache.for(Things, 'call');
    await expect(cached.deleteByPrefix({ nothing: 1 })).rejects.toThrow(PartitionError);
    await expect(cached.deleteByPrefix({})).rejects.toThrow(PartitionError);
    await expect(cached.deletePartition({ id: 1, page: 2 } as never)).rejects.toThrow(PartitionError);
  });

  it('is refused for a method that is not decorated, or whose class is not provided', async () => {
    @Injectable()
    class Plain {
      async find(): Promise<void> {}
    }
    const { cache } = await start([Plain]);
    expect(() => cache.for(Plain, 'find')).toThrow(expect.objectContaining({ code: 'CACHE_NOT_CACHED' }));
    expect(() => cache.for(Things, 'call')).toThrow(expect.objectContaining({ code: 'CACHE_NOT_PROVIDED' }));
  });
});

describe('the switch', () => {
  it('off: every call computes live, nothing is read or stored, and invalidations still work', async () => {
    const Things = method('things');
    const application = await start([Things]);
    const { cache } = application;
    const things = application.get(Things);
    const cached = cache.for(Things, 'call');
    await things.call(1);
    await cache.set('k', 1);
    cache.disable();
    expect(cache.enabled).toBe(false);
    expect(await cached.getWithMetadata(1)).toEqual([1, { ...MISS, cacheStatus: 'BYPASS' }]);
    expect(await things.call(2)).toBe(2);
    expect(await cached.refresh(1)).toBe(1);
    expect([await cached.getCacheOnly(1), await cached.getCachedMetadata(1)]).toEqual([CACHE_MISSING, null]);
    expect([await cache.get('k'), await cache.getOrSet('k', () => 2)]).toEqual([CACHE_MISSING, 2]);
    expect(await cache.set('l', 1)).toEqual(MISS);
    await cached.deleteCache(1);
    cache.enable();
    expect([await cached.getCacheOnly(1), await cached.getCacheOnly(2)]).toEqual([
      CACHE_MISSING,
      CACHE_MISSING,
    ]);
    expect([await cache.get('k'), await cache.get('l')]).toEqual([1, CACHE_MISSING]);
  });

  it('off: the value of a running load is returned, not stored', async () => {
    const Things = method('things');
    const application = await start([Things]);
    const { cache } = application;
    const [things, gate] = [application.get(Things), new Gate()];
    things.body = () => gate.pass();
    const [leader, waiter] = [things.call(1), things.call(1)];
    await gate.reached();
    cache.disable();
    gate.open();
    await Promise.all([leader, waiter]);
    expect(things.runs).toBe(1);
    cache.enable();
    expect(await cache.for(Things, 'call').getCacheOnly(1)).toBe(CACHE_MISSING);
  });

  it('a function is asked on every call; one that throws switches off and is logged once', async () => {
    let answer = (): boolean => true;
    const { cache, log } = await start([], { enabled: () => answer() });
    await cache.set('k', 1);
    answer = () => false;
    expect(await cache.get('k')).toBe(CACHE_MISSING);
    answer = () => {
      throw new Error('no configuration');
    };
    expect(await cache.getOrSet('k', () => 2)).toBe(2);
    expect(await cache.get('k')).toBe(CACHE_MISSING);
    expect(log.errors).toEqual([expect.stringContaining('no configuration')]);
    answer = () => true;
    expect(await cache.get('k')).toBe(1);
  });
});

it('a function that answers with a promise switches off, whatever becomes of the promise', async () => {
  let answer: unknown = Promise.resolve(true);
  const { cache, log } = await start([], { enabled: (() => answer) as never });
  await cache.set('k', 1);
  expect(await cache.get('k')).toBe(CACHE_MISSING);
  answer = Promise.reject(new Error('no flags'));
  expect(await cache.getOrSet('k', () => 2)).toBe(2);
  expect(log.errors).toEqual([expect.stringMatching(/option enabled failed.*promise.*must be synchronous/)]);
});

describe('applications that share a store', () => {
  it('clear stays in its namespace, also where one name begins with the other', async () => {
    const store = memoryStore();
    const namespaces = ['shop', 'shop:prod', 'shop2', 'sho', 'shop:prod:eu'];
    const caches = [];
    for (const namespace of namespaces) caches.push((await start([], { store, namespace })).cache);
    for (const cleared of caches) {
      for (const cache of caches) await cache.set('k', 1);
      await cleared.clear();
      for (const cache of caches) expect(await cache.get('k')).toBe(cache === cleared ? CACHE_MISSING : 1);
    }
  });

  it('of one namespace share values and invalidations', async () => {
    const store = memoryStore();
    const [one, other] = [(await start([], { store })).cache, (await start([], { store })).cache];
    await one.set('k', 1);
    expect(await other.get('k')).toBe(1);
    await other.delete('k');
    expect(await one.get('k')).toBe(CACHE_MISSING);
  });

  it('with different versions read no values of each other, but invalidate them', async () => {
    const Things = method('things');
    const store = memoryStore();
    const [one, other] = [
      await start([Things], { store, version: 'a' }),
      await start([Things], { store, version: 'b' }),
    ];
    await one.get(Things).call(1);
    await other.get(Things).call(1);
    expect(other.get(Things).runs).toBe(1);
    await other.cache.for(Things, 'call').deleteByPrefix({ id: 1 });
    await one.get(Things).call(1);
    expect(one.get(Things).runs).toBe(2);
  });
});

describe('wipe and deletePreviousVersions', () => {
  class Sub extends ById {}
  class Other extends KeyConstructor {
    id = new ArgsKeyField('id', { partition: true });
  }

  it('wipe drops all methods of the constructor and of those that extend it', async () => {
    const [One, Two, Three] = [
      method('one'),
      method('two', { keyConstructor: Sub }),
      method('three', { keyConstructor: Other }),
    ];
    const application = await start([One, Two, Three]);
    const all = [One, Two, Three].map((type) => application.get(type));
    const fill = () => Promise.all(all.flatMap((one) => [one.call(1), one.call(2)]));
    await fill();
    await application.cache.wipe(ById, { id: '1' });
    await fill();
    expect(all.map(({ runs }) => runs)).toEqual([3, 3, 2]);
    await application.cache.wipe(Sub);
    await fill();
    expect(all.map(({ runs }) => runs)).toEqual([3, 5, 2]);
    await expect(application.cache.wipe(ById, { page: 1 })).rejects.toThrow(PartitionError);
  });

  it('wipe drops all of one meta.namespace, in processes too that do not load the methods', async () => {
    class Users extends KeyConstructor {
      static readonly meta = { namespace: 'users' };
      id = new ArgsKeyField('id', { partition: true });
    }
    class UserLists extends KeyConstructor {
      static readonly meta = { namespace: 'users' };
      id = new ArgsKeyField('id');
    }
    const store = memoryStore();
    const Types = [
      method('one', { keyConstructor: Users }),
      method('lists', { keyConstructor: UserLists }),
      method('three'),
    ];
    const application = await start(Types, { store });
    const all = Types.map((type) => application.get(type));
    const runs = async () => {
      for (const one of all) await one.call(1);
      return all.map((one) => one.runs);
    };
    expect(await runs()).toEqual([1, 1, 1]);
    await application.cache.wipe(Users, { id: 1 });
    expect(await runs()).toEqual([2, 1, 1]);
    await application.cache.wipe(Users);
    expect(await runs()).toEqual([3, 2, 1]);
    const worker = await start([], { store });
    await worker.cache.wipe(Users);
    expect(await runs()).toEqual([4, 3, 1]);
    // A partition of methods that are not known here has no tag: then it is everything.
    await worker.cache.wipe(Users, { id: 2 });
    expect(await runs()).toEqual([5, 4, 1]);
    class Nameless extends KeyConstructor {
      id = new ArgsKeyField('id');
    }
    await worker.cache.wipe(Nameless);
    expect(worker.log.warnings).toEqual([
      expect.stringMatching(/wipe\(Nameless\) drops nothing.*meta\.namespace/),
    ]);
    expect(await runs()).toEqual([5, 4, 1]);
  });

  it('deletePreviousVersions removes what older versions of a key left, of every build, and nothing else', async () => {
    const store = memoryStore() as ReturnType<typeof memoryStore> & { size: { entries: number } };
    const versions = [1, 2].map((version) => {
      class Versioned extends KeyConstructor {
        static readonly meta = { version };
        id = new ArgsKeyField('id');
      }
      return Versioned;
    });
    const Types = versions.map((keyConstructor) => method('things', { keyConstructor }));
    const Bystander = method('bystander');
    const older = await start([Types[0]!], { store, version: 'a' });
    await older.get(Types[0]!).call(1);
    const newer = await start([Types[1]!, Bystander], { store, version: 'b' });
    await newer.get(Types[1]!).call(1);
    await newer.get(Bystander).call(1);
    expect(store.size.entries).toBe(3);
    await newer.cache.deletePreviousVersions(versions[1]!);
    expect(store.size.entries).toBe(2);
    await newer.get(Types[1]!).call(1);
    await older.get(Types[0]!).call(1);
    expect([newer.get(Types[1]!).runs, older.get(Types[0]!).runs]).toEqual([1, 2]);
  });
});

it('status() lists what is cached, and how', async () => {
  const Things = method('things', { ttl: 5 });
  const { cache } = await start([Things, method('later', { ttl: () => 1, store: 'bulk' })], {
    stores: { bulk: memoryStore() },
    namespace: 'shop',
  });
  expect(cache.status()).toEqual({
    enabled: true,
    namespace: 'shop',
    stores: { default: 'memory', bulk: 'memory' },
    methods: [
      {
        name: 'things',
        kind: 'result',
        store: 'default',
        ttl: 5,
        namespace: 'things',
        partitionFields: ['id'],
        rules: [],
      },
      {
        name: 'later',
        kind: 'result',
        store: 'bulk',
        ttl: null,
        namespace: 'things',
        partitionFields: ['id'],
        rules: [],
      },
    ],
    advice: [],
  });
});

it('an unknown mode is refused, by hand and in @InvalidatesCache', async () => {
  const { cache } = await start();
  const mode = 'Purge' as 'purge';
  await expect(cache.invalidateTags(['x'], { mode })).rejects.toThrow(/mode 'Purge'\. Write 'purge'/);
  const decorate = InvalidatesCache({ tags: ['x'], mode });
  class Things {}
  expect(() => decorate(Things.prototype, 'change', { value: () => undefined })).toThrow(
    /Things\.change: mode is 'Purge'\. Write 'purge'/,
  );
});

it('getOrSet shares its load, and a tag dropped meanwhile keeps it from being stored', async () => {
  const { cache } = await start();
  const gate = new Gate();
  let runs = 0;
  const load = () => gate.pass().then(() => ++runs);
  const readers = Array.from({ length: 100 }, () => cache.getOrSet('k', load, { tags: ['x'] }));
  await gate.reached();
  await cache.invalidateTags(['x']);
  gate.open();
  const [leader, ...waiters] = await Promise.all(readers);
  expect([leader, new Set(waiters), runs]).toEqual([1, new Set([2]), 2]);
});

it('calls of one key with different tags do not share a load', async () => {
  const { cache } = await start();
  const gate = new Gate();
  const load = () => gate.pass().then(() => 1);
  const both = [cache.getOrSet('k', load, { tags: ['x'] }), cache.getOrSet('k', load, { tags: ['y'] })];
  await gate.reached(2);
  gate.open();
  await Promise.all(both);
  await cache.invalidateTags(['y']);
  expect(await cache.get('k')).toBe(CACHE_MISSING);
});

it('freeze hands one frozen value to all; none hands out the stored object itself', async () => {
  @Injectable()
  class Isolated {
    @CacheResult({ isolation: 'freeze' })
    async frozen(): Promise<{ list: number[] }> {
      return { list: [1] };
    }
    @CacheResult({ isolation: 'none' })
    async shared(): Promise<{ list: number[] }> {
      return { list: [1] };
    }
  }
  const isolated = (await start([Isolated])).get(Isolated);
  const [miss, hit] = [await isolated.frozen(), await isolated.frozen()];
  expect(miss).toBe(hit);
  expect(() => miss.list.push(2)).toThrow(TypeError);
  const [first, second] = [await isolated.shared(), await isolated.shared()];
  expect(first).toBe(second);
});
