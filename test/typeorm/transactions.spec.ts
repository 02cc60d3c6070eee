import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import type { DataSource, EntitySubscriberInterface, InsertEvent, QueryRunner } from 'typeorm';
import { attachCollector } from '../../lib/typeorm/data-source.js';
import { MAX_CHANGES_PER_TABLE } from '../../lib/typeorm/collect/transaction-changes.js';
import type { CollectorOptions } from '../../lib/typeorm/collect/change-emitter.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { until } from '../support/until.js';
import {
  DATABASES,
  isMariaDb,
  isShared,
  line,
  ON_SERVERS,
  openDataSource,
  RecordingSink,
  schemaName,
} from './database.js';
import { Author, Article, Note } from './entities.js';
import { columnNamer, tableNamer } from './operations.js';

let dataSource: DataSource;
let sink: RecordingSink;
const lines = () => sink.changes.map((change) => line(change, ['text'])).sort();
const attach = (options: CollectorOptions = {}) =>
  attachCollector(dataSource as unknown as OrmDataSource, sink, options);
const note = (id: number, text = 'x') => dataSource.manager.create(Note, { id, text });
/** Whether one of our sessions waits: for a lock, or in pg_sleep. Those of specs beside this one do not count. */
async function waiting(event: 'Lock' | 'Timeout'): Promise<boolean> {
  if (dataSource.options.type === 'mariadb') {
    // information_schema shows what was true a moment ago.
    const [{ Status: status }] = await dataSource.query('SHOW ENGINE INNODB STATUS');
    const ids = [...status.matchAll(/LOCK WAIT.*\n.* thread id (\d+)/g)].map(([, id]) => Number(id));
    const sessions = await dataSource.query(
      'SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE()',
    );
    return sessions.some(({ id }: { id: unknown }) => ids.includes(Number(id)));
  }
  const sql =
    'SELECT count(*)::int AS n FROM pg_stat_activity WHERE state = $1 AND wait_event_type = $2 AND application_name = $3';
  return (await dataSource.query(sql, ['active', event, schemaName()]))[0].n > 0;
}
const soon = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

class Undo extends Error {}

/** Entity listeners run before subscribers, so ours is skipped when one throws. */
function failAfterInsert(): void {
  const execute = () => {
    throw new Undo();
  };
  dataSource.getMetadata(Note).afterInsertListeners.push({ isAllowed: () => true, execute } as never);
}

describe.each(DATABASES)('transactions on %s', (database) => {
  const notes = tableNamer(database)('note');

  beforeEach(async () => {
    dataSource = await openDataSource(database);
    sink = new RecordingSink();
  });
  afterEach(() => dataSource.destroy());

  test('a query runner that is used again reports each transaction once', async () => {
    attach();
    const runner = dataSource.createQueryRunner();
    for (const id of [1, 2]) {
      await runner.startTransaction();
      await runner.manager.insert(Note, { id, text: 'x' });
      expect(sink.batches).toEqual([]);
      await runner.commitTransaction();
      expect(lines()).toEqual([`insert note ${id} - → (x)`]);
      sink.clear();
    }
    await runner.manager.insert(Note, { id: 3, text: 'x' });
    expect(lines()).toEqual(['insert note 3 - → (x)']);
    await runner.release();
  });

  test.each(['BEGIN', 'start transaction', '  BEGIN;'])(
    'a transaction begun by "%s" is reported at its COMMIT',
    async (begin) => {
      attach();
      const runner = dataSource.createQueryRunner();
      if (isShared(database) && begin.startsWith('start')) begin = 'BEGIN TRANSACTION';
      await runner.query(begin);
      await runner.query(`INSERT INTO ${notes} (id, text) VALUES (1, 'a')`);
      await runner.manager.insert(Note, { id: 2, text: 'b' });
      expect(sink.batches).toEqual([]);
      await runner.query('COMMIT');
      expect(lines()).toEqual(['insert note 2 - → (b)', 'unknown note ? ? → ?']);
      sink.clear();
      await runner.query('BEGIN');
      await runner.manager.insert(Note, { id: 3, text: 'c' });
      await runner.query('ROLLBACK');
      expect(lines()).toEqual(isShared(database) ? ['insert note 3 - → (c)'] : []);
      sink.clear();
      await runner.manager.insert(Note, { id: 4, text: 'd' });
      expect(lines()).toEqual(['insert note 4 - → (d)']);
      await runner.release();
    },
  );

  test.each(['COMMIT AND CHAIN', 'COMMIT; BEGIN', '/* one of many */ COMMIT; -- next\n BEGIN'])(
    'a transaction that "%s" ends and follows with another is reported, and the other too',
    async (chain) => {
      if (isShared(database)) return; // prepares one statement a call
      attach();
      const runner = dataSource.createQueryRunner();
      await runner.query('/* by hand */ BEGIN');
      await runner.query(`INSERT INTO ${notes} (id, text) VALUES (1, 'a')`);
      expect(sink.batches).toEqual([]);
      await runner.query(chain);
      expect(lines()).toEqual(['unknown note ? ? → ?']);
      sink.clear();
      await runner.query(`UPDATE ${notes} SET text = 'b'`);
      expect(sink.batches).toEqual([]);
      await runner.query('COMMIT');
      expect(lines()).toEqual(['unknown note ? ? → ?']);
      await runner.release();
    },
  );

  test('several statements in one text are reported when all have run', async () => {
    if (isShared(database)) return; // prepares one statement a call
    attach();
    await dataSource.query(`BEGIN; UPDATE ${notes} SET text = 'y; COMMIT'; COMMIT`);
    expect(lines()).toEqual(['unknown note ? ? → ?']);
  });

  test('rows written without a transaction before a later row failed are reported as unknown', async () => {
    await dataSource.manager.insert(Note, [note(1), note(2)]);
    attach();
    const rows = [note(1, 'written'), note(2, null as never)];
    await expect(dataSource.manager.save(rows, { transaction: false })).rejects.toThrow();
    expect(await dataSource.manager.countBy(Note, { text: 'written' })).toBe(1);
    expect(lines()).toEqual(['unknown note ? ? → ?']);
  });

  test('a durable write whose after hook never comes is reported within about a second', async () => {
    failAfterInsert();
    attach();
    await expect(dataSource.manager.save(note(1), { transaction: false })).rejects.toThrow(Undo);
    await until(() => sink.batches.length > 0);
    expect(lines()).toEqual(['unknown note ? ? → ?']);
  });

  test('a write whose after hook never comes is reported at the commit of its transaction', async () => {
    failAfterInsert();
    attach();
    await dataSource.transaction(async (manager) => {
      await manager.save(note(1)).catch(() => undefined);
      expect(sink.batches).toEqual([]);
    });
    expect(lines()).toEqual(['unknown note ? ? → ?']);
  });

  test('changes are reported though a subscriber of the application throws', async () => {
    const thrower: EntitySubscriberInterface = {
      afterInsert: (_event: InsertEvent<unknown>) => {
        throw new Undo();
      },
    };
    dataSource.subscribers.push(thrower);
    attach();
    await expect(dataSource.manager.insert(Note, note(1))).rejects.toThrow(Undo);
    expect(lines()).toEqual(['insert note 1 - → (x)']);
  });

  test('saves running side by side in one transaction are reported exactly', async () => {
    attach();
    await dataSource.transaction((manager) => Promise.all([1, 2, 3].map((id) => manager.save(note(id)))));
    expect(lines()).toEqual([1, 2, 3].map((id) => `insert note ${id} - → (x)`));
  });

  test(`more than ${MAX_CHANGES_PER_TABLE} rows of a table in a transaction are reported as one unknown change`, async () => {
    attach();
    await dataSource.transaction(async (manager) => {
      await manager.insert(Author, { name: 'a' });
      const rows = Array.from({ length: MAX_CHANGES_PER_TABLE + 1 }, (_, id) => ({ id, text: 'x' }));
      await manager.insert(Note, rows.slice(0, 600));
      await manager.transaction((inner) => inner.insert(Note, rows.slice(600)));
    });
    expect(lines()).toEqual(['insert author 1 - → (?)', 'unknown note ? ? → ?']);
  });

  test('as many rows as the limit are reported one by one', async () => {
    attach();
    const rows = Array.from({ length: MAX_CHANGES_PER_TABLE }, (_, id) => ({ id, text: 'x' }));
    await dataSource.transaction((manager) => manager.insert(Note, rows));
    expect(sink.changes.filter(({ type }) => type === 'insert')).toHaveLength(MAX_CHANGES_PER_TABLE);
  });

  test('save() waits for the sink when the sink returns a promise', async () => {
    attach();
    let finish = () => {};
    sink.answer = new Promise((done) => (finish = done));
    let returned = false;
    const saving = dataSource.manager.save(note(1)).then(() => (returned = true));
    await until(() => sink.batches.length > 0);
    await soon(10);
    expect(sink.batches).toHaveLength(1);
    expect(returned).toBe(false);
    finish();
    await saving;
  });

  test('a raw statement waits for the sink as well', async () => {
    attach();
    let finished = false;
    sink.answer = new Promise<void>((done) => setTimeout(done, 30)).then(() => void (finished = true));
    await dataSource.query(`UPDATE ${notes} SET text = 'y'`);
    expect(finished).toBe(true);
  });

  test('a sink that throws or rejects fails no write', async () => {
    const errors: string[] = [];
    attach({ onError: (error, where) => errors.push(`${where}: ${(error as Error).message}`) });
    sink.committed = () => {
      throw new Undo('thrown');
    };
    await dataSource.manager.save(note(1));
    await dataSource.manager.insert(Note, note(2));
    await dataSource.query(`UPDATE ${notes} SET text = 'y'`);
    sink.committed = () => Promise.reject(new Undo('rejected'));
    await dataSource.manager.save(note(3));
    expect(errors).toEqual([
      'afterTransactionCommit: thrown',
      'afterInsert: thrown',
      'afterQuery: thrown',
      'sink: rejected',
    ]);
    expect(await dataSource.manager.count(Note)).toBe(3);
  });

  test('a query inside an open transaction is reported at once, BEGIN and COMMIT are not', async () => {
    let seen = 0;
    attach({ onQueryInOpenTransaction: () => seen++ });
    await dataSource.query('SELECT 1');
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    expect(seen).toBe(0);
    await runner.query('SELECT 1');
    expect(seen).toBe(1);
    await runner.commitTransaction();
    await runner.query('BEGIN');
    expect(seen).toBe(1);
    await runner.query('SELECT 1');
    expect(seen).toBe(2);
    await runner.query('ROLLBACK');
    await runner.query('SELECT 1');
    expect(seen).toBe(2);
    await runner.release();
  });

  test('only tables that rules watch are reported, and those that change with other tables', async () => {
    const wanted = dataSource.getMetadata(Article).tablePath.toLowerCase();
    attach({ interest: () => ({ tables: new Set([wanted]) }) });
    await dataSource.manager.insert(Note, note(1));
    await dataSource.query(`UPDATE ${notes} SET text = 'y'`);
    expect(sink.batches).toEqual([]);
    await dataSource.manager.delete(Author, 1);
    expect(lines()).toEqual(['remove article ? ? → -', 'update article ? ? → ? [tags]']);
  });

  test('reported values are those of the write, though the entity changes before the commit', async () => {
    attach();
    await dataSource.transaction(async (manager) => {
      const row = await manager.save(note(1, 'written'));
      row.text = 'later';
    });
    expect(lines()).toEqual(['insert note 1 - → (written)']);
  });

  test('statements beyond those that hooks announced are reported by themselves', async () => {
    const column = columnNamer(database);
    const path = notes.replace(/\w+/g, column('$&'));
    dataSource.subscribers.push({
      beforeInsert: (event: InsertEvent<unknown>) =>
        event.queryRunner.query(`INSERT INTO ${path}(${column('id')}, ${column('text')}) VALUES (50, 'raw')`),
    } as EntitySubscriberInterface);
    attach();
    await dataSource.manager.save(note(1));
    expect(lines()).toEqual(['insert note 1 - → (x)', 'unknown note ? ? → ?']);
  });

  test('a raw write between the hooks of a save on the same runner is reported by itself', async () => {
    const writer: EntitySubscriberInterface = {
      beforeInsert: (event: InsertEvent<unknown>) =>
        event.queryRunner.query(`UPDATE ${notes} SET text = 'raw'`),
      afterInsert: (event: InsertEvent<unknown>) =>
        event.queryRunner.query(`DELETE FROM ${notes} WHERE id = 0`),
    };
    dataSource.subscribers.push(writer);
    attach();
    await dataSource.manager.save(note(1));
    expect([...new Set(lines())]).toEqual(['insert note 1 - → (x)', 'unknown note ? ? → ?']);
  });
});

describe.each(ON_SERVERS)('transactions by SQL text on %s', (database) => {
  const notes = tableNamer(database)('note');
  const insert = (id: number) => `INSERT INTO ${notes} (id, text) VALUES (${id}, 'x')`;
  const told = (): number => {
    const { length } = sink.changes;
    sink.clear();
    return length;
  };
  let runner: QueryRunner;
  const run = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await runner.query(text);
  };

  beforeEach(async () => {
    dataSource = await openDataSource(database);
    sink = new RecordingSink();
    attach();
    runner = dataSource.createQueryRunner();
  });
  afterEach(async () => {
    await runner.release();
    await dataSource.destroy();
  });

  test('are recognised behind comments', async () => {
    await run('/* app:web */ BEGIN', insert(1));
    expect(told()).toBe(0);
    await run('/* app:web */ COMMIT');
    expect(told()).toBe(1);
  });

  test('that follow each other are reported at the end of each', async () => {
    await run('BEGIN', insert(1));
    expect(told()).toBe(0);
    await run('COMMIT AND CHAIN');
    expect(told()).toBe(1);
    await run(insert(2));
    expect(told()).toBe(0);
    await run('ROLLBACK AND CHAIN', insert(2));
    expect(told()).toBe(0);
    await run('COMMIT');
    expect(told()).toBe(1);
    await run(insert(3));
    expect(told()).toBe(1);
  });

  test("inside TypeORM's own: writes after a COMMIT by hand are reported, also when they cannot be undone", async () => {
    const work = dataSource.transaction(async (manager) => {
      await manager.query(insert(1));
      expect(told()).toBe(0);
      await manager.query('COMMIT');
      expect(told()).toBe(1);
      await manager.query(insert(2));
      expect(told()).toBe(1);
      throw new Undo();
    });
    await expect(work).rejects.toThrow(Undo);
    expect(await dataSource.manager.countBy(Note, {})).toBe(2);
  });

  test.each(['committed', 'rolled back'])(
    "inside TypeORM's own, which is %s then: writes after a ROLLBACK by hand are reported at once",
    async (end) => {
      const work = dataSource.transaction(async (manager) => {
        await manager.query(insert(1));
        await manager.query('ROLLBACK');
        expect(told()).toBe(0);
        await manager.query(insert(2));
        expect(told()).toBe(1);
        if (end === 'rolled back') throw new Undo();
      });
      await work.catch((error: unknown) => expect(error).toBeInstanceOf(Undo));
      expect((await dataSource.manager.find(Note)).map(({ id }) => id)).toEqual([2]);
      sink.clear();
      await runner.startTransaction();
      await run(insert(3));
      await runner.rollbackTransaction();
      expect(told()).toBe(0);
    },
  );

  if (!isMariaDb(database)) return;

  test('without autocommit each is reported at its end, until autocommit is on again', async () => {
    await run('SET autocommit = 0', insert(1));
    await runner.manager.insert(Note, { id: 2, text: 'x' });
    expect(told()).toBe(0);
    await run('COMMIT');
    expect(told()).toBe(2);
    await run(insert(3), 'ROLLBACK', insert(4));
    expect(told()).toBe(0);
    await runner.manager.save(runner.manager.create(Note, { id: 5, text: 'x' }));
    expect(lines()).toContain('insert note 5 - → (x)');
    expect(told()).toBeGreaterThan(1);
    await run(insert(6));
    expect(told()).toBe(0);
    await run('SET autocommit = 1');
    expect(told()).toBe(1);
    await run(insert(7));
    expect(told()).toBe(1);
    const ids = (await dataSource.manager.find(Note, { order: { id: 'ASC' } })).map(({ id }) => id);
    expect(ids).toEqual([1, 2, 4, 5, 6, 7]);
  });

  test('a BEGIN in an open transaction commits what was written before it', async () => {
    await run('BEGIN', insert(1), 'BEGIN');
    expect(told()).toBe(1);
    await run(insert(2), 'ROLLBACK');
    expect(await dataSource.manager.countBy(Note, {})).toBe(1);
    sink.clear();
    await run(insert(3));
    expect(told()).toBe(1);
  });

  test.each(['ALTER TABLE author ADD nick int', 'DROP TABLE nonsense', 'LOCK TABLES note WRITE'])(
    'writes that %s has committed are reported, and those behind it',
    async (statement) => {
      await run('BEGIN', insert(1));
      await runner.query(statement).catch(() => undefined);
      expect(lines()).toContain('unknown note ? ? → ?');
      sink.clear();
      await run(insert(2));
      expect(told()).toBe(1);
      await run('ROLLBACK', 'UNLOCK TABLES');
      expect(await runner.manager.countBy(Note, {})).toBe(2);
      sink.clear();
      await run(insert(3));
      expect(told()).toBe(1);
    },
  );

  test('a connection that is released after a definition has committed leaves no transaction open', async () => {
    await run('BEGIN', insert(1), 'CREATE TABLE other (id int)');
    await runner.release();
    sink.clear();
    await dataSource.query(insert(2));
    await dataSource.query('ROLLBACK');
    expect(sink.batches).toHaveLength(1);
  });

  test('a temporary table does not commit the transaction', async () => {
    await run('BEGIN', insert(1), 'CREATE TEMPORARY TABLE other (id int)', 'DROP TEMPORARY TABLE other');
    expect(told()).toBe(0);
    await run('ROLLBACK');
    expect(told()).toBe(0);
  });

  test('a write after a deadlock has ended the transaction is reported', async () => {
    await dataSource.manager.insert(Note, [note(1), note(2)]);
    const other = dataSource.createQueryRunner();
    const lock = (id: number) => `UPDATE ${notes} SET text = 'y' WHERE id = ${id}`;
    await runner.startTransaction();
    await other.startTransaction();
    await runner.query(lock(1));
    // The one that has written less is given up.
    for (let id = 10; id < 20; id++) await other.query(insert(id));
    await other.query(lock(2));
    const going = other.query(lock(1));
    await until(() => waiting('Lock'));
    await expect(runner.query(lock(2))).rejects.toThrow(/deadlock/i);
    await going;
    sink.clear();
    await runner.query(insert(3));
    expect(told()).toBe(1);
    await runner.rollbackTransaction();
    expect(await dataSource.manager.countBy(Note, { id: 3 })).toBe(1);
    await other.rollbackTransaction();
    await other.release();
  });
});

describe('commits that fail on PostgreSQL', () => {
  const notes = tableNamer('PostgreSQL')('note');

  beforeEach(async () => {
    dataSource = await openDataSource('PostgreSQL', { extra: { max: 2 } } as never);
    sink = new RecordingSink();
  });
  afterEach(() => dataSource.destroy());

  test('a COMMIT that a deferred constraint refuses counts as committed: its changes are reported', async () => {
    await dataSource.query(
      `ALTER TABLE ${notes} ADD CONSTRAINT once UNIQUE (text) DEFERRABLE INITIALLY DEFERRED`,
    );
    attach();
    const work = dataSource.transaction((manager) => manager.insert(Note, [note(1), note(2)]));
    await expect(work).rejects.toThrow();
    expect(lines().slice(0, 2)).toEqual(['insert note 1 - → (x)', 'insert note 2 - → (x)']);
  });

  test('a COMMIT whose connection dies reports its changes at once, and again later', async () => {
    const linger = `"${schemaName()}".linger`;
    await dataSource.query(
      `CREATE OR REPLACE FUNCTION ${linger}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$`,
    );
    await dataSource.query(
      `CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON ${notes} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ${linger}()`,
    );
    attach();
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.manager.insert(Note, note(1));
    const [{ pid }] = await runner.query('SELECT pg_backend_pid() AS pid');
    const committing = expect(runner.commitTransaction()).rejects.toThrow();
    await until(() => waiting('Timeout'));
    await dataSource.query('SELECT pg_terminate_backend($1)', [pid]);
    await committing;
    expect(lines()).toEqual(['insert note 1 - → (x)']);
    await until(() => sink.batches.length > 1);
    expect(sink.batches).toHaveLength(2);
  });

  test('a COMMIT that the server answers with ROLLBACK reports nothing', async () => {
    attach();
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.manager.insert(Note, note(1));
    await runner.query('SELECT nonsense').catch(() => undefined);
    await runner.commitTransaction();
    expect(sink.batches).toEqual([]);
    await runner.release();
  });

  test('a raw transaction through the pool is reported at its COMMIT, though each query has its own runner', async () => {
    const single = await openDataSource('PostgreSQL', { extra: { max: 1 } } as never);
    attachCollector(single as unknown as OrmDataSource, sink);
    await single.query('BEGIN');
    await single.query(`INSERT INTO ${notes} (id, text) VALUES (1, 'a')`);
    await single.manager.insert(Note, { id: 2, text: 'b' });
    expect(sink.batches).toEqual([]);
    await single.query('COMMIT');
    expect(lines()).toEqual(['insert note 2 - → (b)', 'unknown note ? ? → ?']);
    sink.clear();
    await single.manager.insert(Note, { id: 3, text: 'c' });
    expect(lines()).toEqual(['insert note 3 - → (c)']);
    await single.destroy();
  });

  test('writes on a pool of one connection never wait for a second one', async () => {
    const single = await openDataSource('PostgreSQL', { extra: { max: 1 } } as never);
    attachCollector(single as unknown as OrmDataSource, sink);
    await Promise.all(
      Array.from({ length: 12 }, (_, id) =>
        single.manager.save(single.manager.create(Note, { id, text: 'x' })),
      ),
    );
    expect(sink.changes).toHaveLength(12);
    await single.destroy();
  });
});

describe.each(DATABASES.filter(isShared))('the shared query runner of %s', (database) => {
  beforeEach(async () => {
    dataSource = await openDataSource(database);
    sink = new RecordingSink();
    attach();
  });
  afterEach(() => dataSource.destroy());

  test('a write is reported though a transaction beside it on the shared runner is rolled back', async () => {
    for (let round = 0; round < 20; round++) {
      sink.clear();
      const undone = dataSource.transaction(async (manager) => {
        for (let i = 0; i < round % 5; i++) await manager.query('SELECT 1');
        throw new Undo();
      });
      const [, write] = await Promise.allSettled([
        undone,
        dataSource.manager.insert(Note, { id: round, text: 'x' }),
      ]);
      expect(write.status).toBe('fulfilled');
      expect(lines()).toContain(`insert note ${round} - → (x)`);
    }
  });

  test('a durable write is reported before it returns, though another caller begins a transaction before its hook', async () => {
    const runner = dataSource.createQueryRunner();
    let starting: Promise<void> | undefined;
    dataSource.subscribers.push({
      afterQuery: ({ query }: { query: string }) => {
        if (query.startsWith('INSERT')) starting ??= runner.startTransaction();
      },
    } as EntitySubscriberInterface);
    await dataSource.manager.insert(Note, { id: 1, text: 'x' });
    expect(runner.isTransactionActive).toBe(true);
    expect(lines()).toEqual(['insert note 1 - → (x)']);
    await starting;
    await runner.rollbackTransaction();
  });
});

describe.each(DATABASES)('two writers of one row on %s', (database) => {
  beforeEach(async () => {
    dataSource = await openDataSource(database);
    sink = new RecordingSink();
    await dataSource.manager.insert(Note, { id: 1, text: 'first' });
    attach();
  });
  afterEach(() => dataSource.destroy());

  test('one after the other are reported exactly', async () => {
    for (const text of ['second', 'third']) await dataSource.manager.save(Note, { id: 1, text });
    expect(sink.changes.map((change) => line(change, ['text']))).toEqual([
      'update note 1 (first) → (second) [text]',
      'update note 1 (second) → (third) [text]',
    ]);
  });

  test('side by side, the later one does not report an old state that the earlier one has replaced', async () => {
    if (isShared(database)) {
      await Promise.all(['left', 'right'].map((text) => dataSource.manager.save(Note, { id: 1, text })));
    } else {
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      await runner.manager.save(Note, { id: 1, text: 'left' });
      const saving = dataSource.manager.save(Note, { id: 1, text: 'right' });
      await until(() => waiting('Lock'));
      await runner.commitTransaction();
      await saving;
      await runner.release();
    }
    // PostgreSQL lets the second go on before it answers the first, so that either may be told of before the other.
    expect(sink.changes.map((change) => line(change, ['text'])).sort()).toEqual([
      expect.stringMatching(/^update note 1 \(\?\) → \((left|right)\) \[text\]$/),
      expect.stringMatching(/^update note 1 \(first\) → \((left|right)\) \[text\]$/),
    ]);
  });

  test.each(['a bulk UPDATE', 'raw SQL'])(
    '%s beside a save makes unknown what the save read',
    async (kind) => {
      if (isShared(database)) return; // one runner: its statements cannot pass each other unseen
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      if (kind === 'raw SQL')
        await runner.query(
          `UPDATE ${tableNamer(database)('note')} SET ${columnNamer(database)('text')} = 'raw'`,
        );
      else await runner.manager.update(Note, { id: 1 }, { text: 'bulk' });
      const saving = dataSource.manager.save(Note, { id: 1, text: 'saved' });
      await until(() => waiting('Lock'));
      await runner.commitTransaction();
      await saving;
      await runner.release();
      expect(lines()).toContain('update note 1 (?) → (saved) [text]');
    },
  );

  test('a bulk write makes only the columns unknown that it sets', async () => {
    if (isShared(database)) return;
    const author = await dataSource.manager.save(dataSource.manager.create(Author, { name: 'a' }));
    const article = await dataSource.manager.save(dataSource.manager.create(Article, { title: 't', author }));
    sink.clear();
    await dataSource.manager.increment(Article, { id: article.id }, 'views', 1);
    await dataSource.manager.save(Article, { id: article.id, title: 'u' });
    expect(sink.changes.map((change) => line(change, ['title', 'categoryId', 'views']))).toEqual([
      'update article ? ? → ? [updatedAt views]',
      `update article ${article.id} (t,null,?) → (u,null,?) [title updatedAt]`,
    ]);
  });
});
