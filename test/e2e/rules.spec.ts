import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Param, Query } from '@nestjs/common';
import { getDataSourceToken, InjectDataSource, TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  DataSource,
  Entity,
  JoinTable,
  ManyToMany,
  ManyToOne,
  PrimaryGeneratedColumn,
  type EntityManager,
  type Repository,
} from 'typeorm';
import { ArgsKeyField, CacheResponse, CacheResult, invalidates } from '../../lib/index.js';
import { platforms, start, type TestApplication } from '../http/support/application.js';
import { Deferred } from '../support/gate.js';

@Entity()
class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

@Entity()
class Tag {
  @PrimaryGeneratedColumn() id!: number;
  @Column() name!: string;
}

@Entity()
class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column() slug!: string;
  @Column({ default: 'draft' }) status!: string;
  @Column({ default: 0 }) views!: number;
  @ManyToOne(() => Author, { nullable: true }) author!: Author | null;
  @ManyToMany(() => Tag) @JoinTable() tags!: Tag[];
}

/** Lives in a second database. */
@Entity()
class Metric {
  @PrimaryGeneratedColumn() id!: number;
  @Column() value!: number;
}

@Injectable()
class Blog {
  constructor(private readonly dataSource: DataSource) {}

  get articles(): Repository<Article> {
    return this.dataSource.getRepository(Article);
  }

  @CacheResult({
    keyConstructor: { author: new ArgsKeyField('author', { partition: true }) },
    invalidatesOn: [invalidates(Article, { fieldMapping: { author: 'author.id' } })],
  })
  async byAuthor(author: number | string): Promise<string[]> {
    const articles = await this.articles.find({
      where: { author: { id: Number(author) } },
      order: { id: 'ASC' },
    });
    return articles.map(({ slug }) => slug);
  }

  @CacheResult({
    invalidatesOn: [invalidates('Article', { watchFields: ['status'] as never, scope: 'all' })],
  })
  async published(): Promise<number> {
    return this.articles.countBy({ status: 'published' });
  }

  @CacheResult({ invalidatesOn: [() => Tag] })
  async tags(): Promise<number> {
    return this.dataSource.getRepository(Tag).count();
  }
}

@Controller('articles')
class Articles {
  constructor(
    private readonly blog: Blog,
    @InjectDataSource('second') private readonly second: DataSource,
  ) {}

  @Get()
  @CacheResponse({ invalidatesOn: [Article] })
  async list(@Query('status') status: string): Promise<unknown> {
    return this.blog.articles.find({ where: { status }, order: { id: 'ASC' } });
  }

  @Get('metrics/:id')
  @CacheResponse({ invalidatesOn: [invalidates(Metric, { fieldMapping: { id: 'id' } })] })
  async metric(@Param('id') id: string): Promise<unknown> {
    return this.second.getRepository(Metric).findOneBy({ id: Number(id) });
  }

  @Get(':id')
  @CacheResponse({ invalidatesOn: [invalidates(Article, { fieldMapping: { id: 'id' } })] })
  async find(@Param('id') id: string): Promise<unknown> {
    return this.blog.articles.findOne({ where: { id: Number(id) }, relations: { tags: true } });
  }
}

const sqljs = { type: 'sqljs', synchronize: true, autoSave: false } as const;

describe.each(platforms)('rules on %s with TypeORM', (platform) => {
  let app: TestApplication;
  let blog: Blog;
  let articles: Repository<Article>;
  let authors: Author[];
  const boot = (dataSources?: false): Promise<TestApplication> =>
    start(platform, {
      imports: [
        TypeOrmModule.forRoot({ ...sqljs, entities: [Article, Author, Tag] }),
        TypeOrmModule.forRoot({ ...sqljs, name: 'second', entities: [Metric] }),
      ],
      controllers: [Articles],
      providers: [Blog],
      cache: { setCacheHeaders: true, dataSources: dataSources ?? 'auto' },
    });
  beforeEach(async () => {
    app = await boot();
    blog = app.app.get(Blog);
    articles = app.app.get(DataSource).getRepository(Article);
    authors = await app.app
      .get(DataSource)
      .getRepository(Author)
      .save([{ name: 'Ada' }, { name: 'Bob' }, { name: 'Cyd' }]);
    await articles.save(authors.map((author, i) => ({ slug: `s${i + 1}`, author })));
  });
  afterEach(() => app.close());

  const PATHS = [
    '/articles/1',
    '/articles/2',
    '/articles/3',
    '/articles?status=draft',
    '/articles?status=published',
  ];
  const byAuthor = (id: number | string) => app.cache.for(Blog, 'byAuthor').getWithMetadata(id);

  /** What a write dropped, of all that was cached before; and that nothing it left is old. */
  async function dropped(write: () => Promise<unknown>): Promise<string[]> {
    const names: string[] = [];
    for (const path of PATHS) await app.get(path);
    for (const { id } of authors) await blog.byAuthor(id);
    await blog.published();
    await write();
    for (const path of PATHS) if ((await app.get(path)).cache !== 'HIT') names.push(path);
    for (const { id } of authors)
      if ((await byAuthor(id))[1].cacheStatus !== 'HIT') names.push(`author ${id}`);
    const [, published] = await app.cache.for(Blog, 'published').getWithMetadata();
    if (published.cacheStatus !== 'HIT') names.push('published');
    return names;
  }

  const LISTS = ['/articles?status=draft', '/articles?status=published'];
  const ALL = [...PATHS, 'author 1', 'author 2', 'author 3'];

  it('a saved row drops its own partition and the lists, and the next read is fresh', async () => {
    const article = await articles.findOneOrFail({ where: { id: 1 }, relations: { author: true } });
    expect(await dropped(() => articles.save({ ...article, views: 7 }))).toEqual([
      '/articles/1',
      ...LISTS,
      'author 1',
    ]);
    expect(JSON.parse((await app.get('/articles/1')).body)).toMatchObject({ id: 1, views: 7 });
  });

  it('an inserted row drops the partition it will be in', async () => {
    const write = () => articles.save({ slug: 's4', author: authors[1]! });
    expect(await dropped(write)).toEqual([...LISTS, 'author 2', 'published']);
    expect(await blog.byAuthor('2')).toEqual(['s2', 's4']);
  });

  it('a partial save drops what the row is in, though it names no author', async () => {
    const names = await dropped(() => articles.save({ id: 2, slug: 'other' }));
    expect(names).toEqual(expect.arrayContaining(['/articles/2', ...LISTS, 'author 2']));
    expect(names).not.toContain('/articles/1');
    expect(await blog.byAuthor(2)).toEqual(['other']);
  });

  it('a removed row drops the partitions that contained it', async () => {
    const article = await articles.findOneOrFail({ where: { id: 3 }, relations: { author: true } });
    const names = await dropped(() => articles.remove(article));
    expect(names).toEqual(expect.arrayContaining(['/articles/3', ...LISTS, 'author 3', 'published']));
    expect(names).not.toContain('/articles/1');
    expect((await app.get('/articles/3')).body).not.toContain('s3');
  });

  it('a row that moves drops the partition it left and the one it came to, and nothing else', async () => {
    const article = await articles.findOneOrFail({ where: { id: 1 }, relations: { author: true } });
    article.author = authors[1]!;
    expect(await dropped(() => articles.save(article))).toEqual([
      '/articles/1',
      ...LISTS,
      'author 1',
      'author 2',
    ]);
    expect([await blog.byAuthor(1), await blog.byAuthor(2)]).toEqual([[], ['s1', 's2']]);
  });

  it('a watched column drops what watches it, another does not', async () => {
    const article = await articles.findOneByOrFail({ id: 1 });
    expect(await dropped(() => articles.save({ ...article, status: 'published' }))).toContain('published');
    expect(await blog.published()).toBe(1);
    expect(await dropped(() => articles.save({ ...article, status: 'published', views: 2 }))).not.toContain(
      'published',
    );
  });

  it('a bulk update widens to the methods on its table, and to no other', async () => {
    await blog.tags();
    const write = () =>
      articles.createQueryBuilder().update().set({ status: 'published' }).where('views = 0').execute();
    expect(await dropped(write)).toEqual([...ALL, 'published']);
    expect((await app.cache.for(Blog, 'tags').getWithMetadata())[1].cacheStatus).toBe('HIT');
    expect(await blog.published()).toBe(3);
  });

  it('an update by criteria and raw SQL are seen too', async () => {
    await dropped(() => articles.update({ id: 1 }, { slug: 'by-criteria' }));
    expect((await app.get('/articles/1')).body).toContain('by-criteria');
    await dropped(() => articles.query(`UPDATE article SET slug = 'by-sql' WHERE id = 1`));
    expect((await app.get('/articles/1')).body).toContain('by-sql');
  });

  // sql.js has one connection for all: what is rolled back there is told nevertheless. See rules-postgres.spec.ts.
  it('what a transaction rolled back is never served', async () => {
    const write = async (manager: EntityManager): Promise<void> => {
      await manager.save(Article, { id: 1, slug: 'never' });
      await app.get('/articles/1');
      throw new Error('no');
    };
    await dropped(() => articles.manager.transaction(write).catch(() => undefined));
    expect((await app.get('/articles/1')).body).not.toContain('never');
  });

  it('a transaction drops what it changed when it commits, and not before', async () => {
    const [written, looked] = [new Deferred(), new Deferred()];
    const write = async (manager: EntityManager): Promise<void> => {
      await manager.save(Article, { id: 1, slug: 'soon' });
      written.resolve();
      await looked.promise;
    };
    let inside: unknown = null;
    const request = { params: { id: '1' }, headers: { host: `127.0.0.1:${app.port}` } };
    // Looked at from outside: in the transaction itself the cache is bypassed.
    const look = async (): Promise<void> => {
      await written.promise;
      inside = await app.cache.for(Articles, 'find').getCachedMetadata(request);
      looked.resolve();
    };
    const both = (): Promise<unknown> => Promise.all([look(), articles.manager.transaction(write)]);
    expect(await dropped(both)).toContain('/articles/1');
    expect(inside).not.toBeNull();
    expect((await app.get('/articles/1')).body).toContain('soon');
  });

  it('a change of a many-to-many relation drops the article that shows it', async () => {
    const tag = await articles.manager.save(Tag, { name: 'nest' });
    const article = await articles.findOneOrFail({ where: { id: 1 }, relations: { tags: true } });
    expect((await app.get('/articles/1')).body).toContain('"tags":[]');
    article.tags = [tag];
    await articles.save(article);
    expect((await app.get('/articles/1')).body).toContain('nest');
    await articles.createQueryBuilder().relation(Article, 'tags').of(1).remove(tag.id);
    expect((await app.get('/articles/1')).body).toContain('"tags":[]');
  });

  it('each of two DataSources drops what its own entities are in', async () => {
    const metrics = app.app.get<DataSource>(getDataSourceToken('second')).getRepository(Metric);
    await metrics.save([{ value: 1 }, { value: 2 }]);
    for (const path of ['/articles/metrics/1', '/articles/metrics/2']) await app.get(path);
    expect(await dropped(() => metrics.save({ id: 1, value: 3 }))).toEqual([]);
    expect((await app.get('/articles/metrics/1')).body).toBe('{"id":1,"value":3}');
    expect((await app.get('/articles/metrics/2')).cache).toBe('HIT');
  });

  it('an id is one whether the caller has it as a number or as text', async () => {
    expect(await blog.byAuthor('1')).toEqual(['s1']);
    await articles.save({ slug: 'new', author: { id: 1 } as Author });
    expect([await blog.byAuthor('1'), await blog.byAuthor(1)]).toEqual([
      ['s1', 'new'],
      ['s1', 'new'],
    ]);
  });

  it('a response made from a cached result dies with the result', async () => {
    await app.get('/articles/1');
    await app.cache.for(Articles, 'find').deleteByPrefix({ id: 1 });
    expect((await app.get('/articles/1')).cache).toBe('MISS');
  });

  it('with dataSources: false nothing is dropped, and nothing is asked of the entities', async () => {
    await app.close();
    app = await boot(false);
    articles = app.app.get(DataSource).getRepository(Article);
    await articles.save({ slug: 's1' });
    await app.get('/articles/1');
    await articles.save({ id: 1, slug: 'changed' });
    expect((await app.get('/articles/1')).cache).toBe('HIT');
  });
});
