import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Column, Entity, PrimaryGeneratedColumn, type DataSource } from 'typeorm';
import { coarseValue } from '../../lib/keys/index.js';
import { storedValue, UNKNOWN } from '../../lib/typeorm/entities/columns.js';
import { attachCollector } from '../../lib/typeorm/data-source.js';
import type { OrmColumn, OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { DATABASES, isMariaDb, openDataSource, RecordingSink, type DatabaseName } from './database.js';

/** Kept in a text of its own making, to the cent. */
const euros = {
  to: (value: number | null | undefined) => (typeof value === 'number' ? `EUR ${value.toFixed(2)}` : value),
  from: (value: string | null) => (value === null ? null : Number(value.slice(4))),
};

@Entity()
class Measure {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'date', nullable: true }) day!: unknown;
  @Column({ type: 'decimal', precision: 10, scale: 2, nullable: true }) amount!: unknown;
  @Column({ type: 'time', nullable: true }) hour!: unknown;
  @Column({ type: 'int', nullable: true }) count!: unknown;
  @Column({ type: Boolean, nullable: true }) done!: unknown;
  @Column({ type: Date, precision: 0, nullable: true }) at!: unknown;
  @Column({ type: Date, nullable: true }) noted!: unknown;
  @Column({ type: 'varchar', nullable: true, transformer: euros }) price!: number | null;
}

interface Case {
  readonly given: Partial<Measure>;
  /** Whether a rule that maps the column stays exact. */
  readonly known: boolean;
  readonly except?: (database: DatabaseName) => boolean;
}

const notOnMariaDb = isMariaDb;
const onlyPostgres = (database: DatabaseName): boolean => database !== 'PostgreSQL';

const CASES: Record<string, Case> = {
  'a Date in a date column': { given: { day: new Date(2026, 0, 5, 15, 30) }, known: true },
  'a day': { given: { day: '2026-01-05' }, known: true },
  'a day in another spelling': { given: { day: '2026-1-5' }, known: false },
  'a moment as text in a date column': {
    given: { day: '2026-01-05T10:00:00Z' },
    known: false,
    except: notOnMariaDb,
  },
  'a decimal': { given: { amount: '12.5' }, known: true },
  'a decimal with zeros': { given: { amount: '12.500' }, known: true },
  'a decimal with more digits than its scale': { given: { amount: '12.345' }, known: false },
  'a number with more digits than its scale': { given: { amount: 0.1 + 0.2 }, known: false },
  'a time': { given: { hour: '09:05:00' }, known: true },
  'a time in another spelling': { given: { hour: '9:05' }, known: false },
  'a whole number as text': { given: { count: '007' }, known: true },
  'a boolean as text': { given: { done: 't' }, known: false, except: onlyPostgres },
  'a boolean': { given: { done: true }, known: true },
  'a Date of whole seconds': { given: { at: new Date(1_767_225_601_000) }, known: true },
  'a Date with parts of seconds where none are kept': {
    given: { at: new Date(1_767_225_601_600) },
    known: false,
  },
  'a value that comes back from its transformer': { given: { price: 9.5 }, known: true },
  'a value that its transformer rounds': { given: { price: 9.999 }, known: false },
};

describe.each(DATABASES)('values of an entity on %s', (database) => {
  let dataSource: DataSource;
  let sink: RecordingSink;
  beforeAll(async () => {
    dataSource = await openDataSource(database, { entities: [Measure] });
    sink = new RecordingSink();
    attachCollector(dataSource as unknown as OrmDataSource, sink);
  });
  afterAll(() => dataSource.destroy());

  const cases = Object.entries(CASES).filter(([, { except }]) => except?.(database) !== true);
  test.each(cases)(
    '%s is reported as the database stores it, or as unknown',
    async (_, { given: each, known }) => {
      const measures = dataSource.getRepository(Measure);
      const [property] = Object.keys(each) as [keyof Measure];
      const writes = {
        save: () => measures.save({ ...each }),
        'save again': async () => measures.save({ ...(await measures.save({})), ...each }),
        // TypeORM writes the id into what it is given.
        insert: () => measures.insert({ ...each } as never),
      };
      for (const [how, write] of Object.entries(writes)) {
        await write();
        const [row] = await measures.find({ order: { id: 'DESC' }, take: 1 });
        const { after } = sink.changes.at(-1)!;
        const reading = after!.read(property);
        expect([how, reading.known]).toEqual([how, known]);
        if (reading.known) expect(coarseValue(reading.value)).toBe(coarseValue(row![property]));
        // A mapping that is a function sees no more than one that is a path.
        expect(property in after!.object).toBe(known);
      }
    },
  );

  test('a time is reported where the column stores all of it', async () => {
    const noted = new Date(1_767_225_601_600);
    await dataSource.getRepository(Measure).save({ noted });
    const reading = sink.changes.at(-1)!.after!.read('noted');
    expect(reading).toEqual(isMariaDb(database) ? { known: false } : { known: true, value: noted });
  });
});

test.each([
  ['datetime', '2026-01-05T10:00:00.030Z', true],
  ['datetime', '2026-01-05T10:00:00.031Z', false],
  ['smalldatetime', '2026-01-05T10:30:00Z', true],
  ['smalldatetime', '2026-01-05T10:30:01Z', false],
])('a %s of SQL Server at %s is known: %s', (type, text, known) => {
  const entityMetadata = { dataSource: { options: { type: 'mssql' } } };
  const stored = storedValue({ type, entityMetadata } as unknown as OrmColumn, new Date(text));
  expect(stored !== UNKNOWN).toBe(known);
});
