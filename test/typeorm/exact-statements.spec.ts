import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import {
  Column,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryGeneratedColumn,
  type DataSource,
  type EntityManager,
  type Relation,
} from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates } from '../../lib/index.js';
import { attachCollector, type CollectorHandle } from '../../lib/typeorm/data-source.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { TestApplication } from '../support/application.js';
import { line, openDataSource, RecordingSink } from './database.js';
import { Article, Author, Category, Comment, Note, Tag } from './entities.js';

@Entity()
class Shelf {
  @PrimaryGeneratedColumn() id!: number;
  @OneToMany(() => Book, (book) => book.shelf, { cascade: true }) books!: Relation<Book>[];
}

@Entity()
class Book {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) title!: string;
  @ManyToOne(() => Shelf, (shelf) => shelf.books) shelf!: Relation<Shelf>;
}

/** What the statements do that are asked for their rows, and what they tell of the rows. */
const STATEMENTS: Record<string, { run: (manager: EntityManager) => Promise<unknown>; tells: string[] }> = {
  'update(criteria)': {
    run: (manager) => manager.update(Article, { categoryId: 1 }, { views: 5 }),
    tells: [
      'update article 1 (1,1,?) → (1,1,5) [updatedAt views]',
      'update article 2 (2,1,?) → (2,1,5) [updatedAt views]',
    ],
  },
  'update of no rows': {
    run: (manager) => manager.update(Article, { categoryId: 9 }, { views: 5 }),
    tells: [],
  },
  'update that moves rows': {
    run: (manager) => manager.update(Article, { id: 1 }, { category: { id: 2 } }),
    tells: ['update article 1 (1,?,0) → (1,2,0) [category categoryId updatedAt]'],
  },
  'increment()': {
    run: (manager) => manager.increment(Article, { id: 2 }, 'views', 3),
    tells: ['update article 2 (2,1,?) → (2,1,3) [updatedAt views]'],
  },
  'a query builder': {
    run: (manager) =>
      manager
        .createQueryBuilder()
        .update(Article)
        .set({ views: () => 'views + 1' })
        .where('"categoryId" = :id AND title <> :title', { id: 1, title: 'one' })
        .execute(),
    tells: ['update article 2 (2,1,?) → (2,1,1) [updatedAt views]'],
  },
  'softDelete(criteria)': {
    run: (manager) => manager.softDelete(Article, { id: 1 }),
    tells: ['softRemove article 1 (1,1,0) → (1,1,0) [deletedAt updatedAt]'],
  },
  'restore(criteria)': {
    run: (manager) => manager.restore(Article, { id: 3 }),
    tells: ['recover article 3 (3,2,0) → (3,2,0) [deletedAt updatedAt]'],
  },
  'delete(criteria)': {
    run: (manager) => manager.delete(Note, { id: 1 }),
    tells: ['remove note 1 (1,?,?) → -'],
  },
};
const PATHS = ['id', 'categoryId', 'views'];

describe('statements that report their rows', () => {
  let dataSource: DataSource;
  let sink: RecordingSink;
  let handle: CollectorHandle | undefined;
  const attach = (): void => {
    handle = attachCollector(dataSource as unknown as OrmDataSource, sink, { exactStatements: () => true });
  };
  const told = (): string[] => sink.changes.map((change) => line(change, PATHS)).sort();

  beforeAll(async () => {
    dataSource = await openDataSource('PostgreSQL');
  });
  afterAll(() => dataSource.destroy());
  beforeEach(async () => {
    await dataSource.synchronize(true);
    sink = new RecordingSink();
    const { manager } = dataSource;
    await manager.insert(Author, { id: 1, name: 'Ada' });
    await manager.insert(Category, [
      { id: 1, slug: 'one' },
      { id: 2, slug: 'two' },
    ]);
    await manager.insert(Article, [
      { id: 1, title: 'one', category: { id: 1 }, author: { id: 1 } },
      { id: 2, title: 'two', category: { id: 1 } },
      { id: 3, title: 'three', category: { id: 2 }, deletedAt: new Date(0) },
    ]);
    await manager.insert(Note, [
      { id: 1, text: 'a' },
      { id: 2, text: 'b' },
    ]);
  });
  afterEach(() => {
    handle?.detach();
    handle = undefined;
  });

  describe.each(Object.entries(STATEMENTS))('%s', (_name, { run, tells }) => {
    test('reports the rows that it changed', async () => {
      attach();
      await run(dataSource.manager);
      expect(told()).toEqual(tells);
    });

    test('reports it after the commit of its transaction', async () => {
      attach();
      await dataSource.transaction(async (manager) => {
        await run(manager);
        expect(sink.changes).toEqual([]);
      });
      expect(told()).toEqual(tells);
    });

    test('reports nothing when it is rolled back', async () => {
      attach();
      const undone = dataSource.transaction(async (manager) => {
        await run(manager);
        throw new Error('undo');
      });
      await expect(undone).rejects.toThrow('undo');
      expect(sink.changes).toEqual([]);
    });

    test('returns the same result to its caller as without exactStatements', async () => {
      const plainly = await undoing(run);
      attach();
      expect(await undoing(run)).toEqual(plainly);
    });
  });

  async function undoing(run: (manager: EntityManager) => Promise<unknown>): Promise<unknown> {
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    const answer = await run(runner.manager);
    await runner.rollbackTransaction();
    await runner.release();
    return answer;
  }

  test('rows that ON DELETE removes with them are reported as unknown', async () => {
    await dataSource.manager.insert(Comment, { id: 7, text: 'hm', article: { id: 1 } });
    attach();
    await dataSource.manager.delete(Article, { id: 1 });
    expect(told()).toEqual(
      expect.arrayContaining(['remove article 1 (1,1,0) → -', 'remove comment ? ? → -']),
    );
  });

  test('a row that moves to the list of another parent reports its old place, or nothing', async () => {
    const shelves = await openDataSource('PostgreSQL', { entities: [Shelf, Book] });
    await shelves.manager.save(Shelf, [{ books: [{ title: 'Emma' }] }, {}]);
    const shelf = await shelves.manager.findOneOrFail(Shelf, {
      where: { id: 2 },
      relations: { books: true },
    });
    shelf.books = [await shelves.manager.findOneByOrFail(Book, { id: 1 })];
    attachCollector(shelves as unknown as OrmDataSource, sink, { exactStatements: () => true });
    await shelves.manager.save(shelf);
    await shelves.destroy();
    expect(sink.changes.map((change) => line(change, ['id', 'shelf.id']))).toEqual([
      'update book 1 (1,?) → (1,?) [shelf]',
    ]);
  });

  test('a save() reports its row as without exact statements', async () => {
    await dataSource.manager.insert(Tag, { id: 1, label: 'old' });
    attach();
    await dataSource.manager.save(Tag, { id: 1, label: 'new' });
    expect(sink.changes.map((change) => line(change, ['id', 'label']))).toEqual([
      'update tag 1 (1,old) → (1,new) [label]',
    ]);
  });

  test('a removed link reports both of its sides', async () => {
    await dataSource.manager.insert(Tag, { id: 1, label: 'x' });
    await dataSource.createQueryBuilder().relation(Article, 'tags').of(1).add(1);
    attach();
    await dataSource.createQueryBuilder().relation(Article, 'tags').of(1).remove(1);
    expect(
      sink.changes.filter((one) => !one.table.includes('article_tag')).map((one) => [one.entityName, one.id]),
    ).toEqual([
      ['Article', 1],
      ['Tag', 1],
    ]);
  });

  test('a statement that returns rows to its caller is sent unchanged', async () => {
    attach();
    const { raw } = await dataSource
      .createQueryBuilder()
      .update(Note)
      .set({ text: 'c' })
      .where({ id: 2 })
      .returning('id')
      .execute();
    expect(raw).toEqual([{ id: 2 }]);
    expect(told()).toEqual(['update note ? ? → ? [text]']);
  });

  test('more than a thousand rows are reported as unknown', async () => {
    const rows = Array.from({ length: 1_001 }, (_, i) => ({ id: i + 10, text: 'many' }));
    await dataSource.manager.insert(Note, rows);
    attach();
    expect((await dataSource.manager.update(Note, { text: 'many' }, { text: 'none' })).affected).toBe(1_001);
    expect(told()).toEqual(['update note ? ? → ? [text]']);
  });

  test('a statement that fails reports nothing, and fails with its own error', async () => {
    attach();
    const failing = dataSource.manager.update(Article, { id: 1 }, { title: 'two' });
    await expect(failing).rejects.toMatchObject({ code: '23505' });
    expect(sink.changes).toEqual([]);
  });

  test('two statements side by side in one transaction report their own rows', async () => {
    attach();
    await dataSource.transaction(async (manager) => {
      await Promise.all([
        manager.update(Note, { id: 1 }, { text: 'x' }),
        manager.update(Note, { id: 2 }, { text: 'y' }),
      ]);
    });
    // Either may be exact only where nothing else was under way.
    expect(told()).toContain('update note ? ? → ? [text]');
  });

  test('an account without SELECT on a table can change it', async () => {
    const role = `writer_${process.env['JEST_WORKER_ID'] ?? '0'}`;
    const { tablePath } = dataSource.getMetadata(Note);
    const table = tablePath
      .split('.')
      .map((part) => `"${part}"`)
      .join('.');
    const runner = dataSource.createQueryRunner();
    await runner.query(`DROP ROLE IF EXISTS ${role}`).catch(() => undefined);
    await runner.query(`CREATE ROLE ${role}`);
    try {
      await runner.query(`GRANT USAGE ON SCHEMA "${tablePath.split('.')[0]}" TO ${role}`);
      await runner.query(`GRANT UPDATE ON ${table} TO ${role}`);
      attach();
      const own = dataSource.createQueryRunner();
      await own.query(`SET ROLE ${role}`);
      const { affected } = await own.manager.createQueryBuilder().update(Note).set({ text: 'all' }).execute();
      expect(affected).toBe(2);
      expect(told()).toContain('update note ? ? → ? [text]');
      await own.query('RESET ROLE');
      await own.release();
    } finally {
      await runner.query('RESET ROLE');
      await runner.query(`DROP OWNED BY ${role}`);
      await runner.query(`DROP ROLE ${role}`);
      await runner.release();
    }
  });
});

@Injectable()
class Articles {
  loads: string[] = [];

  @CacheResult({
    keyConstructor: { category: new ArgsKeyField('category', { partition: true }) },
    invalidatesOn: [invalidates(Article, { fieldMapping: { category: 'categoryId' } })],
  })
  async of(category: number): Promise<number> {
    this.loads.push(`category ${category}`);
    return category;
  }
}

test('with exactStatements, a bulk statement drops the partitions of its rows and no others', async () => {
  const dataSource = await openDataSource('PostgreSQL');
  await dataSource.manager.insert(Category, [
    { id: 1, slug: 'one' },
    { id: 2, slug: 'two' },
  ]);
  await dataSource.manager.insert(Article, [
    { id: 1, title: 'one', category: { id: 1 } },
    { id: 2, title: 'two', category: { id: 2 } },
  ]);
  const app = await TestApplication.start([Articles], { dataSources: [dataSource], exactStatements: true });
  try {
    const articles = app.get(Articles);
    const load = async (): Promise<string[]> => {
      articles.loads = [];
      await articles.of(1);
      await articles.of(2);
      return articles.loads;
    };
    await load();
    await dataSource.manager.update(Article, { title: 'one' }, { views: 1 });
    expect(await load()).toEqual(['category 1']);
    await dataSource.manager.update(Article, { title: 'one' }, { category: { id: 2 } });
    expect(await load()).toEqual(['category 1', 'category 2']);
    await dataSource.manager.delete(Article, { title: 'one' });
    expect(await load()).toEqual(['category 2']);
  } finally {
    await app.close();
    await dataSource.destroy();
  }
});
