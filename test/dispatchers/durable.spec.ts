import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import {
  InvalidationDispatcher,
  type ChangeTransaction,
  type Dispatcher,
  type InvalidationJob,
} from '../../lib/index.js';
import { DATABASES, isMariaDb, isShared } from '../support/databases.js';
import { Item, Label, openDatabase, startItems, type Started } from './support/world.js';

/** Writes down what it is given, in the transaction and after the fact. */
@InvalidationDispatcher('durable')
class Durable implements Dispatcher {
  inside: InvalidationJob[] = [];
  after: InvalidationJob[] = [];
  failing = false;
  inTransaction: unknown[] = [];

  dispatch(jobs: readonly InvalidationJob[]): void {
    this.after.push(...jobs);
  }

  async enqueue(
    jobs: readonly InvalidationJob[],
    _: unknown,
    { queryRunner }: ChangeTransaction,
  ): Promise<void> {
    await queryRunner.query('SELECT 1');
    this.inTransaction.push((queryRunner as unknown as { isTransactionActive: boolean }).isTransactionActive);
    if (this.failing) throw new Error('no table');
    this.inside.push(...jobs);
  }
}

describe.each(DATABASES)('a durable dispatcher on %s', (database) => {
  let dataSource: DataSource;
  let durable: Durable;
  let started: Started;

  beforeEach(async () => {
    dataSource = await openDatabase(database, 'durable');
    await dataSource.manager.save(
      Item,
      [1, 2, 3].map((id) => ({ id, text: 'old' })),
    );
    await dataSource.manager.save(Label, { id: 7 });
    durable = new Durable();
    started = await startItems('durable', { dataSource, dispatchers: [durable] });
    for (const id of [1, 2, 3]) await started.items.text(id);
  });
  afterEach(async () => {
    await started.app.close();
    await dataSource.destroy();
  });

  const loaded = async (): Promise<number[]> => {
    const ids: number[] = [];
    for (const id of [1, 2, 3]) {
      const before = started.items.loads;
      await started.items.text(id);
      if (started.items.loads > before) ids.push(id);
    }
    return ids;
  };

  it.each<[string, (dataSource: DataSource) => Promise<unknown>, number[]]>([
    ['save', ({ manager }) => manager.save(Item, { id: 1, text: 'new' }), [1]],
    [
      'save of several',
      ({ manager }) =>
        manager.save(
          Item,
          [1, 2].map((id) => ({ id, text: 'new' })),
        ),
      [1, 2],
    ],
    [
      'a transaction',
      ({ manager }) => manager.transaction((inner) => inner.save(Item, { id: 2, text: 'new' })),
      [2],
    ],
    [
      'a transaction in a transaction',
      ({ manager }) =>
        manager.transaction(async (outer) => {
          await outer.save(Item, { id: 1, text: 'new' });
          await outer.transaction((inner) => inner.save(Item, { id: 2, text: 'new' }));
        }),
      [1, 2],
    ],
    ['insert()', ({ manager }) => manager.insert(Item, { id: 9, text: 'new' }), []],
    ['update()', ({ manager }) => manager.update(Item, { id: 1 }, { text: 'new' }), [1, 2, 3]],
    ['delete()', ({ manager }) => manager.delete(Item, 3), [1, 2, 3]],
    ['upsert()', ({ manager }) => manager.upsert(Item, { id: 1, text: 'new' }, ['id']), [1, 2, 3]],
    [
      'a query builder',
      (source) => source.createQueryBuilder().update(Item).set({ text: 'new' }).where({ id: 1 }).execute(),
      [1, 2, 3],
    ],
    ['relation().add()', (source) => source.createQueryBuilder().relation(Item, 'labels').of(1).add(7), [1]],
  ])(
    'gets its jobs inside the transaction of %s, and their tags are invalidated at commit, too',
    async (_, write, ids) => {
      await write(dataSource);
      expect(durable.inTransaction).toEqual([true]);
      expect(durable.inside).toHaveLength(1);
      expect(durable.after).toEqual([]);
      expect(durable.inside[0]).toMatchObject({ namespace: 'restflow', mode: 'purge', done: false });
      expect(await loaded()).toEqual(ids);
    },
  );

  it.each<[string, (source: DataSource) => Promise<unknown>]>([
    ['raw SQL', (source) => source.query(`UPDATE ${path(source)} SET text = 'new' WHERE id = 1`)],
    [
      'clear()',
      async ({ manager }) => {
        await manager.query(`DELETE FROM ${path(dataSource)}_labels_dispatched_label`).catch(() => undefined);
        durable.after = [];
        if (isShared(database)) return manager.clear(Item);
        return isMariaDb(database)
          ? manager.query(
              `SET FOREIGN_KEY_CHECKS = 0; TRUNCATE ${path(dataSource)}; SET FOREIGN_KEY_CHECKS = 1`,
            )
          : manager.query(`TRUNCATE ${path(dataSource)} CASCADE`);
      },
    ],
  ])('gets the jobs of %s after the statement', async (_, write) => {
    await write(dataSource);
    expect(durable.inside).toEqual([]);
    expect(durable.after.length).toBeGreaterThan(0);
    expect(await loaded()).toEqual([1, 2, 3]);
  });

  it('gets the jobs of a save without a transaction, after it at the latest', async () => {
    await dataSource.manager.save(Item, { id: 1, text: 'new' }, { transaction: false });
    expect(durable.inside.length + durable.after.length).toBeGreaterThan(0);
    expect(await loaded()).toContain(1);
  });

  it('gets no jobs of a rolled back transaction, nor of reads', async () => {
    const undone = dataSource.transaction(async (manager) => {
      await manager.save(Item, { id: 1, text: 'never' });
      throw new Error('no');
    });
    await expect(undone).rejects.toThrow('no');
    await dataSource.transaction((manager) => manager.find(Item));
    expect([durable.inside, durable.inTransaction]).toEqual([[], []]);
  });

  it('rolls the transaction back if it fails', async () => {
    durable.failing = true;
    const failure = { code: 'DISPATCHER_ENQUEUE', message: expect.stringContaining('no table') };
    await expect(dataSource.manager.save(Item, { id: 1, text: 'new' })).rejects.toMatchObject(failure);
    await expect(dataSource.manager.update(Item, 1, { text: 'new' })).rejects.toMatchObject(failure);
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.manager.save(Item, { id: 1, text: 'new' });
    await expect(runner.commitTransaction()).rejects.toMatchObject(failure);
    await runner.rollbackTransaction();
    if (!isShared(database)) await runner.release();
    expect((await dataSource.manager.findOneByOrFail(Item, { id: 1 })).text).toBe('old');
    durable.failing = false;
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    expect(await started.items.text(1)).toBe('new');
  });

  it('gets no jobs after the application has closed', async () => {
    await started.app.close();
    await dataSource.manager.update(Item, 1, { text: 'new' });
    expect([durable.inside, durable.after]).toEqual([[], []]);
    expect(Object.hasOwn(dataSource, 'createQueryBuilder')).toBe(false);
  });
});

function path(source: DataSource): string {
  return source
    .getMetadata(Item)
    .tablePath.split('.')
    .map((part) => source.driver.escape(part))
    .join('.');
}
