import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import { attachCollector, type CollectorHandle } from '../../lib/typeorm/data-source.js';
import { StatementTransactions } from '../../lib/typeorm/patches/statement-transactions.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { createDataSource, line, RecordingSink } from './database.js';
import { Note } from './entities.js';

const orm = (dataSource: DataSource) => dataSource as unknown as OrmDataSource;
const METHODS = ['createQueryRunner', 'createQueryBuilder'] as const;

let dataSource: DataSource;
const sink = new RecordingSink();
const reports: string[] = [];
const report = (part: string, effect: string): void => void reports.push(`${part}: ${effect}`);
let handle: CollectorHandle | undefined;
const attach = () => (handle = attachCollector(orm(dataSource), sink, { onUnsupported: report }));

beforeEach(() => {
  dataSource = createDataSource('sql.js');
  sink.clear();
  reports.length = 0;
  handle = undefined;
});
afterEach(async () => {
  handle?.detach();
  if (dataSource.isInitialized) await dataSource.destroy();
});

test('a TypeORM of a supported version is patched without a report', async () => {
  attach();
  const statements = new StatementTransactions(orm(dataSource), () => new Set(['note']), report);
  await dataSource.initialize();
  sink.clear();
  await dataSource.manager.insert(Note, { id: 1, text: 'x' });
  await dataSource.manager.update(Note, { id: 1 }, { text: 'y' });
  expect(sink.changes.map((change) => line(change))).toHaveLength(2);
  expect(reports).toEqual([]);
  statements.close();
});

test('every patch is taken back when the last collector is detached', () => {
  const before = METHODS.map((name) => Object.getOwnPropertyDescriptor(dataSource, name));
  const statements = new StatementTransactions(orm(dataSource), () => new Set(), report);
  attach().detach();
  statements.close();
  expect(METHODS.map((name) => Object.getOwnPropertyDescriptor(dataSource, name))).toEqual(before);
  expect(Object.getOwnPropertyDescriptor(dataSource, 'subscribers')).toMatchObject({ writable: true });
});

describe('a part of TypeORM with an unknown shape', () => {
  test('is reported with its effect and left alone: createQueryRunner() that cannot be replaced', async () => {
    Object.defineProperty(dataSource, 'createQueryRunner', {
      value: dataSource.createQueryRunner.bind(dataSource),
      writable: false,
    });
    attach();
    expect(reports).toEqual([
      expect.stringMatching(/^createQueryRunner\(\) .*exactStatements has no effect/),
    ]);
    await dataSource.initialize();
    sink.clear();
    await dataSource.manager.insert(Note, { id: 1, text: 'x' });
    expect(sink.changes).toHaveLength(1);
  });

  test('is reported with its effect and left alone: a query runner without release()', async () => {
    const { createQueryRunner } = dataSource;
    dataSource.createQueryRunner = (...args) => {
      const runner = createQueryRunner.apply(dataSource, args);
      return Object.assign(Object.create(runner) as typeof runner, { release: undefined });
    };
    attach();
    const runner = dataSource.createQueryRunner();
    expect(Object.getOwnPropertyNames(runner)).toEqual(['release']);
    expect(reports).toEqual([expect.stringMatching(/^query\(\), startTransaction\(\) or release\(\)/)]);
  });

  test.each([
    ['has no expressionMap', {}],
    ['has another expressionMap', { expressionMap: { queryType: 'update', clone: () => undefined } }],
  ])('is reported with its effect and left alone: a query builder that %s', (_, builder) => {
    const createQueryBuilder = (): object => builder;
    dataSource.createQueryBuilder = createQueryBuilder as never;
    new StatementTransactions(orm(dataSource), () => new Set(['note']), report);
    expect(dataSource.createQueryBuilder).toBe(createQueryBuilder);
    expect(reports).toEqual([expect.stringMatching(/^createQueryBuilder\(\) .* outside of a transaction/)]);
  });

  test('is refused where changes would be missed: subscribers that cannot be replaced', () => {
    Object.defineProperty(dataSource, 'subscribers', { value: [], configurable: false });
    expect(attach).toThrow(/subscribers .* cannot be replaced/);
  });
});
