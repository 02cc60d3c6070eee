import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DataSource, EntityManager, Logger } from 'typeorm';
import { attachCollector } from '../../lib/typeorm/data-source.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { DATABASES, isShared, line, openDataSource, RecordingSink } from './database.js';
import { Article, Author, Comment, Reaction, Tag } from './entities.js';
import { columnNamer, seed } from './operations.js';

/** Keeps what was asked of the database. */
class QueryBook implements Logger {
  queries: string[] = [];
  logQuery(query: string): void {
    this.queries.push(query);
  }
  logQueryError(): void {}
  logQuerySlow(): void {}
  logSchemaBuild(): void {}
  logMigration(): void {}
  log(): void {}
  get lookups(): number {
    return this.queries.filter((query) => /^SELECT.*restflow_row/s.test(query)).length;
  }
}

const LOOKUPS: Record<string, readonly string[]> = {
  comment: ['article.title', 'article.author.name'],
  article: ['category.slug', 'secret'],
  reaction: ['comment.article.title'],
};

describe.each(DATABASES)('mapped paths that are looked up on %s', (database) => {
  let dataSource: DataSource;
  let sink: RecordingSink;
  const column = columnNamer(database);
  const log = new QueryBook();
  const errors: string[] = [];
  /** Where a snapshot may have been read, everything is read again after the COMMIT. */
  const again = isShared(database) ? 0 : 1;

  beforeEach(async () => {
    dataSource = await openDataSource(database, { logger: log, logging: true, poolSize: 1 } as object);
    await seed(dataSource);
    const tables = new Map(
      Object.entries(LOOKUPS).map(([name, paths]) => [
        dataSource.entityMetadatas.find(({ tableName }) => tableName === name)!.tablePath.toLowerCase(),
        paths,
      ]),
    );
    sink = new RecordingSink();
    errors.length = 0;
    attachCollector(dataSource as unknown as OrmDataSource, sink, {
      interest: () => ({ lookups: tables }),
      onError: (_, where) => errors.push(where),
    });
  });
  afterEach(() => dataSource.destroy());

  /** A column that they read has another name from now on. */
  async function breakLookups(): Promise<void> {
    const { tablePath } = dataSource.getMetadata(Author);
    const table = tablePath.split('.').map(column);
    await dataSource.query(
      `ALTER TABLE ${table.join('.')} RENAME COLUMN ${column('name')} TO ${column('called')}`,
    );
  }

  /** The changes of one table that a write tells. */
  async function told(
    table: string,
    paths: readonly string[],
    write: (manager: EntityManager) => Promise<unknown>,
  ): Promise<string[]> {
    sink.clear();
    log.queries = [];
    await write(dataSource.manager);
    return sink.changes.filter((one) => one.table.endsWith(table)).map((change) => line(change, paths));
  }
  const TITLE = ['id', 'article.title'];
  const comment = (m: EntityManager) => m.findOneByOrFail(Comment, { id: 1 });

  test('a new row reports values of its related rows, read by one query before the COMMIT', async () => {
    const rows = Array.from({ length: 30 }, (_, i) => ({ text: `t${i}`, article: { id: (i % 2) + 1 } }));
    const changes = await told('comment', ['article.title', 'article.author.name'], (m) =>
      m.save(rows.map((row) => m.create(Comment, row))),
    );
    expect(changes).toHaveLength(30);
    expect(changes.slice(0, 2)).toEqual(['insert comment 2 - → (one,Ann)', 'insert comment 3 - → (two,Ann)']);
    expect(log.lookups).toBe(1 + again);
  });

  test('a row whose relation is not written is read once before the COMMIT, and has the same value before and after', async () => {
    const changes = await told('comment', TITLE, (m) => m.save(Comment, { id: 1, text: 'ho' }));
    expect(changes).toEqual(['update comment 1 (1,one) → (1,one) [text]']);
    expect(log.lookups).toBe(1 + again);
  });

  test('a row that moves reports its old and its new place', async () => {
    const move = (m: EntityManager) => m.save(Comment, { id: 1, article: { id: 2 } });
    expect(await told('comment', TITLE, move)).toEqual(['update comment 1 (1,one) → (1,two) [article]']);
    const byKey = (m: EntityManager) => m.save(Article, { id: 1, categoryId: 2 });
    expect(await told('article', ['id', 'category.slug'], byKey)).toEqual([
      'update article 1 (1,c1) → (1,c2) [category categoryId updatedAt]',
    ]);
  });

  test('rows that move in one save() are read in one query before it and one after it', async () => {
    await dataSource.manager.save(
      Comment,
      [2, 3].map((id) => ({ text: `${id}`, article: { id: 1 } })),
    );
    const moved = [1, 2, 3].map((id) => ({ id, article: { id: 2 } }));
    const changes = await told('comment', TITLE, (m) => m.save(Comment, moved));
    expect(changes).toEqual(
      [1, 2, 3].map((id) => `update comment ${id} (${id},one) → (${id},two) [article]`),
    );
    // After it the rows and their old parents.
    expect(log.lookups).toBe(2 + 2 * again);
  });

  test('a removed row reports its old place', async () => {
    const changes = await told('comment', TITLE, async (m) => m.remove(await comment(m)));
    expect(changes).toEqual(['remove comment 1 (1,one) → -']);
  });

  test('a lookup reads a column that is not selected, and one beyond two relations of a row with two keys', async () => {
    expect(await told('article', ['secret'], (m) => m.save(Article, { id: 1, subtitle: 'new' }))).toEqual([
      'update article 1 (hush) → (hush) [subtitle updatedAt]',
    ]);
    const like = { commentId: 1, kind: 'love' };
    expect(await told('reaction', ['comment.article.title'], (m) => m.save(Reaction, like))).toEqual([
      'insert reaction {"commentId":1,"kind":"love"} - → (one)',
    ]);
  });

  test('a related row in memory is read again, and its path is unknown where the values differ', async () => {
    const loaded = await dataSource.manager.findOneOrFail(Comment, {
      where: { id: 1 },
      relations: { article: true } as never,
    });
    const save = (text: string) => (m: EntityManager) => m.save(Object.assign(loaded, { text }));
    expect(await told('comment', TITLE, save('same'))).toEqual(['update comment 1 (1,one) → (1,one) [text]']);
    await dataSource.manager.update(Article, { id: 1 }, { title: 'renamed' });
    expect(await told('comment', TITLE, save('other'))).toEqual(['update comment 1 (1,one) → (1,?) [text]']);
    expect(log.lookups).toBe(1 + again);
  });

  test('a relation that is null is known to be null', async () => {
    const changes = await told('comment', TITLE, (m) => m.save(Comment, { id: 1, article: null as never }));
    expect(changes).toEqual(['update comment 1 (1,one) → (1,null) [article]']);
  });

  test('a row that was inserted outside of a transaction', async () => {
    const changes = await told('comment', TITLE, (m) => m.insert(Comment, { text: 'x', article: { id: 2 } }));
    expect(changes).toEqual(['insert comment 2 - → (2,two)']);
  });

  test('the sides of a link', async () => {
    const changes = await told('article', ['id', 'category.slug'], (m) =>
      m.createQueryBuilder().relation(Article, 'tags').of(1).add(3),
    );
    expect(changes).toEqual(['update article 1 (1,c1) → (1,c1) [tags]']);
    expect(await dataSource.manager.countBy(Tag, {})).toBe(3);
  });

  test('the rows of a transaction are looked up once, before it commits', async () => {
    const changes = await told('comment', TITLE, (m) =>
      m.transaction(async (inner) => {
        await inner.save(Comment, { id: 1, text: 'a' });
        await inner.save(inner.create(Comment, { text: 'b', article: { id: 2 } as Article }));
        expect(log.lookups).toBe(0);
      }),
    );
    expect(changes).toEqual(['update comment 1 (1,one) → (1,one) [text]', 'insert comment 2 - → (2,two)']);
    expect(log.lookups).toBe(1 + again);
  });

  test('changes that are rolled back are not looked up', async () => {
    const changes = await told('reaction', ['comment.article.title'], (m) =>
      m
        .transaction(async (inner) => {
          await inner.save(Reaction, { commentId: 1, kind: 'love' });
          throw new Error('no');
        })
        .catch(() => undefined),
    );
    if (!isShared(database)) expect(changes).toEqual([]);
    expect(log.lookups).toBe(0);
  });

  test('bulk statements, and rows that are removed again, stay unknown', async () => {
    expect(await told('comment', TITLE, (m) => m.update(Comment, { id: 1 }, { text: 'x' }))).toEqual([
      'update comment ? ? → ? [text]',
    ]);
    expect(log.lookups).toBe(0);
    const changes = await told('comment', TITLE, (m) =>
      m.transaction(async (inner) => {
        const made = await inner.save(inner.create(Comment, { text: 'x', article: { id: 2 } as Article }));
        await inner.remove(made);
      }),
    );
    expect(changes[0]).toBe('insert comment 2 - → (2,?)');
  });

  test('a lookup that fails leaves the path unknown, and the transaction as it is', async () => {
    await breakLookups();
    const changes = await told('comment', TITLE, (m) =>
      m.transaction(async (inner) => {
        await inner.save(Comment, { id: 1, text: 'kept', article: { id: 2 } });
        await inner.save(inner.create(Comment, { text: 'too', article: { id: 2 } as Article }));
      }),
    );
    expect(changes[0]).toBe('update comment 1 (1,?) → (1,?) [article text]');
    expect(errors).toContain('lookup');
    const texts = (await dataSource.manager.find(Comment, { order: { id: 'ASC' } })).map(({ text }) => text);
    expect(texts).toEqual(['kept', 'too']);
  });

  test('a lookup that fails undoes no other write of the transaction', async () => {
    await breakLookups();
    const beside = Array.from({ length: 5 }, (_, i) => `beside ${i}`);
    const said = await dataSource.manager
      .transaction((m) =>
        Promise.all([
          m.save(Comment, { id: 1, article: { id: 2 } }),
          ...beside.map((label) => m.save(m.create(Tag, { label }))),
        ]),
      )
      .then(
        () => 'committed',
        () => 'failed',
      );
    const labels = (await dataSource.manager.find(Tag))
      .map(({ label }) => label)
      .filter((one) => /beside/.test(one));
    expect(labels.sort()).toEqual(said === 'committed' ? beside : []);
  });
});

test('a row that another caller moves meanwhile has an unknown old place', async () => {
  const log = new QueryBook();
  const dataSource = await openDataSource('PostgreSQL', {
    logger: log,
    logging: true,
    poolSize: 2,
  } as object);
  try {
    await seed(dataSource);
    const sink = new RecordingSink();
    const table = dataSource.getMetadata(Comment).tablePath.toLowerCase();
    const lookups = new Map([[table, ['article.title']]]);
    attachCollector(dataSource as unknown as OrmDataSource, sink, { interest: () => ({ lookups }) });
    const comment = await dataSource.manager.findOneByOrFail(Comment, { id: 1 });
    let removed: Promise<unknown> | undefined;
    await dataSource.transaction(async (manager) => {
      await manager.save(Comment, { id: 1, article: { id: 2 } });
      log.queries = [];
      removed = dataSource.manager.remove(comment);
      // Its lookup reads what is committed; then its DELETE waits for this transaction.
      while (!log.queries.some((query) => query.startsWith('DELETE'))) await new Promise(setImmediate);
      expect(log.lookups).toBe(1);
    });
    await removed;
    const comments = sink.changes.filter((one) => one.entityName === 'Comment');
    // The DELETE may run before the row is read again: then the move is told once more, of unknown rows.
    const told = comments.map((change) => line(change, ['article.title']));
    expect(told).toContain('update comment 1 (one) → (two) [article]');
    expect(told.filter((each) => each.startsWith('remove'))).toEqual([
      expect.stringMatching(/^remove comment 1 (\?|\(\?\)) → -$/),
    ]);
  } finally {
    await dataSource.destroy();
  }
});
