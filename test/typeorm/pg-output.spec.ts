import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import pg from 'pg';
import { PgoutputPlugin } from 'pg-logical-replication';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates, type ChangeSource } from '../../lib/index.js';
import { changePublication, pgOutputChanges, type PgOutputChangesOptions } from '../../lib/postgres.js';
import { endOwnServers, OwnServer } from '../servers/own.mjs';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';
import { listener } from './change-listener.js';

jest.setTimeout(60_000);

@Entity()
class Ticket {
  @PrimaryColumn() id!: number;
  @Column() board!: number;
  @Column({ type: 'date' }) due!: string;
  @Column({ type: 'text', default: '' }) body!: string;
}

const SLOTS = 'SELECT slot_name FROM pg_replication_slots WHERE NOT temporary';

describe("changes in PostgreSQL's write-ahead log", () => {
  let server: OwnServer;
  let dataSource: DataSource;
  let sources: ChangeSource[];

  const sql = async (text: string): Promise<pg.QueryResult> => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    try {
      return await client.query(text);
    } finally {
      await client.end();
    }
  };
  const source = (options: Partial<PgOutputChangesOptions> = {}): ChangeSource => {
    const made = pgOutputChanges({
      client: (replication) => new pg.Client({ connectionString: server.url, ...replication }),
      plugin: (settings) => new PgoutputPlugin(settings),
      ...options,
    });
    sources.push(made);
    return made;
  };
  const listen = async (options: Partial<PgOutputChangesOptions> = {}) => {
    const { told, host } = listener();
    const made = source(options);
    await made.start(host);
    return { told, source: made };
  };
  const dropSlots = () =>
    sql('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active');

  beforeAll(async () => {
    server = await OwnServer.start('postgres', [
      '-c',
      'wal_level=logical',
      '-c',
      'max_slot_wal_keep_size=1GB',
    ]);
  });
  afterAll(() => endOwnServers());
  beforeEach(async () => {
    sources = [];
    dataSource = await new DataSource({
      type: 'postgres',
      url: server.url,
      schema: 'public',
      entities: [Ticket],
      synchronize: true,
    }).initialize();
    for (const statement of changePublication(dataSource).up) await dataSource.query(statement);
  });
  afterEach(async () => {
    for (const one of sources) await one.close();
    await until(async () => {
      await dropSlots();
      return (await sql(SLOTS)).rowCount === 0;
    });
    await sql('DROP TABLE ticket; DROP PUBLICATION IF EXISTS restflow_cache');
    await dataSource.destroy();
  });

  test('rows are reported with old and new values, transaction by transaction, when they are committed', async () => {
    const { told } = await listen();
    expect(told.missed).toBe(1);
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
    await sql(`BEGIN; UPDATE ticket SET board = 20; DELETE FROM ticket; COMMIT`);
    await sql(`BEGIN; INSERT INTO ticket VALUES (2, 10, '2026-01-05'); ROLLBACK`);
    await until(() => told.rows.length >= 3);
    const row = expect.objectContaining({ id: 1, board: 10, body: '' });
    const moved = expect.objectContaining({ id: 1, board: 20, body: '' });
    const common = { table: 'public.ticket', encoding: 'driver' };
    expect(told.rows).toEqual([
      { ...common, type: 'insert', before: null, after: row },
      { ...common, type: 'update', before: row, after: moved },
      { ...common, type: 'remove', before: moved, after: null },
    ]);
  });

  test('a large value that did not change comes from the old row, and is unknown without REPLICA IDENTITY FULL', async () => {
    await sql('ALTER TABLE ticket ALTER body SET STORAGE EXTERNAL');
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05', repeat('x', 9000))`);
    const { told } = await listen();
    await sql('UPDATE ticket SET board = 20');
    await until(() => told.rows.length > 0);
    expect(String(told.rows[0]!.after!['body'])).toHaveLength(9000);
    await sql('ALTER TABLE ticket REPLICA IDENTITY DEFAULT');
    told.rows = [];
    await sql('UPDATE ticket SET board = 30');
    await until(() => told.rows.some(({ type }) => type === 'update'));
    const update = told.rows.find(({ type }) => type === 'update')!;
    expect(update.before).toEqual({ id: 1 });
    expect(update.after).not.toHaveProperty('body');
  });

  test.each([
    ['TRUNCATE', 'TRUNCATE ticket'],
    [
      'an altered table, with its next change',
      `ALTER TABLE ticket ADD more int DEFAULT 7; UPDATE ticket SET board = 5`,
    ],
    ['many rows', `INSERT INTO ticket SELECT i, i, '2026-01-05' FROM generate_series(100, 1300) AS i`],
  ])('%s is reported with the table only', async (_what, statement) => {
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
    const { told } = await listen();
    await sql(statement);
    await until(() => told.rows.length > 0);
    expect(told.rows[0]).toEqual({ table: 'public.ticket', type: 'unknown' });
  });

  test('a change whose invalidation was not delivered is read again by the next process', async () => {
    const first = await listen();
    first.told.held = new Promise((_resolve, reject) => setTimeout(reject, 500, new Error('killed')));
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
    await until(() => first.told.rows.length > 0);
    await first.source.close();
    const next = await listen();
    await until(() => next.told.rows.some(({ type }) => type === 'insert'));
    expect(next.told.missed).toBe(0);
  });

  test('one process reads the log, and another takes over with nothing lost', async () => {
    const first = await listen();
    const second = await listen();
    expect([first.source.state!().role, second.source.state!().role]).toEqual(['consumer', 'standby']);
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
    await until(() => first.told.rows.length > 0);
    await first.source.close();
    await sql(`INSERT INTO ticket VALUES (2, 10, '2026-01-05')`);
    await until(() => second.told.rows.some(({ after }) => after?.['id'] === 2));
    expect([second.source.state!().role, second.told.missed]).toEqual(['consumer', 0]);
  });

  test('changes around a crash of the server are read when it is back', async () => {
    const { told } = await listen();
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
    await until(() => told.rows.length === 1);
    await dataSource.destroy();
    await server.kill();
    await until(() => told.failures.length > 0);
    await server.start();
    await sql(`INSERT INTO ticket VALUES (2, 10, '2026-01-05')`);
    await until(() => told.rows.some(({ after }) => after?.['id'] === 2));
    expect(told.missed).toBe(1);
    await dataSource.initialize();
  });

  test('a slot that is gone drops everything', async () => {
    const { told, source: first } = await listen();
    await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
    await until(() => told.rows.length === 1);
    await first.close();
    await until(async () => {
      await dropSlots();
      return (await sql(SLOTS)).rowCount === 0;
    });
    expect((await listen()).told.missed).toBe(1);
  });

  test.each([
    ['no publication', 'DROP PUBLICATION restflow_cache', /does not exist.*changePublication/],
    [
      'a publication without updates',
      `ALTER PUBLICATION restflow_cache SET (publish = 'insert')`,
      /ALTER PUBLICATION "restflow_cache" SET/,
    ],
    [
      'a table without a replica identity',
      'ALTER TABLE ticket REPLICA IDENTITY NOTHING',
      /ALTER TABLE ticket REPLICA IDENTITY FULL/,
    ],
  ])('%s is refused with the line to write', async (_what, statement, message) => {
    await sql(statement);
    await expect(async () => source().start(listener().host)).rejects.toThrow(message);
  });

  test.each([
    [{ level: 'replica' }, /ALTER SYSTEM SET wal_level = logical/],
    [{ kept: '-1' }, /ALTER SYSTEM SET max_slot_wal_keep_size = '4GB'/],
    [{ replicates: false, user: 'app' }, /ALTER ROLE "app" REPLICATION/],
  ])('a server that says %p is refused with the line to write', async (setting, message) => {
    const answers: Record<string, object> = {
      IDENTIFY: { timeline: 1, xlogpos: '0/1' },
      SELECT: { level: 'logical', kept: '1GB', standby: false, replicates: true, whole: true, ...setting },
    };
    const client = () => ({
      connect: async () => {},
      query: async (text: string) => ({
        rows: [answers[text.split(/[ _]/, 1)[0]!] as Record<string, unknown>],
      }),
      on: () => undefined,
      end: async () => {},
    });
    await expect(async () => source({ client }).start(listener().host)).rejects.toThrow(message);
  });

  test('a client that does not replicate, and options that cannot work, are refused', async () => {
    const client = () => new pg.Client({ connectionString: server.url });
    await expect(async () => source({ client }).start(listener().host)).rejects.toThrow(
      /replication connection/,
    );
    expect(() => pgOutputChanges({} as never)).toThrow(/client must be a function/);
    expect(() => source({ slot: 'My Slot' })).toThrow(/slot must be/);
  });

  test('a write of psql drops the partitions of its row, of a date too, and no others', async () => {
    @Injectable()
    class Boards {
      loads = 0;
      @CacheResult({
        keyConstructor: { due: new ArgsKeyField('due', { partition: true }) },
        invalidatesOn: [invalidates(Ticket, { fieldMapping: { due: 'due' } })],
      })
      async count(due: string): Promise<number> {
        this.loads++;
        return (await sql(`SELECT FROM ticket WHERE due = '${due}'`)).rowCount!;
      }
    }
    const app = await TestApplication.start([Boards], {
      dataSources: [dataSource],
      changeSources: [source()],
    });
    try {
      const boards = app.get(Boards);
      const days = ['2026-01-05', '2026-01-06', '2026-01-07'];
      for (const due of days) await boards.count(due);
      await sql(`INSERT INTO ticket VALUES (1, 10, '2026-01-05')`);
      await until(async () => (await boards.count('2026-01-05')) === 1);
      await sql(`UPDATE ticket SET due = '2026-01-06'`);
      await until(async () => (await boards.count('2026-01-06')) === 1);
      expect(await boards.count('2026-01-05')).toBe(0);
      const { loads } = boards;
      await boards.count('2026-01-07');
      expect(boards.loads).toBe(loads);
      expect(app.cache.health().changeSources).toEqual([
        { name: 'pgOutputChanges', role: 'consumer', lagSeconds: expect.any(Number) },
      ]);
    } finally {
      await app.close();
    }
  });
});
