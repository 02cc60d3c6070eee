import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import { attachCollector, type CollectorHandle } from '../../lib/typeorm/data-source.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { DRIVERS, isMariaDb, isShared, line, openDataSource, RecordingSink } from './database.js';
import { Note, Tag } from './entities.js';
import { columnNamer, OPERATIONS, seed, tableNamer, type Operation } from './operations.js';

class Undo extends Error {}

describe.each(DRIVERS)('every committed change on %s', (database) => {
  let dataSource: DataSource;
  const sink = new RecordingSink();
  const errors: unknown[] = [];
  let handle: CollectorHandle;
  const named = tableNamer(database);
  const column = columnNamer(database);
  const operations = OPERATIONS.filter(({ isUnknownOn }) => isUnknownOn?.(database) !== true);

  beforeAll(async () => {
    dataSource = await openDataSource(database);
  });
  afterAll(() => dataSource?.destroy());
  beforeEach(async () => {
    await empty();
    await seed(dataSource);
    handle?.detach();
    handle = attachCollector(dataSource as unknown as OrmDataSource, sink, {
      onError: (error) => errors.push(error),
    });
    sink.clear();
    errors.length = 0;
  });

  /** On MariaDB it takes a quarter of a second to make the tables anew. */
  async function empty(): Promise<void> {
    if (!isMariaDb(database)) return dataSource.synchronize(true);
    const tables = [...new Set(dataSource.entityMetadatas.map(({ tablePath }) => named(tablePath)))];
    const texts = tables.flatMap((table) => [
      `DELETE FROM ${table}`,
      `ALTER TABLE ${table} AUTO_INCREMENT = 1`,
    ]);
    await dataSource.query(['SET FOREIGN_KEY_CHECKS = 0', ...texts, 'SET FOREIGN_KEY_CHECKS = 1'].join('; '));
  }

  const lines = (operation: Operation) => sink.changes.map((change) => line(change, operation.paths)).sort();
  const expected = (operation: Operation) =>
    [...(operation.expectedOn?.[database] ?? operation.expected)].sort();

  describe.each(operations.map((operation) => [operation.name, operation] as const))(
    '%s',
    (_name, operation) => {
      test('is reported when it commits by itself', async () => {
        await operation.run(dataSource.manager, named, column);
        expect(lines(operation)).toEqual(expected(operation));
        expect(errors).toEqual([]);
      });

      if (operation.commitsOn?.(database) === true) {
        test.each(['committed', 'rolled back'])(
          'is reported at once though its transaction is %s, with the writes before and after it',
          async (end) => {
            const work = dataSource.transaction(async (manager) => {
              await manager.insert(Tag, { label: 'before' });
              expect(sink.batches).toEqual([]);
              await operation.run(manager, named, column);
              const told = ['insert tag 4 - → ()', ...operation.expected];
              expect([...new Set(lines(operation))]).toEqual(told.sort());
              sink.clear();
              await manager.insert(Tag, { label: 'after' });
              expect(lines(operation)).toEqual(['insert tag 5 - → ()']);
              if (end === 'rolled back') throw new Undo();
            });
            await work.catch((error: unknown) => expect(error).toBeInstanceOf(Undo));
            expect(await dataSource.manager.countBy(Tag, {})).toBe(5);
            sink.clear();
            await dataSource.manager.insert(Tag, { label: 'later' });
            expect(lines(operation)).toEqual(['insert tag 6 - → ()']);
          },
        );
        return;
      }

      test('is reported in one call when its transaction commits, and not before', async () => {
        await dataSource.transaction(async (manager) => {
          await operation.run(manager, named, column);
          expect(sink.batches).toEqual([]);
        });
        expect(lines(operation)).toEqual(expected(operation));
        expect(sink.batches.length).toBeLessThan(2);
      });

      test(
        isShared(database)
          ? 'is reported though it is rolled back: the runner is shared'
          : 'is not reported when it is rolled back',
        async () => {
          const work = dataSource.transaction(async (manager) => {
            await operation.run(manager, named, column);
            throw new Undo();
          });
          await expect(work).rejects.toThrow(Undo);
          expect(lines(operation)).toEqual(isShared(database) ? expected(operation) : []);
        },
      );

      test('is not reported when its savepoint is rolled back, while the rest of the transaction is', async () => {
        await dataSource.transaction(async (manager) => {
          await manager.insert(Note, { id: 99, text: 'outer' });
          const work = manager.transaction(async (inner) => {
            await operation.run(inner, named, column);
            throw new Undo();
          });
          await expect(work).rejects.toThrow(Undo);
          expect(sink.batches).toEqual([]);
        });
        const outer = line({ ...sink.changes.find(({ id }) => id === 99)! }, operation.paths);
        expect(lines(operation)).toEqual([outer, ...(isShared(database) ? expected(operation) : [])].sort());
      });

      test('is reported once when its savepoint is released and the transaction commits', async () => {
        await dataSource.transaction(async (manager) => {
          await manager.transaction((inner) => operation.run(inner, named, column));
          expect(sink.batches).toEqual([]);
        });
        expect(lines(operation)).toEqual(expected(operation));
      });
    },
  );
});
