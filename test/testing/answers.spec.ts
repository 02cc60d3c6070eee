import { Controller, Get, Injectable, Logger, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import {
  ArgsKeyField,
  CacheResponse,
  CacheResult,
  CacheService,
  invalidates,
  RestflowCacheModule,
} from '../../lib/index.js';
import { expectFresh, expectHit, restflowCacheForTests } from '../../lib/testing.js';
import { until } from '../support/until.js';

class Article {
  id!: number;
}

@Injectable()
class Articles {
  runs = 0;
  @CacheResult({
    ttl: 60,
    keyConstructor: { id: new ArgsKeyField(0, { partition: true }) },
    invalidatesOn: [invalidates(Article, { fieldMapping: { id: 'id' } })],
  })
  async find(id: number): Promise<string> {
    return `article ${id} ${++this.runs}`;
  }
}

@Controller('articles')
class ArticlesController {
  constructor(private readonly articles: Articles) {}
  @Get(':id') @CacheResponse(60) find(@Param('id') id: string): Promise<string> {
    return this.articles.find(Number(id));
  }
}

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const one of open.splice(0)) await one.close();
});

async function moduleWith(cache: ReturnType<typeof restflowCacheForTests>) {
  const module = await Test.createTestingModule({
    imports: [cache],
    controllers: [ArticlesController],
    providers: [Articles],
  })
    .setLogger(false as never)
    .compile();
  open.push(module);
  return module;
}

describe('the cache of a test without its database', () => {
  it('tells hits from fresh answers, of fetch and of supertest', async () => {
    const app = (await moduleWith(restflowCacheForTests())).createNestApplication();
    await app.listen(0, '127.0.0.1');
    const url = `${await app.getUrl()}/articles/1`;
    const [first, second] = [await fetch(url), await fetch(url)];
    expectFresh(first);
    expectHit(second);
    expectHit({ headers: Object.fromEntries(second.headers) });
    expect(() => expectHit(first)).toThrow(/Expected HIT, and the cache says MISS \(Cache-Status: .*fwd=/);
    expect(() => expectFresh(second)).toThrow(/Expected an answer of the handler, and the cache says HIT/);
    expect(() => expectHit({ headers: {} })).toThrow(/setCacheHeaders: true/);
    await app.close();
  });

  it('boots without one where the cache is off, and is not switched on without what invalidates it', async () => {
    const module = await moduleWith(RestflowCacheModule.forRoot({ enabled: false, dataSources: [] }));
    await module.init();
    const articles = module.get(Articles);
    expect([await articles.find(1), await articles.find(1)]).toEqual(['article 1 1', 'article 1 2']);
    const cache = module.get(CacheService);
    expect(() => cache.enable()).toThrow(/Article.*no TypeORM DataSource/s);
    expect(cache.enabled).toBe(false);
  });
});

describe('an auto-mock in place of the cache', () => {
  const everything: object = new Proxy(() => everything, {
    get: (_, name) => (name === 'then' ? undefined : everything),
  });

  it.each<[string, unknown]>([
    ['a proxy that has every member', everything],
    ['an empty object', {}],
    ['undefined members', { invoke: undefined }],
  ])('lets cached methods run plainly: %s', async (_, mock) => {
    const module = await Test.createTestingModule({ providers: [Articles] })
      .useMocker(() => mock)
      .setLogger(false as never)
      .compile();
    open.push(module);
    const articles = module.get(Articles);
    expect([await articles.find(1), await articles.find(1)]).toEqual(['article 1 1', 'article 1 2']);
  });
});

describe('an application that caches handlers without the module', () => {
  @Module({ controllers: [ArticlesController], providers: [Articles] })
  class Bare {}
  @Module({ imports: [Bare, restflowCacheForTests()] })
  class Complete {}

  it.each([
    [
      Bare,
      [
        expect.stringMatching(
          /ArticlesController\.find is not cached.*import RestflowCacheModule\.forRoot\(\)/,
        ),
      ],
    ],
    [Complete, []],
  ])('is told so at boot: %p', async (module, told) => {
    const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    const app = await NestFactory.create(module, { logger: false });
    open.push(app);
    await app.init();
    await until(() => warn.mock.calls.length >= told.length);
    await new Promise(setImmediate);
    expect(
      warn.mock.calls.map(([line]) => line).filter((line) => /is not cached/.test(String(line))),
    ).toEqual(told);
  });
});
