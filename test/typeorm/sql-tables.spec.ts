import { describe, expect, test } from '@jest/globals';
import { StatementReader } from '../../lib/typeorm/sql/statement-reader.js';
import { assignedColumns, isPlainSelect, readSql } from '../../lib/typeorm/sql/written-tables.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';

const names = (sql: string) => readSql(sql).writes.map(({ path }) => path.join('.'));

describe('the tables that SQL writes', () => {
  test.each([
    ['SELECT * FROM users', []],
    ['SELECT * FROM users FOR UPDATE', []],
    ["SELECT replace (name, 'a', 'b') FROM users", []],
    ['INSERT INTO users (id) VALUES (1)', ['users']],
    ['INSERT INTO "app"."users"("id") VALUES ($1)', ['app.users']],
    ['insert or replace into `users` values (1)', ['users']],
    ['INSERT OR ROLLBACK INTO users VALUES (1)', ['users']],
    ['INSERT IGNORE INTO users VALUES (1)', ['users']],
    ['REPLACE INTO users VALUES (1)', ['users']],
    ['MERGE INTO [dbo].[users] USING x ON 1 = 1', ['dbo.users']],
    ['UPSERT INTO users VALUES (1)', ['users']],
    ['UPDATE users SET a = 1', ['users']],
    ['UPDATE ONLY public.users u SET a = 1', ['only', 'public.users', 'u']],
    ['UPDATE a, b SET a.x = b.x', ['a', 'b']],
    ['UPDATE a JOIN b ON a.id = b.id SET b.x = 1', ['a', 'join', 'b', 'on', 'a.id', 'b.id']],
    ['DELETE FROM ONLY users WHERE id = 1', ['users']],
    ['TRUNCATE TABLE users, posts RESTART IDENTITY', ['users', 'posts', 'restart', 'identity']],
    [
      'WITH gone AS (DELETE FROM users RETURNING *) INSERT INTO archive SELECT * FROM gone',
      ['users', 'archive'],
    ],
    ['EXPLAIN ANALYZE UPDATE users SET a = 1', ['users']],
    ['SELECT 1; UPDATE users SET a = 1', ['users']],
    ['COPY users FROM STDIN', ['users']],
    ['/* hint */ UPDATE "Users" SET a = 1', ['users']],
    ['UPDATE "odd ""name" SET a = 1', ['odd "name']],
    ['INSERT /* who: jobs */ INTO users VALUES (1)', ['users']],
    ['INSERT INTO -- who\n users VALUES (1)', ['users']],
    ['DELETE FROM /* who */ users WHERE id = 1', ['users']],
    ['UPDATE/**/users SET a = 1', ['users']],
    ["UPDATE users SET a = '/*'; DELETE FROM posts; UPDATE likes SET a = '*/'", ['users', 'posts', 'likes']],
    ['UPDATE"users"SET a = 1', ['users']],
    ['INSERT INTO`users`VALUES (1)', ['users']],
    ['DELETE FROM"users"', ['users']],
    ['MERGE INTO ONLY users USING x ON true', ['users']],
    ['INSERT INTO `shop`.`users` SET id = 1 ON DUPLICATE KEY UPDATE a = VALUES(a)', ['shop.users']],
    ['INSERT LOW_PRIORITY IGNORE users VALUES (1)', ['users']],
    ['INSERT /*+ SET_VAR(sort_buffer_size = 1) */ INTO /* which */ users VALUES (1)', ['users']],
    ['INSERT INTO -- why\n users VALUES (1)', ['users']],
    ['REPLACE DELAYED users SET a = 1', ['users']],
    ['INSERT INTO 2fa_codes VALUES (1)', ['2fa_codes']],
    ['UPDATE `odd ``name` SET a = 1', ['odd `name']],
    ['UPDATE LOW_PRIORITY IGNORE `shop`.`users` SET a = 1', ['low_priority', 'ignore', 'shop.users']],
    ["UPDATE users SET a = REPLACE (a, 'x', 'y')", ['users']],
    ['DELETE LOW_PRIORITY QUICK FROM users', ['users']],
    ['DELETE FROM users, `shop`.`posts` USING users JOIN posts', ['users', 'shop.posts']],
    ['DELETE FROM users.*, posts.* USING users JOIN posts', ['users', 'posts']],
    ['DELETE FROM u, p USING users AS u JOIN posts p ON p.u = u.id', ['u', 'users', 'p', 'posts']],
    ['DELETE FROM users USING posts WHERE posts.a IN (1, 2)', ['users']],
    ['WITH x AS (DELETE FROM users) SELECT a, b FROM x', ['users']],
    ["LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE `shop`.`users` FIELDS TERMINATED BY ','", ['shop.users']],
    ['LOAD XML INFILE "x" INTO TABLE users', ['users']],
    [
      'RENAME TABLE users TO users_old, users_new TO users',
      ['users', 'to', 'users_old', 'users_new', 'to', 'users'],
    ],
    ['ALTER TABLE users TRUNCATE PARTITION p0', ['users', 'truncate', 'partition', 'p0', 'partition', 'p0']],
    ['DROP TABLE users', ['users']],
    ['ALTER TABLE users ADD a int', []],
    ['ALTER TABLE users ALTER COLUMN a SET DEFAULT 1', []],
    ['ALTER TABLE users ALTER a TYPE int USING a + 1', expect.arrayContaining(['users'])],
    ['ALTER TABLE users ALTER COLUMN a SET DATA TYPE int', expect.arrayContaining(['users'])],
    ['ALTER TABLE users MODIFY a int', expect.arrayContaining(['users'])],
    ['ALTER TABLE users CHANGE COLUMN a b int', expect.arrayContaining(['users'])],
    ['ALTER TABLE users_new RENAME TO users', ['users_new', 'rename', 'to', 'users']],
    ['UPDATE u SET a = 1 FROM users AS u JOIN posts p ON p.u = u.id', ['u', 'users']],
    ['UPDATE [u] SET [a] = 1 FROM [dbo].[users] u, posts', ['u', 'dbo.users']],
    ['UPDATE u SET a = 1 FROM (SELECT * FROM users) u', expect.arrayContaining(['u', 'users'])],
    ['UPDATE TOP (10) users SET a = 1', ['top', '10', 'users']],
    ['UPDATE users SET a = p.a FROM posts p JOIN likes l ON l.p = p.id', ['users']],
    ['DELETE FROM u FROM users u WHERE u.a = 1', ['u', 'users']],
    ['DELETE u FROM users u', expect.arrayContaining(['users'])],
    ['DELETE TOP (5) FROM users', expect.arrayContaining(['users'])],
    ['DELETE users WHERE id = 1', ['users']],
    ['DELETE TOP (5) "users"', ['users']],
    ["UPDATE u SET a = ';' FROM users u", ['u', 'users']],
    [
      String.raw`UPDATE users JOIN posts ON posts.a = 'it\';s' SET users.a = 1`,
      expect.arrayContaining(['users', 'posts']),
    ],
    ['SELECT 1 FROM posts FOR UPDATE OF posts; UPDATE users SET a = 1', ['users']],
    ['WITH u (id) AS (SELECT id FROM users) UPDATE u SET a = 1', expect.arrayContaining(['u', 'users'])],
    ['WITH u AS (SELECT id FROM users) DELETE FROM u', expect.arrayContaining(['u', 'users'])],
    ['WITH p AS (SELECT u FROM posts) UPDATE users SET a = 1 FROM p', ['users']],
    ['INSERT TOP (5) INTO users SELECT * FROM posts', ['users']],
    ['MERGE TOP (5) PERCENT INTO users USING x ON 1 = 1', ['users']],
    ['INSERT INTO straße VALUES (1) ON DUPLICATE KEY UPDATE a = 1', ['straße']],
  ])('%s', (sql, expected) => {
    expect(names(sql)).toEqual(expected);
  });

  test("MySQL's multi-table DELETE names every table it mentions", () => {
    expect(names('DELETE x, y FROM users x JOIN posts y ON y.u = x.id')).toEqual(
      expect.arrayContaining(['users', 'posts']),
    );
  });

  test('TRUNCATE … CASCADE differs from TRUNCATE', () => {
    expect(readSql('TRUNCATE users CASCADE').writes[0]?.truncateCascade).toBe(true);
    expect(readSql('TRUNCATE users').writes[0]?.truncateCascade).toBe(false);
  });

  test('a statement that deletes rows to write them counts as a write of their dependents', () => {
    for (const sql of ['REPLACE INTO users VALUES (1)', 'INSERT OR REPLACE INTO users VALUES (1)'])
      expect(readSql(sql).writes[0]?.kind).toBe('mixed');
    expect(readSql('INSERT INTO users VALUES (1)').writes[0]?.kind).toBe('insert');
  });

  test('a MERGE that deletes rows counts as a write of their dependents', () => {
    const merge = 'MERGE INTO users USING x ON 1 = 1 WHEN MATCHED THEN';
    expect(readSql(`${merge} DELETE`).writes[0]?.kind).toBe('mixed');
    expect(readSql(`${merge} UPDATE SET a = 1`).writes[0]?.kind).toBe('insert');
  });

  test.each([
    ['BEGIN', 'begin'],
    ['/* app:web */ BEGIN', 'begin'],
    ['-- why\nCOMMIT', 'commit'],
    ['BEGIN NOT ATOMIC UPDATE a SET x = 1; END', 'commit'],
    ['SET autocommit = 0', 'begin'],
    ['SET foreign_key_checks = 0, @@session.autocommit := OFF', 'begin'],
    ['SET autocommit = ON', 'commit'],
    ['SET GLOBAL autocommit = 0', undefined],
    ['UPDATE a SET autocommit = 0', undefined],
    ["XA START 'x'", 'begin'],
    ["XA END 'x'", undefined],
    ["XA COMMIT 'x'", 'commit'],
    ["XA ROLLBACK 'x'", 'rollback'],
    ['UPDATE a SET x = "; COMMIT"', undefined],
    ['START TRANSACTION READ WRITE', 'begin'],
    ['begin immediate', 'begin'],
    ['COMMIT', 'commit'],
    ['END TRANSACTION', 'commit'],
    ['ROLLBACK', 'rollback'],
    ['ROLLBACK TO SAVEPOINT a', 'savepoint'],
    ['ROLLBACK WORK TO a', 'savepoint'],
    ['SAVEPOINT a', 'savepoint'],
    ['RELEASE SAVEPOINT a', 'savepoint'],
    ['BEGIN; UPDATE a SET x = 1; COMMIT', 'commit'],
    ['/* who */ BEGIN', 'begin'],
    ['-- who\nBEGIN', 'begin'],
    ['SELECT 1 /* ; */; -- done\n COMMIT', 'commit'],
    ['COMMIT AND CHAIN', 'begin'],
    ['ROLLBACK WORK AND CHAIN', 'begin'],
    ['COMMIT AND NO CHAIN', 'commit'],
    ['COMMIT; BEGIN', 'begin'],
    ['CREATE FUNCTION f1() RETURNS int AS $f1$ BEGIN; COMMIT; END; $f1$ LANGUAGE plpgsql', undefined],
    ["UPDATE a SET x = '; COMMIT'", undefined],
    ['DO $$ BEGIN UPDATE a SET x = 1; END; $$', undefined],
    ['UPDATE commits SET begin = 1', undefined],
  ])('%s controls: %s', (sql, control) => {
    expect(readSql(sql).control).toBe(control);
  });

  test.each([
    [`UPDATE a SET x = 'it\\'s'; COMMIT; UPDATE a SET x = 'y'`, undefined, 'commit'],
    [`UPDATE a SET x = "6\\""; COMMIT; UPDATE a SET x = "y"`, undefined, 'commit'],
    [`UPDATE a SET x = 'C:\\'; COMMIT; UPDATE a SET x = 'y'`, 'commit', undefined],
    [`UPDATE a SET x = E'it\\'s'; COMMIT; UPDATE a SET x = 'y'`, 'commit', 'commit'],
  ])('%s: a backslash in a text is what the database takes it for', (sql, standard, mysql) => {
    expect(readSql(sql).control).toBe(standard);
    expect(readSql(sql, true).control).toBe(mysql);
  });

  test.each([
    ['COMMIT', undefined],
    ['SET autocommit = 0', 'off'],
    ["SET SESSION autocommit = 'off'", 'off'],
    ['SET autocommit = 1', 'on'],
  ])('%s switches autocommit: %s', (sql, autocommit) => {
    expect(readSql(sql).autocommit).toBe(autocommit);
  });

  test.each([
    ['CREATE TABLE a (id int)', true],
    ['CREATE TEMPORARY TABLE a (id int)', false],
    ['CREATE OR REPLACE TEMPORARY TABLE a (id int)', false],
    ['DROP TEMPORARY TABLE a', false],
    ['/* hint */ TRUNCATE a', true],
    ['SELECT 1; ALTER TABLE a ADD b int', true],
    ['LOCK TABLES a WRITE', true],
    ['START TRANSACTION', true],
    ["UPDATE a SET b = '; DROP TABLE a'", false],
    ['SAVEPOINT a', false],
  ])('%s ends what is open: %s', (sql, ends) => {
    expect(readSql(sql).commitsImplicitly).toBe(ends);
  });

  test.each([
    ['SELECT a FROM users WHERE b = 1', true],
    ['SELECT 1; UPDATE users SET a = 1', false],
    ['WITH x AS (DELETE FROM users) SELECT 1', false],
  ])('%s is read no further: %s', (sql, isPlain) => {
    expect(isPlainSelect(sql)).toBe(isPlain);
  });
});

test('the remembered effect of a statement depends on the tables behind the part that recurs', () => {
  const table = (tablePath: string) => ({ tablePath, foreignKeys: [], tableType: 'regular' });
  const dataSource = { options: { type: 'mssql' }, entityMetadatas: ['u', 'users', 'posts'].map(table) };
  const statements = new StatementReader(dataSource as unknown as OrmDataSource);
  const written = (sql: string) => statements.read(sql).writes.map((write) => write.table);
  expect(written('UPDATE u SET a = 1 WHERE b = 2')).toEqual(['u']);
  expect(written('UPDATE u SET a = 1 FROM users u')).toEqual(['u', 'users']);
  expect(written('UPDATE u SET a = 1 FROM posts u')).toEqual(['u', 'posts']);
});

test.each([
  ['UPDATE a SET x = 1, "y" = 2 WHERE z = 3 AND w = 4', ['x', 'y']],
  ['UPDATE a SET (x, [y]) = (SELECT 1, 2), z = 3', ['x', 'y', 'z']],
  ['UPDATE a t SET t.x=1, t.`y` += 2 FROM b WHERE b.z = t.z', ['x', 'y']],
  ['INSERT INTO a (x) VALUES (1) ON CONFLICT (x) DO UPDATE SET y = excluded.y', ['y']],
  ['INSERT INTO a (x) VALUES (1) ON DUPLICATE KEY UPDATE y = VALUES(y), Z = 2', ['y', 'z']],
  ['UPDATE a SET /* which */ x /* = */ = 1', ['x']],
  ['DELETE FROM a WHERE x = 1', []],
])('%s assigns the columns %j', (sql, columns) => {
  expect([...assignedColumns(sql)].sort()).toEqual(columns);
});
