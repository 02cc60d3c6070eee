import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import type { Change } from '../../lib/invalidation/change.interface.js';
import { attachCollector } from '../../lib/typeorm/data-source.js';
import { SavepointLevel, TransactionChanges } from '../../lib/typeorm/collect/transaction-changes.js';
import { databaseState } from '../../lib/typeorm/rows/row-states.js';
import { StaleReads } from '../../lib/typeorm/collect/stale-reads.js';
import type { OrmDataSource, OrmMetadata } from '../../lib/typeorm/typeorm.interface.js';
import { line, openDataSource, RecordingSink } from './database.js';
import { Article, Tag } from './entities.js';
import { seed } from './operations.js';

const realNow = Date.now.bind(Date);
let passed = 0;
beforeEach(() => {
  passed = 0;
  jest.spyOn(Date, 'now').mockImplementation(() => realNow() + passed);
});
afterEach(() => void jest.restoreAllMocks());

describe('two writers of one row', () => {
  let dataSource: DataSource;
  const sink = new RecordingSink();
  beforeEach(async () => {
    dataSource = await openDataSource('PostgreSQL');
    await seed(dataSource);
    sink.clear();
    attachCollector(dataSource as unknown as OrmDataSource, sink);
  });
  afterEach(() => dataSource.destroy());

  test('a save() of many rows has unknown old values where another one wrote meanwhile, however long ago', async () => {
    const { schema } = dataSource.options as { schema?: string };
    const articles = dataSource.getRepository(Article);
    await articles.save({ id: 3, title: 'three', categoryId: 1, author: { id: 1 } });
    await dataSource.query(
      `CREATE OR REPLACE FUNCTION ${schema}.linger() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF NEW.id = 2 AND NEW.title LIKE ''slow%'' THEN PERFORM pg_sleep(1); END IF; RETURN NEW; END'`,
    );
    await dataSource.query(
      `CREATE TRIGGER linger BEFORE UPDATE ON ${schema}.article FOR EACH ROW EXECUTE FUNCTION ${schema}.linger()`,
    );
    passed += 60_000;
    const isFirstWritten = new Promise<void>((resolve) => {
      dataSource.subscribers.push({
        afterQuery: ({ query }: { query: string }) => void (/^UPDATE/.test(query) && resolve()),
      } as never);
    });
    const slow = articles.save([1, 2, 3].map((id) => ({ id, title: `slow ${id}`, categoryId: null })));
    await isFirstWritten;
    await articles.save({ id: 3, categoryId: 2 });
    // The other one is long over when the third row is written.
    passed += 60_000;
    sink.clear();
    await slow;
    expect(sink.changes.map((change) => line(change, ['categoryId']))).toEqual([
      expect.stringMatching(/^update article 1 \(1\) → \(null\)/),
      expect.stringMatching(/^update article 2 \(\w+\) → \(null\)/),
      expect.stringMatching(/^update article 3 \(\?\) → \(null\)/),
    ]);
  });
});

describe('writes that are remembered', () => {
  let dataSource: DataSource;
  let metadata: OrmMetadata;
  beforeAll(async () => {
    dataSource = await openDataSource('sql.js');
    metadata = (dataSource as unknown as OrmDataSource).entityMetadatas.find(({ target }) => target === Tag)!;
  });
  afterAll(() => dataSource.destroy());

  const change = (id: number, before: string, after: string): Change => ({
    table: 'tag',
    entityName: 'Tag',
    entity: Tag,
    type: 'update',
    id,
    before: databaseState(metadata, { id, label: before }),
    after: databaseState(metadata, { id, label: after }),
    updatedColumns: ['label'],
  });
  const unknown = (columns: readonly string[] | undefined): Change => ({
    ...change(0, '', ''),
    id: undefined,
    before: undefined,
    after: undefined,
    updatedColumns: columns,
  });
  const begun = (): TransactionChanges =>
    Object.assign(new TransactionChanges(), { levels: [new SavepointLevel()] });
  const alone = (reads: StaleReads, one: Change): Change => reads.check(one, new TransactionChanges());

  test('make older reads unknown when there were too many to remember', () => {
    const reads = new StaleReads();
    const slow = begun();
    alone(reads, change(1, 'a', 'b'));
    for (let id = 2; id < 6_000; id++) alone(reads, change(id, 'x', 'y'));
    passed += 60_000;
    expect(line(reads.check(change(1, 'a', 'c'), slow), ['id', 'label'])).toBe(
      'update tag 1 (1,?) → (1,c) [label]',
    );
    // Who begins now has read what they wrote.
    expect(reads.check(change(6_001, 'a', 'c'), begun()).before).toBeDefined();
  });

  test('make reads unknown when an open transaction made more of them than are remembered', () => {
    const reads = new StaleReads();
    const open = begun();
    for (let id = 1; id < 5_010; id++) reads.check(change(id, 'x', 'y'), open);
    passed += 60_000;
    expect(line(reads.check(change(1, 'x', 'z'), begun()), ['id', 'label'])).toBe(
      'update tag 1 (1,?) → (1,z) [label]',
    );
  });

  test('make a column unknown that an open transaction wrote in unknown rows, among many such statements', () => {
    const reads = new StaleReads();
    const open = begun();
    reads.check(unknown(['label']), open);
    for (let i = 0; i < 120; i++) alone(reads, unknown([`column${i}`]));
    passed += 60_000;
    const told = reads.check(change(1, 'x', 'z'), begun());
    expect(line(told, ['id', 'label'])).toBe('update tag 1 (1,?) → (1,z) [label]');
  });

  test('do not concern transactions that began long after', () => {
    const reads = new StaleReads();
    alone(reads, change(1, 'a', 'b'));
    for (let i = 0; i < 120; i++) alone(reads, unknown(undefined));
    passed += 60_000;
    expect(line(reads.check(change(1, 'a', 'c'), begun()), ['label'])).toBe('update tag 1 (a) → (c) [label]');
  });
});
