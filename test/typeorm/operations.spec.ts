import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import { attachCollector, type CollectorHandle, type OrmDataSource } from '../../lib/typeorm/index.js';
import { DATABASES, line, openDataSource, RecordingSink, type DatabaseName } from './database.js';
import { Note } from './entities.js';
import { OPERATIONS, seed, tableNamer, type Operation } from './operations.js';

class Undo extends Error {}

describe.each(DATABASES)('every committed change on %s', (database) => {
  let dataSource: DataSource;
  const sink = new RecordingSink();
  const errors: unknown[] = [];
  let handle: CollectorHandle;
  const named = tableNamer(database);

  beforeAll(async () => {
    dataSource = await openDataSource(database);
  });
  afterAll(() => dataSource?.destroy());
  beforeEach(async () => {
    await dataSource.synchronize(true);
    await seed(dataSource);
    handle?.detach();
    handle = attachCollector(dataSource as unknown as OrmDataSource, sink, {
      onError: (error) => errors.push(error),
    });
    sink.clear();
    errors.length = 0;
  });

  const lines = (operation: Operation) => sink.changes.map((change) => line(change, operation.paths)).sort();
  const expected = (operation: Operation) =>
    [...(operation.expectedOn?.[database as DatabaseName] ?? operation.expected)].sort();

  describe.each(OPERATIONS.map((operation) => [operation.name, operation] as const))(
    '%s',
    (_name, operation) => {
      test('is told when it commits by itself', async () => {
        await operation.run(dataSource.manager, named);
        expect(lines(operation)).toEqual(expected(operation));
        expect(errors).toEqual([]);
      });

      test('is told in one call when its transaction commits, and not before', async () => {
        await dataSource.transaction(async (manager) => {
          await operation.run(manager, named);
          expect(sink.batches).toEqual([]);
        });
        expect(lines(operation)).toEqual(expected(operation));
        expect(sink.batches.length).toBeLessThan(2);
      });

      test(
        database === 'sql.js'
          ? 'is told though rolled back: the runner is shared'
          : 'is not told when rolled back',
        async () => {
          const work = dataSource.transaction(async (manager) => {
            await operation.run(manager, named);
            throw new Undo();
          });
          await expect(work).rejects.toThrow(Undo);
          expect(lines(operation)).toEqual(database === 'sql.js' ? expected(operation) : []);
        },
      );

      test('is not told when its savepoint is rolled back, while the rest of the transaction is', async () => {
        await dataSource.transaction(async (manager) => {
          await manager.insert(Note, { id: 99, text: 'outer' });
          const work = manager.transaction(async (inner) => {
            await operation.run(inner, named);
            throw new Undo();
          });
          await expect(work).rejects.toThrow(Undo);
          expect(sink.batches).toEqual([]);
        });
        const outer = line({ ...sink.changes.find(({ id }) => id === 99)! }, operation.paths);
        expect(lines(operation)).toEqual(
          [outer, ...(database === 'sql.js' ? expected(operation) : [])].sort(),
        );
      });

      test('is told once when its savepoint is released and the transaction commits', async () => {
        await dataSource.transaction(async (manager) => {
          await manager.transaction((inner) => operation.run(inner, named));
          expect(sink.batches).toEqual([]);
        });
        expect(lines(operation)).toEqual(expected(operation));
      });
    },
  );
});
