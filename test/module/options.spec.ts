import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, Logger, Module, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import {
  CacheResponse,
  CacheResult,
  CacheService,
  type CacheResultOptions,
  memoryStore,
  RestflowCacheModule,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { LogBook } from '../support/application.js';

let closing: (() => Promise<void>) | undefined;
afterEach(async () => {
  await closing?.();
  closing = undefined;
});

async function boot(
  metadata: Parameters<typeof Test.createTestingModule>[0],
): Promise<{ cache: CacheService; log: LogBook }> {
  const log = new LogBook();
  const module = await Test.createTestingModule(metadata).setLogger(log).compile();
  closing = () => module.close();
  await module.init();
  return { cache: module.get(CacheService), log };
}

function cachedClass(options: CacheResultOptions): Type {
  @Injectable()
  class Users {
    @CacheResult(options)
    async find(_id: number): Promise<void> {}
  }
  return Users;
}

describe('forRoot refuses what cannot work, and says what to write', () => {
  it.each<[unknown, string, RegExp]>([
    [{ ttl: '60' }, 'CACHE_OPTION_TYPE', /ttl of RestflowCacheModule is '60'/],
    [{ ttl: -1 }, 'CACHE_OPTION_TYPE', /ttl of RestflowCacheModule/],
    [
      { tll: 1 },
      'CACHE_OPTION',
      /RestflowCacheModule: unknown option tll\. Did you mean ttl\? Known options: store/,
    ],
    [null, 'CACHE_OPTION', /RestflowCacheModule: the options are null/],
    ['redis', 'CACHE_OPTION', /the options are 'redis'/],
    [{ version: '' }, 'CACHE_OPTION', /version is ''.*GIT_SHA/],
    [{ version: 1n }, 'CACHE_OPTION', /version is 1n\. /],
    [{ enabled: async () => false }, 'CACHE_OPTION', /enabled is an async function\. Write .*synchronous/],
    [
      { isAuthenticated: async () => false },
      'CACHE_OPTION',
      /isAuthenticated is an async function.*synchronous/,
    ],
    [{ enabled: 'yes' }, 'CACHE_OPTION', /enabled is 'yes'.*true, false or a synchronous function/],
    [{ maxKeySuffixLength: 10 }, 'CACHE_OPTION', /maxKeySuffixLength is 10.*at least 64/],
    [{ maxKeySuffixLength: NaN }, 'CACHE_OPTION', /maxKeySuffixLength is NaN/],
    [{ dataSources: 'all' }, 'CACHE_OPTION', /dataSources is 'all'.*'auto'/],
    [{ isAuthenticated: true }, 'CACHE_OPTION', /isAuthenticated is true.*\(request\) => boolean/],
    [{ clock: Date }, 'CACHE_OPTION', /clock is (the class Date|a function).*now\(\)/],
    [{ keyHashAlgorithm: 256 }, 'CACHE_OPTION', /keyHashAlgorithm is 256.*sha256/],
    [
      { stores: [memoryStore()] },
      'CACHE_OPTION',
      /stores is \[an instance of MemoryStore\].*bulk: memoryStore\(\)/,
    ],
    [{ stores: { default: memoryStore() } }, 'CACHE_STORE', /stores contains the name 'default'/],
    [{ store: {} }, 'CACHE_STORE', /the store 'default' is not a CacheStore.*memoryStore\(\)/],
    [{ store: 'redis' }, 'CACHE_STORE', /the store 'default' is 'redis'/],
    [{ stores: { bulk: null } }, 'CACHE_STORE', /the store 'bulk' is null/],
    [{ store: null }, 'CACHE_STORE', /the store 'default' is null/],
    [{ store: memoryStore }, 'CACHE_STORE', /the store 'default' is a function.*memoryStore\(\)/],
    [
      { stores: { '': memoryStore() } },
      'CACHE_OPTION',
      /stores is an object\. Write an object of stores by name/,
    ],
    [{ dispatcherSettings: 'inline' }, 'CACHE_OPTION', /dispatcherSettings is 'inline'.*concurrency/],
    [{ dispatcherSettings: { background: 4 } }, 'CACHE_OPTION', /settings by name of a dispatcher/],
    [{ ttl: {} }, 'CACHE_OPTION_TYPE', /ttl of RestflowCacheModule is an object, which is not a duration/],
    [{ dispatchers: class {} }, 'CACHE_OPTION', /dispatchers is .*a list of dispatchers/],
  ])('%p', (options, code, message) => {
    expect(() => RestflowCacheModule.forRoot(options as RestflowCacheOptions)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it.each(['', ' ', 'a b', 'a:', ':a', 'a::b', 'e', 'shop:g', 'a{b}', 1 as never])(
    'the namespace %p',
    async (namespace) => {
      await expect(boot({ imports: [RestflowCacheModule.forRoot({ namespace })] })).rejects.toMatchObject({
        code: 'CACHE_NAMESPACE',
        message: expect.stringContaining('shop:prod'),
      });
    },
  );

  it.each(['a*', 'shop[1]?', 'ü', 'shop\\prod'])('but not the namespace %p', async (namespace) => {
    const { cache } = await boot({ imports: [RestflowCacheModule.forRoot({ namespace })] });
    expect(cache.status().namespace).toBe(namespace);
  });

  it('hints at numbers that look like milliseconds, in the log of the application alone', async () => {
    const warn = jest.spyOn(Logger.prototype, 'warn');
    RestflowCacheModule.forRoot({ ttl: 3_600_000 });
    expect(warn).not.toHaveBeenCalled();
    warn.mockRestore();
    const { log } = await boot({
      imports: [RestflowCacheModule.forRoot({ ttl: 3_600_000 })],
      providers: [cachedClass({ ttl: 5_000_000 })],
    });
    expect(log.warnings).toEqual([
      expect.stringMatching(/^ttl of RestflowCacheModule is 3600000 seconds \(42 days\)/),
      expect.stringMatching(/^ttl of Users\.find is 5000000 seconds \(58 days\)/),
    ]);
  });

  it('without forRoot()', async () => {
    await expect(boot({ imports: [RestflowCacheModule] })).rejects.toMatchObject({
      code: 'CACHE_MODULE',
      message: expect.stringContaining('imports: [RestflowCacheModule.forRoot()] in the root module'),
    });
  });

  it('but for a feature module that imports the class of a module that is there', async () => {
    @Module({ imports: [RestflowCacheModule], providers: [cachedClass({})] })
    class Feature {}
    const { cache } = await boot({ imports: [RestflowCacheModule.forRoot(), Feature] });
    expect(cache.status().methods).toMatchObject([{ name: 'Users.find' }]);
  });

  it('twice in one application', async () => {
    @Module({ imports: [RestflowCacheModule.forRoot()] })
    class Feature {}
    await expect(boot({ imports: [RestflowCacheModule.forRoot(), Feature] })).rejects.toMatchObject({
      code: 'CACHE_MODULE_TWICE',
      message: expect.stringMatching(/imported twice.*forRoot\(\) once, in the root module/),
    });
  });
});

describe('a class with options that cannot work is an error at boot', () => {
  const forRoot = () => RestflowCacheModule.forRoot({ stores: { bulk: memoryStore() } });

  it('two classes of one name', async () => {
    await expect(
      boot({ imports: [forRoot()], providers: [cachedClass({}), cachedClass({})] }),
    ).rejects.toMatchObject({
      code: 'CACHE_NAME',
      message: expect.stringMatching(/two classes called Users.*'Users\.find'.*@CacheResult\(\{ name: /),
    });
  });

  it('two methods that were given one name', async () => {
    @Injectable()
    class Posts {
      @CacheResult({ name: 'users' })
      async find(): Promise<void> {}
    }
    await expect(
      boot({ imports: [forRoot()], providers: [cachedClass({ name: 'users' }), Posts] }),
    ).rejects.toMatchObject({
      code: 'CACHE_NAME',
      message: expect.stringMatching(/Users\.find and Posts\.find.*'users'/),
    });
  });

  it('an unknown store', async () => {
    await expect(
      boot({ imports: [forRoot()], providers: [cachedClass({ store: 'bluk' })] }),
    ).rejects.toMatchObject({
      code: 'CACHE_STORE',
      message: expect.stringMatching(/Users\.find uses the store 'bluk'.*forRoot\(\{ stores: \{ bluk.*bulk/),
    });
  });

  it('isolation none on a store that copies', async () => {
    const copying = {
      ...memoryStore(),
      kind: 'copying',
      keepsReferences: false,
      get: () => null,
      bump: () => null,
    } as never;
    await expect(
      boot({
        imports: [RestflowCacheModule.forRoot({ store: copying })],
        providers: [cachedClass({ isolation: 'none' })],
      }),
    ).rejects.toMatchObject({
      code: 'CACHE_ISOLATION',
      message: expect.stringMatching(/Users\.find is 'none'.*'clone' or 'freeze'/),
    });
  });

  it('an unknown isolation', () => {
    expect(() => cachedClass({ isolation: 'deep' as never })).toThrow(
      expect.objectContaining({
        code: 'CACHE_ISOLATION',
        message: expect.stringMatching(/Users\.find: isolation is 'deep'.*'clone' \(the default\)/),
      }),
    );
  });

  it('a type that is not a class', async () => {
    await expect(
      boot({ imports: [forRoot()], providers: [cachedClass({ type: (() => 'User') as never })] }),
    ).rejects.toMatchObject({
      code: 'CACHE_TYPE',
      message: expect.stringMatching(/Users\.find returned User/),
    });
  });

  it('an unknown hash algorithm', async () => {
    await expect(
      boot({
        imports: [RestflowCacheModule.forRoot({ keyHashAlgorithm: 'sha257' })],
        providers: [cachedClass({})],
      }),
    ).rejects.toThrow(/sha257/);
  });

  it('@CacheResponse on a provider', async () => {
    @Injectable()
    class Resolver {
      @CacheResponse()
      find(): void {}
    }
    await expect(boot({ imports: [forRoot()], providers: [Resolver] })).rejects.toMatchObject({
      code: 'CACHE_NOT_HTTP',
      message: expect.stringMatching(/Resolver\.find.*@CacheResult\(\)/),
    });
  });

  it('a rule whose entity no DataSource knows', async () => {
    class Unknown {}
    const dataSource = await new DataSource({ type: 'sqljs', entities: [] }).initialize();
    await expect(
      boot({
        imports: [RestflowCacheModule.forRoot({ dataSources: [dataSource] })],
        providers: [cachedClass({ invalidatesOn: [Unknown] })],
      }),
    ).rejects.toMatchObject({
      code: 'INVALIDATION_ENTITY',
      message: expect.stringMatching(/Users\.find is on Unknown/),
    });
  });

  it('an unknown dispatcher', async () => {
    await expect(
      boot({ imports: [RestflowCacheModule.forRoot({ defaultDispatcher: 'bulmq' })] }),
    ).rejects.toThrow(/bulmq/);
  });
});

describe('forRootAsync', () => {
  const TTL = Symbol('ttl');
  @Module({ providers: [{ provide: TTL, useValue: 7 }], exports: [TTL] })
  class Configuration {}
  @Injectable()
  class Factory {
    async createRestflowCacheOptions(): Promise<RestflowCacheOptions> {
      return { ttl: 7 };
    }
  }
  @Module({ providers: [Factory], exports: [Factory] })
  class FactoryModule {}
  const ttlOf = ({ cache }: { cache: CacheService }) => cache.status().methods[0]!.ttl;

  it('useFactory gets its injected providers', async () => {
    const imports = [
      RestflowCacheModule.forRootAsync({
        imports: [Configuration],
        inject: [TTL],
        useFactory: async (ttl: number) => ({ ttl }),
      }),
    ];
    expect(ttlOf(await boot({ imports, providers: [cachedClass({})] }))).toBe(7);
  });

  it('useClass', async () => {
    const imports = [RestflowCacheModule.forRootAsync({ useClass: Factory })];
    expect(ttlOf(await boot({ imports, providers: [cachedClass({})] }))).toBe(7);
  });

  it('useExisting', async () => {
    const imports = [RestflowCacheModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory })];
    expect(ttlOf(await boot({ imports, providers: [cachedClass({})] }))).toBe(7);
  });

  it('refuses options without a factory, and factories that return nothing or dispatchers', async () => {
    expect(() => RestflowCacheModule.forRootAsync({})).toThrow(
      /one of useFactory, useClass, useExisting is missing/,
    );
    for (const [wrong, message] of [
      [undefined, /forRootAsync\(\): the options are undefined/],
      [{ useFactory: 5 }, /useFactory is 5\. Write a function that returns the options/],
      [{ useClass: {} }, /useClass is an object\. Write a class/],
      [{ useFactory: () => ({}), useClass: Factory }, /useFactory and useClass exclude each other/],
      [{ useFactory: () => ({}), inject: TTL }, /inject is Symbol.*Write a list/],
      [{ useFactory: () => ({}), isGlobal: true }, /unknown option isGlobal.*Known options: imports/],
    ] as const)
      expect(() => RestflowCacheModule.forRootAsync(wrong as never)).toThrow(message);
    await expect(
      boot({ imports: [RestflowCacheModule.forRootAsync({ useClass: Configuration as never })] }),
    ).rejects.toThrow(/Configuration has no method createRestflowCacheOptions/);
    const made = (options: unknown) =>
      boot({
        imports: [RestflowCacheModule.forRootAsync({ useFactory: () => options as RestflowCacheOptions })],
      });
    await expect(made(null)).rejects.toThrow(/the factory returned nothing/);
    await expect(made(undefined)).rejects.toThrow(/the factory returned nothing/);
    await expect(made({ dispatchers: [] })).rejects.toThrow(/forRootAsync\(\{ dispatchers/);
    await expect(made({ ttl: '60' })).rejects.toMatchObject({ code: 'CACHE_OPTION_TYPE' });
  });
});

it('the module is global', async () => {
  @Injectable()
  class Deep {
    constructor(readonly cache: CacheService) {}
  }
  @Module({ providers: [Deep] })
  class Feature {}
  const module = await Test.createTestingModule({
    imports: [RestflowCacheModule.forRoot(), Feature],
  }).compile();
  expect(module.get(Deep, { strict: false }).cache).toBe(module.get(CacheService));
  await module.close();
});
