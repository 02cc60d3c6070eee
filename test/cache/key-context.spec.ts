import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  ArgsKeyField,
  CACHE_MISSING,
  CacheResult,
  type CacheStore,
  invalidates,
  KeyConstructor,
  memoryStore,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { uniqueName } from '../support/unique.js';

interface Context {
  readonly tenant?: unknown;
  readonly locale?: unknown;
}

const storage = new AsyncLocalStorage<Context>();
const inTenant = <T>(tenant: unknown, work: () => T): T => storage.run({ tenant }, work);
const tenantOf = (): string => String(storage.getStore()?.tenant);

const keyContext = (): Record<string, unknown> => ({ tenant: storage.getStore()?.tenant });

let runs = 0;

@Injectable()
class Users {
  @CacheResult({ keyConstructor: { id: new ArgsKeyField('id', { partition: true }) } })
  async find(id: number): Promise<string> {
    return `${tenantOf()}/${id} ${++runs}`;
  }
}

class ByTenant extends KeyConstructor {
  static readonly meta = { partitions: [['tenant', 'id']] };
  id = new ArgsKeyField('id', { partition: true });
}

@Injectable()
class Declared {
  @CacheResult({ keyConstructor: ByTenant })
  async find(id: number): Promise<string> {
    return `${tenantOf()}/${id} ${++runs}`;
  }
}

let running: TestApplication[] = [];
afterEach(async () => {
  for (const application of running) await application.close();
  running = [];
  runs = 0;
});

async function start(options: RestflowCacheOptions, providers = [Users, Declared]): Promise<TestApplication> {
  const application = await TestApplication.start(providers, {
    namespace: uniqueName('contexts'),
    keyContext,
    dataSources: false,
    ...options,
  });
  running.push(application);
  return application;
}

const stores: Record<string, () => CacheStore> = {
  memory: () => memoryStore(),
  redis: () => redisStore({ url: serverUrl('redis'), timeout: 5_000 }),
};

describe.each(Object.keys(stores))('with keyContext, on %s,', (kind) => {
  it('tenants never share the result of a method', async () => {
    const users = (await start({ store: stores[kind]!() })).get(Users);
    const all = await Promise.all(
      ['a', 'b', 'a', 1, '1', ['a', 'b'], 'a,b', null].map(async (tenant) =>
        inTenant(tenant, () => users.find(1)),
      ),
    );
    expect(new Set(all)).toEqual(new Set([...'abcdefg'].map(() => expect.any(String))));
    expect(runs).toBe(7);
    expect(await inTenant('b', () => users.find(1))).toBe(all[1]);
    expect(runs).toBe(7);
  });

  it('tenants never share values of getOrSet, getOrSetMany and set', async () => {
    const { cache } = await start({ store: stores[kind]!() });
    const load = async (): Promise<string> => `${tenantOf()} ${++runs}`;
    const menu = (tenant: string): Promise<string> => inTenant(tenant, () => cache.getOrSet('menu', load));
    expect([await menu('a'), await menu('b'), await menu('a')]).toEqual(['a 1', 'b 2', 'a 1']);
    const many = (tenant: string): Promise<string[]> =>
      inTenant(tenant, () =>
        cache.getOrSetMany(['x', 'y'], async (keys) => keys.map((key) => `${tenantOf()} ${key}`)),
      );
    expect([await many('a'), await many('b'), await many('a')]).toEqual([
      ['a x', 'a y'],
      ['b x', 'b y'],
      ['a x', 'a y'],
    ]);
    await inTenant('a', () => cache.set('menu', 'set by a'));
    expect([await menu('a'), await menu('b')]).toEqual(['set by a', 'b 2']);
    expect(await inTenant('c', () => cache.get('menu'))).toBe(CACHE_MISSING);
    await cache.delete('menu');
    expect([await menu('a'), await menu('b')]).toEqual(['a 3', 'b 4']);
  });

  it('each member is a partition of every cached method', async () => {
    const application = await start({ store: stores[kind]!() });
    const users = application.get(Users);
    const find = (tenant: string, id: number): Promise<string> => inTenant(tenant, () => users.find(id));
    await Promise.all([find('a', 1), find('a', 2), find('b', 1)]);
    await application.cache.for(Users, 'find').deletePartition({ tenant: 'A ' });
    await Promise.all([find('a', 1), find('a', 2), find('b', 1)]);
    expect(runs).toBe(5);
    await application.cache.for(Users, 'find').deleteByPrefix({ id: '1' });
    await Promise.all([find('a', 1), find('a', 2), find('b', 1)]);
    expect(runs).toBe(7);
  });

  it('deleteCache drops the entries of all contexts, even if the context cannot be read', async () => {
    const store = stores[kind]!();
    const application = await start({
      store,
      keyContext: () => ({ tenant: storage.getStore()!.tenant }),
    });
    const users = application.get(Users);
    const find = (tenant: string): Promise<string> => inTenant(tenant, () => users.find(1));
    await Promise.all([find('a'), find('b')]);
    await application.cache.for(Users, 'find').deleteCache(1);
    await Promise.all([find('a'), find('b')]);
    expect(runs).toBe(4);
  });
});

describe('keyContext', () => {
  it('drops by a combination of its members and fields of the key that meta.partitions declares', async () => {
    const application = await start({});
    const declared = application.get(Declared);
    const find = (tenant: string, id: number): Promise<string> => inTenant(tenant, () => declared.find(id));
    const all = (): Promise<unknown> => Promise.all([find('a', 1), find('a', 2), find('b', 1)]);
    await all();
    await application.cache.for(Declared, 'find').deletePartition({ tenant: 'a', id: 1 });
    await all();
    expect(runs).toBe(4);
    await expect(
      application.cache.for(Users, 'find').deletePartition({ tenant: 'a', id: 1 }),
    ).rejects.toThrow(`static readonly meta = { partitions: [['id', 'tenant']] }`);
  });

  it('refuses to drop by a name that is in neither the key nor the context', async () => {
    const application = await start({});
    await expect(application.cache.for(Users, 'find').deletePartition({ tennant: 'a' })).rejects.toThrow(
      `names "tennant", which is not a partition field`,
    );
  });

  it('lets rules map its members, and refuses a misspelt one at boot', async () => {
    class User {}
    const rule = (field: string) => {
      @Injectable()
      class Ruled {
        @CacheResult({
          keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
          invalidatesOn: [invalidates(User, { fieldMapping: { id: 'id', [field]: 'tenantId' } as never })],
        })
        async find(id: number): Promise<string> {
          return `${tenantOf()}/${id} ${++runs}`;
        }
      }
      return Ruled;
    };
    const Ruled = rule('tenant');
    const application = await start({}, [Ruled] as never);
    const ruled = application.get(Ruled);
    await inTenant('a', () => ruled.find(1));
    await inTenant('b', () => ruled.find(1));
    await application.cache.for(Ruled, 'find').deletePartition({ tenant: 'a', id: 1 });
    await inTenant('a', () => ruled.find(1));
    await inTenant('b', () => ruled.find(1));
    expect(runs).toBe(3);
    // Without the tenant no change would reach the entry.
    await ruled.find(1);
    await ruled.find(1);
    expect(runs).toBe(5);
    expect(application.log.warnings.filter((line) => line.includes(`gave no 'tenant'`))).toHaveLength(1);
    await expect(start({}, [rule('tennant')] as never)).rejects.toThrow(`maps 'tennant'`);
  });

  it.each<[string, () => never, string]>([
    [
      'throws',
      () => {
        throw new Error('no request');
      },
      'threw "no request"',
    ],
    ['answers with a promise', () => Promise.reject(new Error('later')) as never, 'returned a promise'],
    ['answers nothing', () => undefined as never, 'returned undefined'],
    ['holds what has no encoding', () => ({ tenant: () => 1 }) as never, 'a member without an encoding'],
  ])('bypasses the cache if it %s, and the log says what to write', async (_, failing, message) => {
    const application = await start({ keyContext: failing });
    const users = application.get(Users);
    expect([await users.find(1), await users.find(1)]).toEqual(['undefined/1 1', 'undefined/1 2']);
    const { cache } = application;
    const load = async (): Promise<number> => ++runs;
    expect([await cache.getOrSet('k', load), await cache.getOrSet('k', load)]).toEqual([3, 4]);
    expect(await cache.getOrSetMany(['k', 'l'], async (keys) => keys)).toEqual(['k', 'l']);
    expect((await cache.set('k', 1)).cachedAt).toBeNull();
    expect(await cache.get('k')).toBe(CACHE_MISSING);
    const said = application.log.warnings.filter((line) => line.includes(message));
    expect(said).toHaveLength(2);
    expect(said[0]).toContain('keyContext: () => ({ tenant:');
  });

  it('is read once per call', async () => {
    let reads = 0;
    const application = await start({ keyContext: () => ({ tenant: `t${++reads}` }) });
    const before = reads;
    await application.get(Users).find(1);
    expect(reads - before).toBe(1);
  });

  it('is hashed in keys if it is long', async () => {
    const application = await start({});
    const key = inTenant('x'.repeat(500), () => application.cache.for(Users, 'find').getCacheKey(1));
    expect(key.length).toBeLessThan(300);
    expect(inTenant('y'.repeat(500), () => application.cache.for(Users, 'find').getCacheKey(1))).not.toBe(
      key,
    );
  });

  it('an outer load whose inner call bypassed the cache is not stored', async () => {
    @Injectable()
    class Outer {
      constructor(private readonly users: Users) {}
      @CacheResult()
      async outer(): Promise<string> {
        return storage.exit(() => this.users.find(1));
      }
    }
    Reflect.defineMetadata('design:paramtypes', [Users], Outer);
    const application = await start({ keyContext: () => ({ tenant: storage.getStore()!.tenant }) }, [
      Users,
      Outer,
    ] as never);
    const outer = application.get(Outer);
    expect([await inTenant('a', () => outer.outer()), await inTenant('a', () => outer.outer())]).toEqual([
      'undefined/1 1',
      'undefined/1 2',
    ]);
  });
});
