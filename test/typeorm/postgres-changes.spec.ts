import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import pg from 'pg';
import type { DataSource } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  invalidates,
  type ChangeSource,
  type RowChange,
} from '../../lib/index.js';
import { changeTriggers, postgresChanges, type PostgresChangesOptions } from '../../lib/postgres.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';
import { openDataSource, schemaName } from './database.js';
import { Article, Category, Note, Tag } from './entities.js';

jest.setTimeout(30_000);

const LISTENER = `listener_${process.env['JEST_WORKER_ID'] ?? '0'}`;
const schema = schemaName();

describe('changes that PostgreSQL records by triggers', () => {
  let dataSource: DataSource;
  /** Somebody who knows nothing of TypeORM. */
  let psql: pg.Client;
  let isDown: boolean;
  let sources: ChangeSource[];

  const sql = (text: string, values: unknown[] = []): Promise<pg.QueryResult> => psql.query(text, values);
  const source = (options: Partial<PostgresChangesOptions> = {}): ChangeSource => {
    const made = postgresChanges({
      client: () => {
        if (isDown) throw new Error('the network is down');
        return new pg.Client({ connectionString: serverUrl('postgres'), application_name: LISTENER });
      },
      schema,
      // What is asserted comes by NOTIFY.
      pollInterval: 600_000,
      ...options,
    });
    sources.push(made);
    return made;
  };
  /** Starts a source, and collects what it tells. */
  const listen = async (options: Partial<PostgresChangesOptions> = {}) => {
    const told = { rows: [] as RowChange[], missed: 0, failures: [] as unknown[] };
    await source(options).start({
      changed: async (rows) => void told.rows.push(...rows),
      missed: async () => void told.missed++,
      delivered: async () => {},
      isShared: true,
      failed: (_topic, _message, error) => void told.failures.push(error),
    });
    return told;
  };
  const terminate = (): Promise<unknown> =>
    sql('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [LISTENER]);

  beforeEach(async () => {
    isDown = false;
    sources = [];
    dataSource = await openDataSource('PostgreSQL');
    for (const statement of changeTriggers(dataSource, { schema }).up) await dataSource.query(statement);
    psql = new pg.Client({ connectionString: serverUrl('postgres'), options: `-c search_path=${schema}` });
    await psql.connect();
  });
  afterEach(async () => {
    for (const one of sources) await one.close();
    for (const statement of changeTriggers(dataSource, { schema }).down) await dataSource.query(statement);
    await psql.end();
    await dataSource.destroy();
  });

  test('rows are reported with old and new values when they are committed', async () => {
    const told = await listen();
    await sql('BEGIN');
    await sql(`INSERT INTO note VALUES (1, 'a'), (2, 'b')`);
    await sql(`UPDATE note SET text = 'c' WHERE id = 1`);
    await sql('DELETE FROM note WHERE id = 2');
    await sql('SAVEPOINT undone');
    await sql(`UPDATE note SET text = 'never'`);
    await sql('ROLLBACK TO undone');
    expect(told.rows).toEqual([]);
    await sql('COMMIT');
    await until(() => told.rows.length >= 4);
    const table = `${schema}.note`;
    expect(told.rows).toEqual([
      { table, type: 'insert', before: null, after: { id: 1, text: 'a' } },
      { table, type: 'insert', before: null, after: { id: 2, text: 'b' } },
      { table, type: 'update', before: { id: 1, text: 'a' }, after: { id: 1, text: 'c' } },
      { table, type: 'remove', before: { id: 2, text: 'b' }, after: null },
    ]);
  });

  test('a transaction that wrote first and commits last is read all the same', async () => {
    const told = await listen();
    await sql('BEGIN');
    await sql(`INSERT INTO note VALUES (1, 'slow')`);
    await dataSource.query(`INSERT INTO "${schema}".note VALUES (2, 'fast')`);
    await until(() => told.rows.length === 1);
    await sql('COMMIT');
    await until(() => told.rows.length === 2);
    expect(told.rows.map(({ after }) => after!['text'])).toEqual(['fast', 'slow']);
  });

  test.each([
    ['many rows', `INSERT INTO note SELECT i, 'x' FROM generate_series(1, 1001) AS i`],
    ['a large row', `INSERT INTO note VALUES (1, repeat('x', 9000))`],
    ['TRUNCATE', 'TRUNCATE note'],
  ])('%s are reported with the table only', async (_what, statement) => {
    const told = await listen();
    await sql(statement);
    await until(() => told.rows.length > 0);
    expect(told.rows).toEqual([{ table: `${schema}.note`, type: 'unknown', before: null, after: null }]);
  });

  test('a changed primary key reports a removed row and an inserted one', async () => {
    await sql(`INSERT INTO note VALUES (1, 'a')`);
    const told = await listen();
    told.rows = [];
    await sql('UPDATE note SET id = 2');
    await until(() => told.rows.length === 2);
    expect(told.rows.map(({ type }) => type).sort()).toEqual(['insert', 'remove']);
  });

  test('changes made while no process listened are read at the start', async () => {
    await sql(`INSERT INTO note VALUES (1, 'a')`);
    expect((await listen()).rows).toHaveLength(1);
  });

  test('changes of ignored applications are not reported', async () => {
    const told = await listen({ ignoreApplications: ['shop-api'] });
    await sql(`SET application_name = 'shop-api'`);
    await sql(`INSERT INTO note VALUES (1, 'ours')`);
    await sql(`SET application_name = 'psql'`);
    await sql(`INSERT INTO note VALUES (2, 'theirs')`);
    await until(() => told.rows.length > 0);
    expect(told.rows.map(({ after }) => after!['text'])).toEqual(['theirs']);
  });

  test('a process that was away for longer than changes are kept treats everything as changed', async () => {
    const told = await listen({ retention: 0.05 });
    isDown = true;
    await terminate();
    await until(() => told.failures.length > 1);
    await sql('SELECT pg_sleep(0.1)');
    isDown = false;
    await until(() => told.missed > 0);
  });

  test('an application starts though its database cannot be reached', async () => {
    isDown = true;
    const told = await listen();
    expect(told.failures).toHaveLength(1);
    isDown = false;
    await sql(`INSERT INTO note VALUES (1, 'a')`);
    await until(() => told.rows.length === 1);
  });

  test('the statements can be run again, and undone', async () => {
    const { up, down } = changeTriggers(dataSource, { schema, entities: [Note] });
    for (const statement of [...up, ...down]) await dataSource.query(statement);
    await sql(`INSERT INTO note VALUES (1, 'a')`);
    for (const statement of [...up, ...changeTriggers(dataSource, { schema }).down])
      await dataSource.query(statement);
    const left = await sql('SELECT FROM pg_class WHERE relnamespace = $1::regnamespace AND relname = $2', [
      schema,
      'restflow_changes',
    ]);
    expect(left.rowCount).toBe(0);
    await sql(`INSERT INTO note VALUES (2, 'b')`);
    expect(() => changeTriggers(dataSource, { entities: ['Nobody'] })).toThrow(/knows no entity Nobody/);
  });

  describe('in an application', () => {
    @Injectable()
    class Reads {
      loads: string[] = [];

      @CacheResult({
        keyConstructor: { category: new ArgsKeyField('category', { partition: true }) },
        invalidatesOn: [
          invalidates(Article, { fieldMapping: { category: 'categoryId' }, watchFields: ['title'] }),
        ],
      })
      async titles(category: number): Promise<string[]> {
        this.loads.push(`titles ${category}`);
        const { rows } = await sql('SELECT title FROM article WHERE "categoryId" = $1 ORDER BY id', [
          category,
        ]);
        return rows.map(({ title }: { title: string }) => title);
      }

      @CacheResult({
        keyConstructor: { tag: new ArgsKeyField('tag', { partition: true }) },
        invalidatesOn: [invalidates(Tag, { fieldMapping: { tag: 'id' } })],
      })
      async tagged(tag: number): Promise<number> {
        this.loads.push(`tagged ${tag}`);
        return (await sql('SELECT 1 FROM article_tag WHERE "tagId" = $1', [tag])).rowCount!;
      }
    }
    let app: TestApplication;
    let reads: Reads;

    beforeEach(async () => {
      await dataSource.manager.insert(Category, [
        { id: 1, slug: 'one' },
        { id: 2, slug: 'two' },
      ]);
      await dataSource.manager.insert(Article, [
        { id: 1, title: 'a', category: { id: 1 } },
        { id: 2, title: 'b', category: { id: 2 } },
      ]);
      await dataSource.manager.insert(Tag, [
        { id: 1, label: 'x' },
        { id: 2, label: 'y' },
      ]);
      app = await TestApplication.start([Reads], { dataSources: [dataSource], changeSources: [source()] });
      reads = app.get(Reads);
      await read();
    });
    afterEach(() => app.close());

    const read = async (): Promise<string[]> => {
      reads.loads = [];
      for (const id of [1, 2]) {
        await reads.titles(id);
        await reads.tagged(id);
      }
      return reads.loads;
    };

    test('a write of psql drops the partition of its row, and no other', async () => {
      await sql(`UPDATE article SET title = 'new' WHERE id = 1`);
      await until(async () => (await reads.titles(1))[0] === 'new');
      expect(await read()).toEqual([]);
      expect(await reads.titles(1)).toEqual(['new']);
    });

    test('a row that moves drops the partitions of its old and its new place', async () => {
      await sql(`UPDATE article SET "categoryId" = 2, title = 'moved' WHERE id = 1`);
      await until(async () => (await reads.titles(1)).length === 0);
      await until(async () => (await reads.titles(2)).length === 2);
    });

    test('columns that a rule does not watch drop nothing, a link drops its sides', async () => {
      await sql('UPDATE article SET views = 7 WHERE id = 1');
      await sql('INSERT INTO article_tag ("articleId", "tagId") VALUES (1, 2)');
      await until(async () => (await reads.tagged(2)) === 1);
      reads.loads = [];
      expect(await reads.tagged(1)).toBe(0);
      await reads.titles(1);
      expect(reads.loads).toEqual([]);
    });

    test('changes made while the connection was lost are read afterwards', async () => {
      isDown = true;
      await terminate();
      await sql(`UPDATE article SET title = 'unheard' WHERE id = 1`);
      expect(await reads.titles(1)).toEqual(['a']);
      isDown = false;
      await until(async () => (await reads.titles(1))[0] === 'unheard');
      await sql(`UPDATE article SET title = 'heard again' WHERE id = 2`);
      await until(async () => (await reads.titles(2))[0] === 'heard again');
    });
  });
});

test('options that cannot work are refused', () => {
  expect(() => postgresChanges({} as never)).toThrow(/client must be a function/);
  expect(() => postgresChanges({ client: () => new pg.Client(), retention: 0 })).toThrow(/retention must be/);
});
