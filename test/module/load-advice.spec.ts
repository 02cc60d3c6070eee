import { afterEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { expectCovered } from '../../lib/testing.js';
import type { TestApplication } from '../support/application.js';
import { Books, startShop } from '../verify/support/shop.js';

const LINE =
  `Books.forgetful reads the table 'author', which none of its rules covers: a change of it leaves stale values. Write ` +
  `invalidatesOn: […, Author].`;

describe('a table that a load reads and no rule covers', () => {
  let app: TestApplication;
  afterEach(() => app.close());

  it('is named in the log and in status(), once, with the line to write', async () => {
    app = await startShop({ verify: false });
    const books = app.get(Books);
    expect(app.cache.status().advice).toEqual([]);
    for (const id of [1, 2]) await books.forgetful(id);
    expect(app.cache.status().advice).toEqual([LINE]);
    expect(app.log.warnings).toEqual([LINE]);
  });

  it('is found by expectCovered(), which names class, method, table and rule', async () => {
    app = await startShop({ verify: false });
    const books = app.get(Books);
    await books.covered(1);
    expectCovered(app.module);
    await books.forgetful(1);
    expect(() => expectCovered(app.module)).toThrow(LINE);
    expectCovered(app.module, { except: ['Books.forgetful'] });
  });

  it('may be read by a cached method inside the load, whose rules count', async () => {
    app = await startShop({ verify: false });
    await app.get(Books).outer(1);
    expect(() => expectCovered(app.module)).toThrow(/^Books\.forgetful reads the table 'author'[^\n]*$/);
  });

  it('is found in raw SQL, with its aliases and lists of tables', async () => {
    app = await startShop({ verify: false });
    const dataSource = app.get(DataSource);
    const read = (sql: string): Promise<unknown> => app.get(Books).raw(sql);
    await read(`SELECT b.title FROM "book" AS b WHERE b.title <> ' from "author" '`);
    expectCovered(app.module);
    await read('select * from book b, author a where a.id = b."authorId"');
    expect(() => expectCovered(app.module)).toThrow("Books.raw reads the table 'author'");
    expect(dataSource.isInitialized).toBe(true);
  });
});
