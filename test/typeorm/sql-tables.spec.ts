import { describe, expect, test } from '@jest/globals';
import { readSql } from '../../lib/typeorm/sql-tables.js';

const names = (sql: string) => readSql(sql).writes.map(({ path }) => path.join('.'));

describe('the tables that SQL writes', () => {
  test.each([
    ['SELECT * FROM users', []],
    ['SELECT * FROM users FOR UPDATE', []],
    ["SELECT replace (name, 'a', 'b') FROM users", []],
    ['INSERT INTO users (id) VALUES (1)', ['users']],
    ['INSERT INTO "app"."users"("id") VALUES ($1)', ['app.users']],
    ['insert or replace into `users` values (1)', ['users']],
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
    ['INSERT INTO straße VALUES (1) ON DUPLICATE KEY UPDATE a = 1', ['straße']],
  ])('%s', (sql, expected) => {
    expect(names(sql)).toEqual(expected);
  });

  test("MySQL's multi-table DELETE names every table it mentions", () => {
    expect(names('DELETE x, y FROM users x JOIN posts y ON y.u = x.id')).toEqual(
      expect.arrayContaining(['users', 'posts']),
    );
  });

  test('TRUNCATE … CASCADE is told apart', () => {
    expect(readSql('TRUNCATE users CASCADE').writes[0]?.truncateCascade).toBe(true);
    expect(readSql('TRUNCATE users').writes[0]?.truncateCascade).toBe(false);
  });

  test.each([
    ['BEGIN', 'begin'],
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

  test('a plain statement costs no more for its length', () => {
    const select = `SELECT ${Array.from({ length: 40 }, (_, i) => `"a"."column${i}"`).join()} FROM "article" "a" WHERE "a"."id" = $1`;
    const started = process.hrtime.bigint();
    for (let i = 0; i < 100_000; i++) readSql(select);
    expect(Number(process.hrtime.bigint() - started) / 100_000).toBeLessThan(50_000);
  });
});
