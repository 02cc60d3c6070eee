import 'reflect-metadata';
import {
  Controller,
  Get,
  Injectable,
  Module,
  Param,
  Post,
  Query,
  VersioningType,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  CacheResult,
  CacheService,
  invalidates,
  RestflowCacheModule,
  RouteParamsKeyField,
} from '../../lib/index.js';
import { platforms, running, start, type TestApplication } from './support/application.js';

class Entity {
  slug!: string;
}

let handled = 0;

@Controller('articles')
class Articles {
  @Get(':slug')
  @CacheResponse({ ttl: 60, invalidatesOn: [invalidates(Entity, { fieldMapping: { slug: 'slug' } })] })
  find(@Param('slug') slug: string, @Query('page') page?: string): string {
    return `${slug} ${page} ${++handled}`;
  }
}

/** What stands for Nest's MessagePattern: metadata, and no route. */
const MessagePattern: MethodDecorator = (_target, _name, descriptor) =>
  Reflect.defineMetadata('microservices:pattern', ['x'], descriptor.value as object);

@Injectable()
class Resolver {
  @CacheResponse(60) find(): string {
    return 'x';
  }
}

@Controller()
class Messages {
  @MessagePattern @CacheResponse(60) onMessage(): string {
    return 'x';
  }
}

@Injectable()
class Service {
  @CacheResult(60) async find(id: number): Promise<string> {
    return `${id} ${++handled}`;
  }
}

@Controller()
class Unknown {
  @Get('a/:slug')
  @CacheResponse({ keyConstructor: { id: new RouteParamsKeyField('id') } })
  find(@Param('slug') slug: string): string {
    return slug;
  }
}

@Controller()
class UnmappedRule {
  @Get('a/:slug')
  @CacheResponse({ invalidatesOn: [invalidates(Entity, { fieldMapping: { id: 'slug' } })] })
  find(@Param('slug') slug: string): string {
    return slug;
  }
}

@Controller()
class Writes {
  @Post('a') @CacheResponse(60) write(): string {
    return '';
  }
}

const moduleOf = (parts: { providers?: Type[]; controllers?: Type[] }): Type => {
  @Module({ imports: [RestflowCacheModule.forRoot({ setCacheHeaders: true, dataSources: false })], ...parts })
  class AppModule {}
  return AppModule;
};

describe('a configuration that cannot work is an error at boot that names class and method', () => {
  it.each<[string, { providers?: Type[]; controllers?: Type[] }, RegExp]>([
    ['a provider', { providers: [Resolver] }, /@CacheResponse\(\) on Resolver\.find.*@CacheResult\(\)/s],
    [
      'a message handler',
      { controllers: [Messages] },
      /@CacheResponse\(\) on Messages\.onMessage.*@CacheResult\(\)/s,
    ],
    [
      'a route that writes',
      { controllers: [Writes] },
      /Writes\.write caches GET, which its route does not answer/s,
    ],
    ['a route parameter that is not there', { controllers: [Unknown] }, /Unknown\.find.*"id".*"slug"/s],
    [
      'a rule that maps no parameter',
      { controllers: [UnmappedRule] },
      /UnmappedRule\.find on Entity maps 'id'.*slug/s,
    ],
  ])('%s', async (_, parts, message) => {
    const boot = NestFactory.create(moduleOf(parts), new ExpressAdapter(), {
      logger: false,
      abortOnError: false,
    }).then((app) => app.init());
    await expect(boot).rejects.toThrow(message);
  });

  it.each<[string, object, RegExp]>([
    [
      'both conditions',
      { cacheIf: () => true, cacheUnless: () => true },
      /Routes\.find.*cacheIf and cacheUnless exclude each other/,
    ],
    ['a status that is never stored', { statuses: [304] }, /statuses of Routes\.find holds 304/],
    ['a status that is none', { statuses: ['200'] }, /statuses of Routes\.find/],
    ['conditions that nobody judges', { conditional: 'never' }, /Routes\.find: conditional is 'never'/],
    ['Vary: *', { vary: ['*'] }, /vary of Routes\.find holds "\*"/],
    ['a header name that is none', { vary: ['a b'] }, /vary of Routes\.find/],
    ['no bytes', { maxBodyBytes: 0 }, /Routes\.find: maxBodyBytes is 0/],
    ['an unknown option', { tll: 5 }, /Routes\.find.*unknown option tll/],
    ['a lifetime without a unit', { ttl: '60' }, /Routes\.find/],
  ])('an option of the decorator: %s', (_, options, message) => {
    class Routes {
      find(): void {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Routes.prototype, 'find')!;
    expect(() => CacheResponse(options)(Routes.prototype, 'find', descriptor)).toThrow(message);
  });
});

describe('an application without HTTP', () => {
  it('an application context caches results, and knows the handlers that others serve', async () => {
    handled = 0;
    const context = await NestFactory.createApplicationContext(
      moduleOf({ providers: [Service], controllers: [Articles] }),
      {
        logger: false,
        abortOnError: false,
      },
    );
    const service = context.get(Service);
    expect([await service.find(1), await service.find(1)]).toEqual(['1 1', '1 1']);
    const articles = context.get(CacheService).for(Articles, 'find');
    await articles.deleteCache({ params: { slug: 'a' } });
    await articles.deleteByPrefix({ slug: 'a' });
    await articles.invalidateAll();
    await context.close();
  });
});

describe.each(platforms)('a testing module on %s', (platform) => {
  const adapter = () => (platform === 'express' ? new ExpressAdapter() : new FastifyAdapter());
  let app: Omit<TestApplication, 'clock' | 'complaints' | 'lines'> | undefined;
  afterEach(() => app?.close());

  it.each(['init, then listen', 'listen'])('caches in any order of setup: %s', async (order) => {
    handled = 0;
    const module = await Test.createTestingModule({
      imports: [moduleOf({ controllers: [Articles] })],
    }).compile();
    const nest = module.createNestApplication(adapter(), { logger: false });
    nest.setGlobalPrefix('api');
    if (order.startsWith('init')) await nest.init();
    await nest.listen(0, '127.0.0.1');
    app = running(nest);
    const answers = [await app.get('/api/articles/a'), await app.get('/api/articles/a')];
    expect(answers.map(({ cache, body }) => [cache, body])).toEqual([
      ['MISS', 'a undefined 1'],
      ['HIT', 'a undefined 1'],
    ]);
  });

  it('two applications in one process have separate caches', async () => {
    handled = 0;
    const [one, two] = await Promise.all([0, 1].map(() => start(platform, { controllers: [Articles] })));
    expect([(await one!.get('/articles/a')).body, (await two!.get('/articles/a')).body]).toEqual([
      'a undefined 1',
      'a undefined 2',
    ]);
    await one!.cache.clear();
    expect((await two!.get('/articles/a')).cache).toBe('HIT');
    await one!.close();
    app = two;
  });
});

describe.each(platforms)('a handler by hand on %s', (platform) => {
  let app: TestApplication;
  afterEach(() => app.close());
  const boot = async (setup?: Parameters<typeof start>[1]['setup']): Promise<void> => {
    handled = 0;
    app = await start(platform, { controllers: [Articles], ...(setup && { setup }) });
  };
  const cached = () => app.cache.for(Articles, 'find');

  it('has a key and metadata by a description of the request', async () => {
    await boot();
    const request = {
      params: { slug: 'a' },
      query: { page: '2' },
      headers: { Host: `127.0.0.1:${app.port}` },
    };
    expect(await cached().getCachedMetadata(request)).toBeNull();
    await app.get('/articles/a?page=2');
    expect(await cached().getCachedMetadata(request)).toMatchObject({
      cacheStatus: 'HIT',
      cachedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(cached().getCacheKey(request)).not.toBe(
      cached().getCacheKey({ ...request, query: { page: '3' } }),
    );
  });

  it('is dropped by a description, on every host, and nothing else is', async () => {
    await boot();
    for (const host of ['a.example', 'b.example']) await app.get('/articles/a', { host });
    await app.get('/articles/a?page=2');
    await app.get('/articles/b');
    await cached().deleteCache({ params: { slug: 'a' } });
    for (const host of ['a.example', 'b.example'])
      expect((await app.get('/articles/a', { host })).cache).toBe('MISS');
    expect((await app.get('/articles/a?page=2')).cache).toBe('HIT');
    expect((await app.get('/articles/b')).cache).toBe('HIT');
  });

  it('is dropped by a description where paths have versions and a prefix', async () => {
    await boot((app) => {
      app.setGlobalPrefix('api');
      app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
    });
    await app.get('/api/v1/articles/a');
    expect((await app.get('/api/v1/articles/a')).cache).toBe('HIT');
    await cached().deleteCache({ params: { slug: 'a' } });
    expect((await app.get('/api/v1/articles/a')).cache).toBe('MISS');
  });

  it('is dropped by partition and as a whole', async () => {
    await boot();
    for (const path of ['/articles/a', '/articles/a?page=2', '/articles/b']) await app.get(path);
    await cached().deleteByPrefix({ slug: 'A ' });
    expect((await app.get('/articles/a?page=2')).cache).toBe('MISS');
    expect((await app.get('/articles/b')).cache).toBe('HIT');
    await cached().invalidateAll();
    expect((await app.get('/articles/b')).cache).toBe('MISS');
  });

  it('cannot be run without a request', async () => {
    await boot();
    await expect(cached().get('a' as never)).rejects.toThrow(/Articles\.find is a controller handler/);
    await expect(cached().refresh('a' as never)).rejects.toThrow(/runs only for a request/);
  });
});
