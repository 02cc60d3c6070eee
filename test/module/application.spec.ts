import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { Redis } from 'ioredis';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import {
  cacheManagerStore,
  CacheResult,
  type CacheStore,
  memoryStore,
  type RestflowCacheOptions,
  tieredStore,
} from '../../lib/index.js';
import {
  adviseOnVersion,
  assertApplication,
  defaultApplication,
  deployedVersion,
  isShared,
} from '../../lib/module/application.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { uniqueName } from '../support/unique.js';

let runs = 0;
let running: { close(): Promise<unknown> }[] = [];
beforeEach(() => {
  runs = 0;
});
afterEach(async () => {
  for (const one of running.reverse()) await one.close();
  running = [];
});

async function start(
  provider: Type | readonly Type[],
  options: RestflowCacheOptions,
): Promise<TestApplication> {
  const application = await TestApplication.start([provider].flat() as Type[], {
    dataSources: false,
    ...options,
  });
  running.push(application);
  return application;
}

/** A class as a build made it: its source is evaluated, and its `find` is decorated. */
function built(source: string, name = 'UsersService', method = 'find'): Type {
  const type = new Function('load', `return ${source}`)(() => ++runs) as Type;
  Object.defineProperty(type, 'name', { value: name });
  const prototype = type.prototype as object;
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method)!;
  CacheResult(60)(prototype, method, descriptor as never);
  Object.defineProperty(prototype, method, descriptor);
  Injectable()(type);
  return type;
}

type Finding = Record<string, (id: number) => Promise<unknown>>;
const found = (application: TestApplication, type: Type, method = 'find'): Promise<unknown> =>
  application.get<Finding>(type as Type<Finding>)[method]!(1);

const USERS = 'class { async find(id) { return { id, run: load() }; } }';

const kinds = ['memory', 'redis'] as const;
function storeOf(kind: (typeof kinds)[number]): () => CacheStore {
  const memory = memoryStore();
  return () => (kind === 'memory' ? memory : redisStore({ url: serverUrl('redis'), timeout: 5_000 }));
}

describe.each(kinds)('on one %s store and one namespace,', (kind) => {
  let namespace: string;
  let store: () => CacheStore;
  beforeEach(() => {
    namespace = uniqueName('identity');
    store = storeOf(kind);
  });

  it('two services with a class of one name never read each other’s entries', async () => {
    const Shop = built(USERS);
    const Billing = built(USERS);
    const shop = await start(Shop, { store: store(), namespace, application: 'shop' });
    const billing = await start(Billing, { store: store(), namespace, application: 'billing' });
    expect(await found(shop, Shop)).toEqual({ id: 1, run: 1 });
    expect(await found(billing, Billing)).toEqual({ id: 1, run: 2 });
    expect(await found(shop, Shop)).toEqual({ id: 1, run: 1 });
    const { cache } = billing;
    expect(await shop.cache.getOrSet('rate', () => 'shop')).toBe('shop');
    expect(await cache.getOrSet('rate', () => 'billing')).toBe('billing');
  });

  it('two processes of one application share entries', async () => {
    const Api = built(USERS);
    const Worker = built(USERS);
    const api = await start(Api, { store: store(), namespace, application: 'shop' });
    const worker = await start(Worker, { store: store(), namespace, application: 'shop' });
    expect(await found(api, Api)).toEqual({ id: 1, run: 1 });
    expect(await found(worker, Worker)).toEqual({ id: 1, run: 1 });
    await api.cache.set('rate', 7);
    expect(await worker.cache.get('rate')).toBe(7);
  });

  it('two builds whose class differs never read each other’s entries', async () => {
    const Old = built(USERS);
    const New = built('class { async find(id) { return { id, name: "n", run: load() }; } }');
    const old = await start(Old, { store: store(), namespace, application: 'shop' });
    const later = await start(New, { store: store(), namespace, application: 'shop' });
    expect(await found(old, Old)).toEqual({ id: 1, run: 1 });
    expect(await found(later, New)).toEqual({ id: 1, name: 'n', run: 2 });
  });

  it('two classes that a minifier calls a never read each other’s entries', async () => {
    const Users = built('class { async b(id) { return `user ${load()}`; } }', 'a', 'b');
    const Orders = built('class { async b(id) { return `order ${load()}`; } }', 'a', 'b');
    const users = await start(Users, { store: store(), namespace, application: 'shop' });
    const orders = await start(Orders, { store: store(), namespace, application: 'shop' });
    expect(await found(users, Users, 'b')).toBe('user 1');
    expect(await found(orders, Orders, 'b')).toBe('order 2');
    await expect(start([Users, Orders], { store: store(), namespace })).rejects.toMatchObject({
      code: 'CACHE_NAME',
    });
  });

  it('source that a coverage tool rewrote costs a miss, and no more', async () => {
    const Plain = built(USERS);
    const Covered = built('class { async find(id) { globalThis.counted = 1; return { id, run: load() }; } }');
    const plain = await start(Plain, { store: store(), namespace, application: 'shop' });
    const covered = await start(Covered, { store: store(), namespace, application: 'shop' });
    expect([await found(plain, Plain), await found(covered, Covered), await found(covered, Covered)]).toEqual(
      [
        { id: 1, run: 1 },
        { id: 1, run: 2 },
        { id: 1, run: 2 },
      ],
    );
  });

  it('what a worker of another application and build drops, it drops in all of them', async () => {
    const [Shop, Billing, Worker] = [built(USERS), built(USERS), built(`${USERS.slice(0, -1)} other() {} }`)];
    const shop = await start(Shop, { store: store(), namespace, application: 'shop', version: '1' });
    const billing = await start(Billing, { store: store(), namespace, application: 'billing' });
    const worker = await start(Worker, { store: store(), namespace, application: 'worker', version: '2' });
    const both = async (): Promise<unknown> => [await found(shop, Shop), await found(billing, Billing)];
    await both();
    await worker.cache.for(Worker as Type<Finding>, 'find').deleteCache(1);
    expect(await both()).toEqual([
      { id: 1, run: 3 },
      { id: 1, run: 4 },
    ]);
    await worker.cache.for(Worker as Type<Finding>, 'find').invalidateAll();
    expect(await both()).toEqual([
      { id: 1, run: 5 },
      { id: 1, run: 6 },
    ]);
    expect(await both()).toEqual([
      { id: 1, run: 5 },
      { id: 1, run: 6 },
    ]);
  });

  it('a class that inherits its method has another fingerprint where the class above differs', async () => {
    const make = (body: string): Type => {
      const Base = built(
        `class Base { async find(id) { return this.read(id); } read(id) { ${body} } }`,
        'Base',
      );
      const Sub = new Function('Base', 'return class UsersService extends Base {}')(Base) as Type;
      Injectable()(Sub);
      return Sub;
    };
    const [Old, New] = [make('return { id, run: load() };'), make('return { key: id, run: load() };')];
    const old = await start(Old, { store: store(), namespace, application: 'shop' });
    const later = await start(New, { store: store(), namespace, application: 'shop' });
    expect([await found(old, Old), await found(later, New)]).toEqual([
      { id: 1, run: 1 },
      { key: 1, run: 2 },
    ]);
  });

  it('classes that were compiled to functions are distinguished by their methods', async () => {
    const compiled = (body: string): Type =>
      built(`(function () { function U() {} U.prototype.find = function (id) { return Promise.resolve(this.read(id)); };
        U.prototype.read = function (id) { ${body} }; return U; })()`);
    const [Old, New] = [
      compiled('return { id: id, run: load() };'),
      compiled('return { key: id, run: load() };'),
    ];
    const old = await start(Old, { store: store(), namespace, application: 'shop' });
    const later = await start(New, { store: store(), namespace, application: 'shop' });
    expect([await found(old, Old), await found(later, New)]).toEqual([
      { id: 1, run: 1 },
      { key: 1, run: 2 },
    ]);
  });
});

describe('an instance is never read by a build whose class has another shape:', () => {
  /** A build of the application: its service has one source in all of them. */
  async function build(User: Type, isEntity: boolean, namespace: string): Promise<() => Promise<unknown>> {
    const text = 'return class { async find(id) { return make({ id, run: load() }); } }';
    const make = (members: object): object => Object.assign(new User() as object, members);
    const Service = new Function('load', 'make', text)(() => ++runs, make) as Type;
    Object.defineProperty(Service, 'name', { value: 'UsersService' });
    const prototype = Service.prototype as object;
    const descriptor = Object.getOwnPropertyDescriptor(prototype, 'find')!;
    CacheResult(isEntity ? {} : { type: () => User as Type<object> })(prototype, 'find', descriptor as never);
    Object.defineProperty(prototype, 'find', descriptor);
    Injectable()(Service);
    const database = new DataSource({ type: 'sqljs', entities: isEntity ? [User] : [] });
    await database.initialize();
    running.push({ close: () => database.destroy() });
    const application = await start(Service, {
      store: redisStore({ url: serverUrl('redis'), timeout: 5_000 }),
      namespace,
      application: 'shop',
      dataSources: [database],
    });
    return () => found(application, Service);
  }

  function entity(hasName: boolean): Type {
    const User = new Function('return class User {}')() as Type;
    const prototype = User.prototype as object;
    Entity()(User);
    PrimaryGeneratedColumn()(prototype, 'id');
    Column({ type: 'int' })(prototype, 'run');
    if (hasName) Column({ type: 'text', nullable: true })(prototype, 'name');
    return User;
  }

  const declared = (members: string): Type => new Function(`return class User { ${members} }`)() as Type;

  it.each<[string, boolean, () => Type, () => Type]>([
    ['an entity', true, () => entity(false), () => entity(true)],
    ['a class that type declares', false, () => declared('id; run;'), () => declared('id; run; name;')],
  ])('%s', async (_, isEntity, before, after) => {
    const namespace = uniqueName('identity');
    const [old, same, later] = [
      await build(before(), isEntity, namespace),
      await build(before(), isEntity, namespace),
      await build(after(), isEntity, namespace),
    ];
    expect([await old(), await same()]).toMatchObject([{ run: 1 }, { run: 1 }]);
    expect(await later()).toMatchObject({ run: 2 });
  });
});

describe('the application', () => {
  const folder = mkdtempSync(join(tmpdir(), 'restflow-application-'));
  const file = (path: string, text = ''): string => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
    return join(folder, path);
  };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is the package of the entry file, and its path below it', () => {
    file('shop/package.json', '{ "name": "@acme/shop" }');
    file('shop/dist/package.json', '{ "type": "module" }');
    file('shop/node_modules/jest/package.json', '{ "name": "jest" }');
    expect(defaultApplication(file('shop/dist/apps/api/main.js'), {})).toBe('@acme/shop/dist/apps/api/main');
    expect(defaultApplication(file('shop/dist/worker.mjs'), {})).toBe('@acme/shop/dist/worker');
    expect(defaultApplication(file('shop/node_modules/jest/bin/jest.js'), {})).toBe(
      '@acme/shop/node_modules/jest/bin/jest',
    );
    file('broken/package.json', '{');
    expect(defaultApplication(file('broken/main.js'), {})).toBeUndefined();
  });

  it('has no default name on platforms with their own entry file', () => {
    const entry = file('shop/dist/main.js');
    expect(defaultApplication(entry, { AWS_LAMBDA_RUNTIME_API: 'localhost' })).toBeUndefined();
    expect(defaultApplication(entry, { FUNCTIONS_WORKER_RUNTIME: 'node' })).toBeUndefined();
  });

  it('is asked for at boot where a store is shared and nothing tells it', () => {
    expect(() => assertApplication([memoryStore()], '')).not.toThrow();
    const client = new Redis({ lazyConnect: true });
    const redis = redisStore({ client });
    expect(() => assertApplication([redis], 'shop')).not.toThrow();
    for (const store of [redis, tieredStore({ l1: memoryStore(), l2: redis, consistency: 'validate' })]) {
      expect(() => assertApplication([memoryStore(), store], '')).toThrow(
        `forRoot({ application: 'orders-api' }), with the same name in all processes that share entries`,
      );
    }
    client.disconnect();
  });

  it('is logged at boot, with the version', async () => {
    const application = await TestApplication.start([], {
      application: 'shop',
      version: 'abc',
      dataSources: false,
    });
    running.push(application);
    expect(application.log.lines.join('\n')).toContain('application shop, version abc');
  });
});

describe('the version', () => {
  it('is what the platform says of the deployment', () => {
    expect(deployedVersion({ K_REVISION: 'api-00002', CI_COMMIT_SHA: 'c0ffee' })).toBe('c0ffee');
    expect(deployedVersion({ GIT_SHA: '', HEROKU_SLUG_COMMIT: 'abc' })).toBe('abc');
    expect(deployedVersion({})).toBeUndefined();
  });

  it('that is missing is logged if a store is shared', () => {
    const client = new Redis({ lazyConnect: true });
    const store = redisStore({ client });
    expect(adviseOnVersion([store], undefined)).toContain('version: process.env.GIT_SHA');
    expect(adviseOnVersion([store], '1')).toBeUndefined();
    expect(adviseOnVersion([memoryStore()], undefined)).toBeUndefined();
    client.disconnect();
  });

  it('a cache-manager store in memory is not shared, one elsewhere is', async () => {
    const { createCache } = await import('cache-manager');
    const { Keyv } = await import('keyv');
    expect(isShared(cacheManagerStore(createCache()))).toBe(false);
    class Elsewhere {
      get(): undefined {}
      set(): void {}
      delete(): boolean {
        return true;
      }
      clear(): void {}
    }
    expect(isShared(cacheManagerStore(new Keyv({ store: new Elsewhere() as never })))).toBe(true);
  });
});
