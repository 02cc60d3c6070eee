import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import 'reflect-metadata';
import ZongJi from '@vlasky/zongji';
import { createConnection, type Connection } from 'mysql2/promise';
import type { ChangeSource } from '../../lib/index.js';
import { binlogChanges } from '../../lib/mysql.js';
import { endOwnServers, OwnServer } from '../servers/own.mjs';
import { until } from '../support/until.js';
import { listener } from './change-listener.js';

jest.setTimeout(60_000);

describe('changes in the binary log of MariaDB', () => {
  let server: OwnServer;
  let uri: string;
  let sources: ChangeSource[];

  const sql = async (...statements: string[]): Promise<void> => {
    const connection: Connection = await createConnection(uri);
    try {
      for (const statement of statements) await connection.query(statement);
    } finally {
      await connection.end();
    }
  };
  const listen = async () => {
    const { told, host } = listener();
    const { hostname, port } = new URL(uri);
    const source = binlogChanges({
      client: () => createConnection(uri),
      reader: () => new ZongJi({ host: hostname, port: Number(port), user: 'root' }),
    });
    sources.push(source);
    await source.start(host);
    return { told, source };
  };

  beforeAll(async () => {
    const options = ['--log-bin=bin', '--server-id=1', '--binlog-format=ROW', '--binlog-row-image=FULL'];
    server = await OwnServer.start('mariadb', options);
    uri = server.url.replace(/^mariadb:/, 'mysql:');
  });
  afterAll(() => endOwnServers());
  beforeEach(async () => {
    sources = [];
    await sql('CREATE TABLE ticket (id int PRIMARY KEY, board int, title varchar(20), weight float)');
  });
  afterEach(async () => {
    for (const one of sources) await one.close();
    await sql('DROP TABLE ticket', 'DROP TABLE IF EXISTS restflow_binlog');
  });

  const table = 'restflow.ticket';
  const INSERT = `INSERT INTO ticket VALUES (1, 10, 'a', 0.1)`;

  test('rows are reported with old and new values, when they are committed', async () => {
    const { told } = await listen();
    expect(told.missed).toBe(1);
    await sql('BEGIN', INSERT, 'UPDATE ticket SET board = 20', 'COMMIT', 'DELETE FROM ticket');
    await sql('BEGIN', INSERT, 'ROLLBACK');
    await until(() => told.rows.length >= 3);
    const [row, moved] = [
      { id: 1, board: 10, title: 'a' },
      { id: 1, board: 20, title: 'a' },
    ];
    expect(told.rows).toEqual([
      { table, type: 'insert', before: null, after: row },
      { table, type: 'update', before: row, after: moved },
      { table, type: 'remove', before: moved, after: null },
    ]);
  });

  test.each([
    ['TRUNCATE', ['TRUNCATE ticket']],
    ['an altered table', ['ALTER TABLE ticket ADD more int DEFAULT 7']],
    [
      'a session that logs statements',
      ['SET SESSION binlog_format = STATEMENT', 'UPDATE ticket SET board = 5'],
    ],
    [
      'a session that logs parts of rows',
      ['SET SESSION binlog_row_image = MINIMAL', 'UPDATE ticket SET board = 5'],
    ],
  ])('%s is reported with the table only', async (_what, statements) => {
    await sql(INSERT);
    const { told } = await listen();
    await sql(...statements);
    await until(() => told.rows.length > 0);
    expect(told.rows[0]).toEqual({ table, type: 'unknown' });
  });

  test('a change whose invalidation was not delivered is read again by the next process', async () => {
    const first = await listen();
    first.told.held = new Promise((_resolve, reject) => setTimeout(reject, 500, new Error('killed')));
    await sql(INSERT);
    await until(() => first.told.rows.length > 0);
    await first.source.close();
    const next = await listen();
    await until(() => next.told.rows.some(({ type }) => type === 'insert'));
    expect(next.told.missed).toBe(0);
  });

  test('one process reads the log, and another takes over with nothing lost', async () => {
    const [first, second] = [await listen(), await listen()];
    expect([first.source.state!().role, second.source.state!().role]).toEqual(['consumer', 'standby']);
    await sql(INSERT);
    await until(() => first.told.rows.length > 0);
    await first.source.close();
    await sql('UPDATE ticket SET board = 20');
    await until(() => second.told.rows.some(({ after }) => after?.['board'] === 20));
    expect(second.told.missed).toBe(0);
  });

  test('changes around a crash of the server are read when it is back', async () => {
    const { told } = await listen();
    await sql(INSERT);
    await until(() => told.rows.length === 1);
    await server.kill();
    await until(() => told.failures.length > 0);
    await server.start();
    await sql('UPDATE ticket SET board = 20');
    await until(() => told.rows.some(({ after }) => after?.['board'] === 20) || told.missed > 1);
  });

  test('a log that is gone drops everything', async () => {
    const { told, source } = await listen();
    await sql(INSERT);
    await until(() => told.rows.length === 1);
    await source.close();
    await sql(`UPDATE restflow_binlog SET filename = 'bin.999999'`);
    const next = await listen();
    await until(() => next.told.missed === 1);
  });

  test.each([
    ['binlog_format', 'MIXED', 'ROW'],
    ['binlog_row_image', 'MINIMAL', 'FULL'],
  ])('a server with another %s is refused with the line to write', async (name, value, right) => {
    await sql(`SET GLOBAL ${name} = '${value}'`);
    try {
      await expect(listen()).rejects.toThrow(`SET GLOBAL ${name} = ${right}`);
    } finally {
      await sql(`SET GLOBAL ${name} = '${right}'`);
    }
  });

  test('options that cannot work are refused', () => {
    expect(() => binlogChanges({} as never)).toThrow(/client must be a function/);
  });
});
