import 'reflect-metadata';
import { CacheModule } from '@nestjs/cache-manager';
import { Controller, Get, Injectable, Module, Param, Query } from '@nestjs/common';
import { Keyv } from 'keyv';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  attachInvalidation,
  CacheControl,
  cacheManagerStore,
  CacheResponse,
  CacheResult,
  invalidates,
  memoryStore,
  RequestValueKeyField,
  RouteParamsKeyField,
  tieredStore,
  type CacheStore,
} from '../../lib/index.js';
import { start, type ApplicationOptions, type TestApplication } from '../http/support/application.js';

@Entity()
class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
}

@Injectable()
class Reports {
  runs = 0;
  @CacheResult({ lock: 'distributed' }) async locked(): Promise<number> {
    return ++this.runs;
  }
}

@Controller()
class Pages {
  @Get('hour') @CacheResponse('5m') @CacheControl({ maxAge: '1h' }) hour(): string {
    return 'hour';
  }
  @Get('shared') @CacheResponse('5m') @CacheControl({ maxAge: '1m', sMaxage: '6m' }) shared(): string {
    return 'shared';
  }
  @Get('minute') @CacheResponse('5m') @CacheControl({ maxAge: '1m' }) minute(): string {
    return 'minute';
  }
}

@Controller('keyed')
class Keyed {
  @Get('blind/:id')
  @CacheResponse({ keyConstructor: { user: new RequestValueKeyField('user.id') } })
  blind(@Param('id') id: string, @Query('page') page: string): string {
    return id + page;
  }
  @Get('whole/:id') @CacheResponse('1m') whole(@Param('id') id: string, @Query('page') page: string): string {
    return id + page;
  }
  @Get('named/:id')
  @CacheResponse({
    keyConstructor: { id: new RouteParamsKeyField('id'), page: new RequestValueKeyField('query.page') },
  })
  named(@Param('id') id: string, @Query('page') page: string): string {
    return id + page;
  }
  @Get('computed/:id')
  @CacheResponse({ keyConstructor: () => 1 })
  computed(@Param('id') id: string): string {
    return id;
  }
  @Get('left-out') @CacheResponse({ query: [] }) leftOut(@Query('page') page: string): string {
    return page;
  }
}

@Controller()
class Articles {
  @Get('articles')
  @CacheResponse({ invalidatesOn: [invalidates(Article, { scope: 'all' })] })
  list(): string {
    return 'articles';
  }
}

let app: TestApplication | undefined;
const boot = async (options: ApplicationOptions): Promise<TestApplication> =>
  (app = await start('express', options));
afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe('the boot', () => {
  it('says in one line what is cached, and what drops it', async () => {
    const dataSource = new DataSource({ type: 'sqljs', entities: [Article], synchronize: true });
    await dataSource.initialize();
    const { lines } = await boot({
      controllers: [Articles],
      cache: { dataSources: [dataSource], application: 'shop', version: '1' },
    });
    expect(lines).toContain(
      '1 cached method (Articles.list); 1 invalidation rule (Article → Articles.list); 1 data source; store memory; ' +
        'application shop, version 1',
    );
    await app?.close();
    app = undefined;
    await dataSource.destroy();
  });

  it('warns of a max-age that is longer than the ttl', async () => {
    const { complaints, cache } = await boot({ controllers: [Pages] });
    expect(complaints).toEqual([
      expect.stringMatching(/^Pages\.hour tells clients max-age=3600, which is longer .* \(300 s\)/),
      expect.stringMatching(/^Pages\.shared tells clients s-maxage=360, /),
    ]);
    expect(complaints.map((line, i) => line.startsWith(cache.status().advice[i]!))).toEqual([true, true]);
  });

  it('warns of handlers whose key does not hold what they ask for', async () => {
    const { complaints, cache } = await boot({ controllers: [Keyed] });
    expect(cache.status().advice).toEqual([
      `Keyed.blind reads @Query('page') and @Param('id'), which its key does not contain: requests that differ only in that share a ` +
        `response. Add new QueryParamsKeyField('page') and new RouteParamsKeyField('id') to its keyConstructor, or extend ` +
        `ResponseCacheKeyConstructor, which contains them all.`,
    ]);
    expect(complaints.map((line, i) => line.startsWith(cache.status().advice[i]!))).toEqual([true]);
  });

  it.each<[string, () => CacheStore, boolean]>([
    ['a cache-manager store', () => cacheManagerStore(new Keyv()), true],
    [
      'tiers over it',
      () => tieredStore({ l1: memoryStore(), l2: cacheManagerStore(new Keyv()), consistency: 'validate' }),
      true,
    ],
    ['a store in memory, which is one process’s own', () => memoryStore(), false],
  ])('tells of a distributed lock over %s', async (_what, store, warns) => {
    const { complaints } = await boot({ providers: [Reports], cache: { store: store() } });
    expect(complaints.some((line) => /^Reports\.locked has lock: 'distributed', but/.test(line))).toBe(warns);
  });
});

describe('cacheManagerStore() without a backend', () => {
  it('uses the CacheModule of the application, and warns that it is in memory', async () => {
    const { app: nest, complaints } = await boot({
      imports: [CacheModule.register({ isGlobal: true })],
      providers: [Reports],
      cache: { store: cacheManagerStore() },
    });
    const reports = nest.get(Reports);
    expect([await reports.locked(), await reports.locked()]).toEqual([1, 1]);
    expect(complaints.filter((line) => /keeps values in the memory of this process/.test(line))).toHaveLength(
      1,
    );
  });

  it('is an error that says what to import if there is no CacheModule', async () => {
    await expect(boot({ cache: { store: cacheManagerStore() } })).rejects.toThrow(
      /found no CacheModule\. Import CacheModule\.register/,
    );
  });
});

describe('attachInvalidation', () => {
  it('leaves the DataSource as it was where a rule cannot work', async () => {
    const dataSource = await new DataSource({ type: 'sqljs' }).initialize();
    expect(() => attachInvalidation(dataSource, { store: memoryStore(), classes: [Articles] })).toThrow(
      /Article, which the DataSource given to attachInvalidation\(\) does not know/,
    );
    expect(dataSource.subscribers).toEqual([]);
    await dataSource.destroy();
  });

  it('closes what its store opened, once no application uses it', async () => {
    const dataSource = new DataSource({ type: 'sqljs' });
    let closed = 0;
    const store: CacheStore = Object.assign(memoryStore(), { close: () => void closed++ });
    const script = (): Promise<void> => attachInvalidation(dataSource, { store }).detach();
    @Module({})
    class Empty {}
    await boot({ imports: [Empty], cache: { store } });
    await script();
    expect(closed).toBe(0);
    await app?.close();
    app = undefined;
    expect(closed).toBe(1);
    await script();
    expect(closed).toBe(2);
  });
});
