import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { DataSource, In, LessThan, Not } from 'typeorm';
import { CacheResult, CacheResultMany, CacheService, invalidates } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { DATABASES, openDataSource, schemaName } from './database.js';
import { Article, Author, Category, Tag } from './entities.js';

/** Loads of every kind; their answers must be those of the database after every write. */
@Injectable()
class Views {
  loads = 0;
  constructor(
    private readonly dataSource: DataSource,
    private readonly cache: CacheService,
  ) {}

  #articles() {
    this.loads++;
    return this.dataSource.getRepository(Article);
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async one(id: number): Promise<unknown> {
    return this.#articles().findOneBy({ id });
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async withRelations(id: number): Promise<unknown> {
    return this.#articles().findOne({
      where: { id },
      relations: { author: true, tags: true },
      order: { tags: { id: 'ASC' } },
    });
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async relationsByQuery(): Promise<unknown> {
    return this.#articles().find({
      relations: { author: true, tags: true },
      order: { id: 'ASC' },
      relationLoadStrategy: 'query',
    });
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async page(skip: number): Promise<unknown> {
    return this.#articles().findAndCount({ relations: { tags: true }, order: { id: 'ASC' }, skip, take: 2 });
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async byOperators(): Promise<unknown> {
    return this.#articles().findBy({ id: In([1, 2]), views: LessThan(100), title: Not('none') });
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async counted(): Promise<unknown> {
    const articles = this.#articles();
    return [await articles.count(), await articles.existsBy({ author: { name: 'renamed' } })];
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async bySubQuery(): Promise<unknown> {
    const builder = this.#articles().createQueryBuilder('article');
    const authors = builder
      .subQuery()
      .select('a.id')
      .from(Author, 'a')
      .where(`a.name = 'renamed'`)
      .getQuery();
    return builder.where(`article.authorId IN ${authors}`).select('article.id').getRawMany();
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async raw(): Promise<unknown> {
    this.loads++;
    return this.dataSource.query(
      'WITH c AS (SELECT count(*) AS n FROM category) SELECT n AS "n", (SELECT max(name) FROM author) AS "m" FROM c',
    );
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async unmapped(): Promise<unknown> {
    this.loads++;
    return this.dataSource.query('SELECT max(n) AS "n" FROM unmapped');
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async view(): Promise<unknown> {
    this.loads++;
    return this.dataSource.query('SELECT n AS "n" FROM names_seen');
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async nested(id: number): Promise<unknown> {
    this.loads++;
    return [await this.one(id), await this.raw()];
  }

  @CacheResult({ invalidatesOn: ['auto', invalidates(Tag, { scope: 'all' })] })
  async withRule(id: number): Promise<unknown> {
    return this.one(id);
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async noTable(): Promise<unknown> {
    this.loads++;
    return 'from elsewhere';
  }

  @CacheResultMany({ key: 'id', invalidatesOn: 'auto' })
  async many(ids: readonly number[]): Promise<readonly (Article | undefined)[]> {
    return this.#articles().findBy({ id: In([...ids]) });
  }

  async byHand(): Promise<unknown> {
    return this.cache.getOrSet(
      'titles',
      async () => (await this.#articles().find()).map(({ title }) => title).sort(),
      {
        invalidatesOn: 'auto',
      },
    );
  }
}

type Call = [name: string, read: (views: Views) => Promise<unknown>];

const CALLS: readonly Call[] = [
  ['one', (views) => views.one(1)],
  ['withRelations', (views) => views.withRelations(1)],
  ['relationsByQuery', (views) => views.relationsByQuery()],
  ['page', (views) => views.page(0)],
  ['byOperators', (views) => views.byOperators()],
  ['counted', (views) => views.counted()],
  ['bySubQuery', (views) => views.bySubQuery()],
  ['raw', (views) => views.raw()],
  ['unmapped', (views) => views.unmapped()],
  ['view', (views) => views.view()],
  ['nested', (views) => views.nested(1)],
  ['withRule', (views) => views.withRule(1)],
  ['byHand', (views) => views.byHand()],
  ['many', (views) => views.many([1, 2])],
];

type Write = (dataSource: DataSource) => Promise<unknown>;

const WRITES: Readonly<Record<string, Write>> = {
  'a save': ({ manager }) => manager.save(Article, { id: 1, title: 'saved' }),
  'a save of a new row': ({ manager }) => manager.save(Article, { title: 'new', views: 3 }),
  'an update by criteria': ({ manager }) => manager.update(Article, { views: 0 }, { subtitle: 'updated' }),
  'a rename of an author': ({ manager }) => manager.update(Author, { id: 1 }, { name: 'renamed' }),
  'a new category': ({ manager }) => manager.insert(Category, { slug: 'other' }),
  'raw SQL': (dataSource) => dataSource.query(`UPDATE article SET title = 'raw' WHERE id = 1`),
  'raw SQL on a table without an entity': (dataSource) =>
    dataSource.query('INSERT INTO unmapped (n) VALUES (7)'),
  'a link of a tag': async ({ manager }) => {
    const article = await manager.findOneOrFail(Article, { where: { id: 1 }, relations: { tags: true } });
    article.tags = await manager.find(Tag);
    await manager.save(article);
  },
  'a rename of a tag': ({ manager }) => manager.update(Tag, { id: 1 }, { label: 'renamed' }),
  'a removal that cascades': ({ manager }) => manager.delete(Author, { id: 1 }),
  'a transaction': (dataSource) =>
    dataSource.transaction(async (manager) => {
      await manager.update(Author, { id: 1 }, { name: 'in transaction' });
      await manager.update(Article, { id: 1 }, { views: 50 });
    }),
};

describe.each(DATABASES)("invalidatesOn: 'auto' on %s", (database) => {
  let dataSource: DataSource;
  let application: TestApplication;
  let views: Views;

  beforeEach(async () => {
    dataSource = await openDataSource(
      database,
      database === 'PostgreSQL' ? { extra: { options: `-c search_path=${schemaName()}` } } : {},
    );
    await dataSource.query('DROP TABLE IF EXISTS unmapped');
    await dataSource.query('CREATE TABLE unmapped (n int)');
    await dataSource.query('INSERT INTO unmapped (n) VALUES (1)');
    await dataSource.query('DROP VIEW IF EXISTS names_seen');
    await dataSource.query('CREATE VIEW names_seen AS SELECT min(name) AS n FROM author');
    const { manager } = dataSource;
    const authors = await manager.save(Author, [{ name: 'one' }, { name: 'two' }]);
    const tags = await manager.save(Tag, [{ label: 'a' }, { label: 'b' }]);
    await manager.insert(Category, { slug: 'first' });
    await manager.save(
      Article,
      [0, 1, 2].map((n) => ({ title: `title ${n}`, author: authors[n % 2]!, tags: tags.slice(0, n % 2) })),
    );
    application = await TestApplication.start([Views, { provide: DataSource, useValue: dataSource }]);
    views = application.get(Views);
  });
  afterEach(async () => {
    await application.close();
    await dataSource.query('DROP VIEW IF EXISTS names_seen');
    await dataSource.destroy();
  });

  it('stores every load, and drops nothing without a change', async () => {
    for (const [, read] of CALLS) await read(views);
    const { loads } = views;
    for (const [, read] of CALLS) await read(views);
    expect(views.loads).toBe(loads);
  });

  it.each(Object.keys(WRITES))('no read after %s is stale', async (name) => {
    for (const [, read] of CALLS) await read(views);
    await WRITES[name]!(dataSource);
    application.cache.disable();
    const now = [];
    for (const [, read] of CALLS) now.push(await read(views));
    application.cache.enable();
    for (const [i, [call, read]] of CALLS.entries())
      expect([call, await read(views)]).toEqual([call, now[i]]);
  });

  it('a change of a table that a load has not read drops nothing of it', async () => {
    for (const [, read] of CALLS) await read(views);
    await dataSource.manager.insert(Category, { slug: 'other' });
    const { loads } = views;
    for (const read of [() => views.one(1), () => views.page(0), () => views.view()]) await read();
    expect(views.loads).toBe(loads);
    await views.raw();
    expect(views.loads).toBe(loads + 1);
  });

  it('a load that reads no table is named in the log, with the line to write', async () => {
    await views.noTable();
    expect(application.log.warnings).toContainEqual(
      expect.stringMatching(/Views\.noTable.*invalidates\(Entity/),
    );
  });

  it('status() tells it apart from rules by hand', () => {
    const { methods } = application.cache.status();
    const drops = methods.find(({ name }) => name === 'Views.withRule')!.rules.map((rule) => rule.drops);
    expect(drops).toEqual(['all', 'auto']);
  });
});
