import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { QueryFailedError, type DataSource, type EntityManager } from 'typeorm';
import { CachedLibrary } from './cached-library.js';
import { DATABASES, isMariaDb, isShared, openDataSource } from './database.js';
import { Article, Author, Note } from './entities.js';
import { Library } from './library.js';
import { DEAD } from './operation-entries.js';
import { columnNamer, OPERATIONS, seed, tableNamer } from './operations.js';

class Undo extends Error {}

test('every operation has its row', () => {
  const known = OPERATIONS.filter(({ isUnknownOn: isUnknown }) =>
    (['sql.js', 'PostgreSQL'] as const).some((database) => isUnknown?.(database) !== true),
  );
  expect(Object.keys(DEAD).sort()).toEqual(known.map(({ name }) => name).sort());
});

describe.each(DATABASES.filter((database) => !isMariaDb(database)))(
  'the entries that a change drops on %s',
  (database) => {
    let dataSource: DataSource;
    let seeded: Library;
    let cached: CachedLibrary;
    const named = tableNamer(database);
    const operations = OPERATIONS.filter(({ isUnknownOn }) => isUnknownOn?.(database) !== true);
    /** Where one connection serves all callers, what others wrote beside a rollback may be durable, so it is told. */
    const tellsAll = isShared(database);

    beforeAll(async () => {
      dataSource = await openDataSource(database);
      await seed(dataSource);
      seeded = await Library.of(dataSource, named);
    });
    afterAll(() => dataSource?.destroy());
    beforeEach(async () => {
      await empty();
      await seed(dataSource);
      cached = await CachedLibrary.filled(dataSource, seeded);
    });
    afterEach(() => cached?.close());

    /** To make the tables anew takes PostgreSQL most of a test's time. */
    async function empty(): Promise<void> {
      if (tellsAll) return dataSource.synchronize(true);
      const tables = new Set(dataSource.entityMetadatas.map(({ tableName }) => named(tableName)));
      await dataSource.query(`TRUNCATE ${[...tables].join()} RESTART IDENTITY CASCADE`);
    }

    type Work = (manager: EntityManager) => Promise<unknown>;
    const outer = (manager: EntityManager) => manager.insert(Note, { id: 9, text: 'outer' });
    const undone = (work: Work) => async (manager: EntityManager) => {
      await work(manager);
      throw new Undo();
    };
    const caught = (work: Promise<unknown>) => expect(work).rejects.toThrow(Undo);
    const OUTER = 'note:9 notes';

    const CONTEXTS: readonly {
      name: string;
      run: (work: Work) => Promise<unknown>;
      dead: (row: string) => string;
    }[] = [
      { name: 'committed by itself', run: (work) => work(dataSource.manager), dead: (row) => row },
      {
        name: 'committed with its transaction',
        run: (work) => dataSource.transaction(work),
        dead: (row) => row,
      },
      {
        name: 'rolled back with its transaction',
        run: (work) => caught(dataSource.transaction(undone(work))),
        dead: (row) => (tellsAll ? row : ''),
      },
      {
        name: 'in a savepoint that is released',
        run: (work) =>
          dataSource.transaction(async (manager) => {
            await outer(manager);
            await manager.transaction(work);
          }),
        dead: (row) => `${row} ${OUTER}`,
      },
      {
        name: 'in a savepoint that is rolled back',
        run: (work) =>
          dataSource.transaction(async (manager) => {
            await outer(manager);
            await caught(manager.transaction(undone(work)));
          }),
        dead: (row) => (tellsAll ? `${row} ${OUTER}` : OUTER),
      },
    ];

    /** Exactly these entries are gone, none that is left is old, and nobody complained. */
    async function expectDead(row: string): Promise<void> {
      expect(await cached.dead()).toEqual(cached.expand(row));
      expect(await cached.stale(await Library.of(dataSource, named))).toEqual([]);
      expect([...cached.log.errors, ...cached.log.warnings]).toEqual([]);
    }

    describe.each(operations.map((operation) => [operation.name, operation] as const))(
      '%s',
      (name, operation) => {
        test.each(CONTEXTS)('$name', async (context) => {
          // In its transaction the cache is bypassed: looked at from outside, everything is there until the commit.
          const outside = AsyncLocalStorage.snapshot();
          await context.run(async (manager) => {
            await operation.run(manager, named, columnNamer(database));
            if (manager !== dataSource.manager) expect(await outside(() => cached.dead())).toEqual([]);
          });
          const row = DEAD[name]!;
          await expectDead(context.dead(typeof row === 'string' ? row : row(database)));
        });
      },
    );

    test('a save() that fails drops nothing', async () => {
      const article = dataSource.manager.create(Article, { title: 'one' });
      const author = dataSource.manager.create(Author, { name: 'Cat', articles: [article] });
      await expect(dataSource.manager.save(author)).rejects.toThrow(QueryFailedError);
      await expectDead(tellsAll ? 'author:*' : '');
    });

    test('a save() without a transaction drops the rows that it wrote before it failed', async () => {
      const rows = [1, 2].map((id) => dataSource.manager.create(Article, { id, title: 'same' }));
      const saved = dataSource.manager.save(rows, { transaction: false });
      await expect(saved).rejects.toThrow(QueryFailedError);
      await expectDead(DEAD['save() with listeners: false'] as string);
    });

    test.each(['COMMIT', 'ROLLBACK'])('a transaction begun by hand drops at its COMMIT: %s', async (end) => {
      const outside = AsyncLocalStorage.snapshot();
      const runner = dataSource.createQueryRunner();
      await runner.query('BEGIN');
      await runner.manager.insert(Note, { id: 7, text: 'x' });
      await runner.query(`UPDATE ${named('author')} SET name = 'x'`);
      expect(await outside(() => cached.dead())).toEqual([]);
      await runner.query(end);
      await runner.release();
      await expectDead(end === 'COMMIT' || tellsAll ? 'note:7 notes author:*' : '');
    });
  },
);
