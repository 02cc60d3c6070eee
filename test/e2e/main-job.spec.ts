import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Headers, Injectable, Module, Param, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryGeneratedColumn, Repository } from 'typeorm';
import {
  ArgsKeyField,
  CacheResponse,
  CacheResult,
  CacheService,
  invalidates,
  KeyConstructor,
  RestflowCacheModule,
} from '../../lib/index.js';
import { serverUrl } from '../servers/url.js';

const OTHERS = 200;
const CHANGES = 10;
const READS = 1000;
const READERS = 16;

@Entity('main_job_article')
class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column() title!: string;
}

/** Which reads ran the handler or method: those that overlapped a save, or those begun after it. */
class Runs {
  overlapping = 0;
  after = 0;
  others = 0;

  count(id: number, phase: unknown): void {
    if (id !== 1) this.others++;
    else if (phase === 'after') this.after++;
    else this.overlapping++;
  }
}
const handler = new Runs();
const method = new Runs();
const phase = new AsyncLocalStorage<string>();

/** Between reading the row and answering, so that a change can overtake the load. */
const think = () => new Promise((resolve) => setTimeout(resolve, 2));

class TitleKey extends KeyConstructor {
  article = new ArgsKeyField('id', { partition: true });
}

@Injectable()
class ArticlesService {
  constructor(@InjectRepository(Article) private readonly articles: Repository<Article>) {}

  async load(id: number): Promise<Article> {
    const article = await this.articles.findOneByOrFail({ id });
    await think();
    return article;
  }

  @CacheResult({
    keyConstructor: TitleKey,
    invalidatesOn: [invalidates(Article, { fieldMapping: { article: 'id' } })],
  })
  async title(id: number): Promise<string> {
    method.count(id, phase.getStore());
    return (await this.load(id)).title;
  }
}

@Controller('articles')
class ArticlesController {
  constructor(private readonly articles: ArticlesService) {}

  @Get(':id')
  @CacheResponse({
    setCacheHeaders: true,
    invalidatesOn: [invalidates(Article, { fieldMapping: { id: 'id' } })],
  })
  async find(@Param('id') id: string, @Headers('x-phase') sent: string): Promise<Article> {
    handler.count(Number(id), sent);
    return this.articles.load(Number(id));
  }
}

function appOn(database: string): new () => object {
  const base = { entities: [Article], synchronize: true, dropSchema: true };
  @Module({
    imports: [
      TypeOrmModule.forRoot(
        database === 'sql.js'
          ? { ...base, type: 'sqljs' }
          : { ...base, type: 'postgres', url: serverUrl('postgres'), schema: 'main_job', poolSize: 20 },
      ),
      TypeOrmModule.forFeature([Article]),
      RestflowCacheModule.forRoot({ keyContext: () => ({}), ignoreHeaders: ['x-phase'] }),
    ],
    providers: [ArticlesService],
    controllers: [ArticlesController],
  })
  class AppModule {}
  return AppModule;
}

/** The ways to read the title of an article. Each answers it with how the cache took part. */
type Read = (id: number, when: string) => Promise<{ title: string; hit: boolean }>;

describe.each([
  ['express', 'sql.js'],
  ['fastify', 'sql.js'],
  ['express', 'PostgreSQL'],
  ['fastify', 'PostgreSQL'],
])('the main job on %s and %s', (platform, database) => {
  let app: INestApplication;
  afterEach(() => app?.close());

  async function start(): Promise<{
    save: (title: string) => Promise<unknown>;
    byRoute: Read;
    byNumber: Read;
  }> {
    if (database === 'PostgreSQL') await createSchema();
    const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
    app = await NestFactory.create(appOn(database), adapter, {
      abortOnError: false,
      logger: ['warn', 'error'],
    });
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    const articles = app.get(DataSource).getRepository(Article);
    await articles.insert(Array.from({ length: OTHERS + 1 }, () => ({ title: 'version 0' })));
    const cachedTitle = app.get(CacheService).for(ArticlesService, 'title');

    return {
      save: async (title) => articles.save({ id: 1, title }),
      byRoute: async (id, when) => {
        const response = await fetch(`${url}/articles/${id}`, { headers: { 'x-phase': when } });
        const { title } = (await response.json()) as Article;
        return { title, hit: response.headers.get('x-cache-status') === 'HIT' };
      },
      byNumber: async (id, when) => {
        const [title, { cacheStatus }] = await phase.run(when, () => cachedTitle.getWithMetadata(id));
        return { title, hit: cacheStatus === 'HIT' };
      },
    };
  }

  it.each([
    ['a route string', 'byRoute', handler],
    ['a number', 'byNumber', method],
  ] as const)(
    'reads begun after a save are fresh and share one load, with the id as %s',
    async (_, way, runs) => {
      const started = await start();
      const { save } = started;
      const read: Read = started[way];
      const others = Array.from({ length: OTHERS }, (_, index) => index + 2);
      const stillHits = async () => {
        const all = await Promise.all(others.map((id) => read(id, 'others')));
        expect(all).toEqual(others.map(() => ({ title: 'version 0', hit: true })));
      };
      await Promise.all([1, ...others].map((id) => read(id, 'warm')));
      await stillHits();
      Object.assign(runs, new Runs());

      let reads = 0;
      for (let change = 1; change <= CHANGES; change++) {
        const old = `version ${change - 1}`;
        const fresh = `version ${change}`;
        let saved = false;
        let overlapping = 0;
        Object.assign(runs, new Runs());

        const readers = Array.from({ length: READERS }, async () => {
          do {
            overlapping++;
            expect([old, fresh]).toContain((await read(1, 'overlapping')).title);
            // Hits by number take no turn of the event loop, which the save needs.
            await new Promise(setImmediate);
          } while (!saved);
        });
        await save(fresh);
        saved = true;

        reads += overlapping;
        const left = Math.max(READERS, (READS * change) / CHANGES - reads);
        const begun = Array.from({ length: READERS }, () => read(1, 'after'));
        for (const { title } of await Promise.all(begun)) expect(title).toBe(fresh);
        for (let n = READERS; n < left; n++) expect((await read(1, 'after')).title).toBe(fresh);
        reads += left;

        await Promise.all(readers);
        expect(runs.after).toBeLessThanOrEqual(1);
        expect(runs.overlapping).toBeLessThanOrEqual(overlapping);
        expect(runs.others).toBe(0);
        await stillHits();
      }
      expect(reads).toBeGreaterThanOrEqual(READS);
    },
  );
});

async function createSchema(): Promise<void> {
  const admin = await new DataSource({ type: 'postgres', url: serverUrl('postgres') }).initialize();
  await admin.query('CREATE SCHEMA IF NOT EXISTS "main_job"');
  await admin.destroy();
}
