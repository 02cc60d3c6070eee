import 'reflect-metadata';
import { describe, expect, test } from '@jest/globals';
import { EntitySchema, type DataSource, type EntitySchemaColumnOptions } from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, CacheService, invalidates } from '../../lib/index.js';
import { coarseValue, spellingsOf } from '../../lib/keys/index.js';
import { TestApplication } from '../support/application.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { DATABASES, isMariaDb, isShared, openDataSource, type DatabaseName } from './database.js';

/** A column, two of its values, and whether a change of one keeps what was cached by the usual text of the other. */
interface Case {
  readonly column: Omit<EntitySchemaColumnOptions, 'nullable'>;
  readonly values: readonly [unknown, unknown];
  readonly isExact: boolean;
  /** Texts to begin with, beside the usual one of each value. */
  readonly texts?: readonly unknown[];
}

const kept = (type: unknown, one: unknown, other: unknown, ...texts: unknown[]): Case => ({
  column: { type: type as never },
  values: [one, other],
  isExact: true,
  texts,
});
const dropped = (type: unknown, one: unknown, other: unknown, ...texts: unknown[]): Case => ({
  ...kept(type, one, other, ...texts),
  isExact: false,
});

const DAYS = [
  '2026-01-05',
  '2026-01-06',
  '2026-1-5',
  '20260105',
  'Jan 5 2026',
  '260105',
  '26-1-5',
  '5 Jan 2026',
] as const;
const TIMES = ['09:05:00', '10:15:00', '9:5', '09:05', '9:05:00', '090500', '9:05 AM', '09:05:00.0'] as const;
const MOMENTS = [
  new Date('2026-01-05T09:05:00Z'),
  new Date('2026-01-06T10:00:00Z'),
  '2026-01-05 09:05',
  '2026-01-05T09:05Z',
  '2026-01-05 09:05:00+00',
  '2026-01-05 09:05:00',
  '2026-01-05 09:05:00.000',
  'Jan 5 2026 09:05',
] as const;
const WORDS = ['die Straße', 'another', 'die Strase', 'die Strasse', 'DIE STRASSE', 'die Straße '] as const;
const LETTERS = [
  ['Müller', 'Mueller', 'Myller', 'muller', 'MÜLLER'],
  ['Ägir', 'aegir', 'Agir', 'Ægir'],
  ['smörgås', 'smoergaas', 'smorgas', 'smörgaas'],
  ['か', 'カ', 'が'],
  ['😀', '🚀', '?'],
  ['Năм', 'nam'],
  ['٤٢', '42', '४२'],
  ['ʣen', 'dzen'],
  ['ﬁle', 'file', 'FILE'],
  ['résumé', 'resume', 'RÉSUMÉ'],
] as const;
const words = (type: string, isExact: boolean, options: object = {}): Record<string, Case> =>
  Object.fromEntries([
    [
      `${type} ${JSON.stringify(options)}`,
      { ...kept(type, ...WORDS), column: { type, length: 40, ...options } as never, isExact },
    ],
    ...LETTERS.map(([one, ...texts]) => [
      `${type} ${JSON.stringify(options)} of ${one}`,
      // Digits of other scripts and rare letters are not told from ASCII by all collations.
      {
        ...kept(type, one, 'another', ...texts),
        isExact: isExact && !/[٤ʣ]/.test(one),
        column: { type, length: 40, ...options } as never,
      },
    ]),
  ]);

const COMMON: Record<string, Case> = {
  int: kept('int', 42, 43, '42 EUR', '42-title', '042', '+42', '4.2e1', '42.4', '0x2a', '4_2', '42abc'),
  bigint: kept(
    'bigint',
    '9007199254740993',
    '77',
    '9007199254740992',
    '9007199254740993.0',
    '9007199254740994',
  ),
  decimal: {
    ...kept('decimal', '12.50', '13.00', '12.5 EUR', '12.5', '012.500', '1.25e1'),
    column: { type: 'decimal', precision: 20, scale: 2 },
  },
  date: kept('date', ...DAYS, new Date(2026, 0, 5, 15), new Date('2026-01-05')),
  time: kept('time', ...TIMES),
};
const COLUMNS: Record<'postgres' | 'mysql' | 'sqlite', Record<string, Case>> = {
  postgres: {
    ...COMMON,
    boolean: kept('boolean', true, false, 't', 'yes', 'on', 'y', 'TRUE', '1', 'tru', true, 1),
    uuid: kept(
      'uuid',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      '{a0eebc999c0b4ef8bb6d6bb9bd380a11}',
    ),
    timestamptz: dropped('timestamptz', ...MOMENTS),
    timestamp: dropped('timestamp', ...MOMENTS),
    real: kept('real', 0.1, 0.2, '0.100000001', '.1', '1e-1'),
    'double precision': kept('double precision', 0.1, 0.2, '0.1000000000000000055', '.1'),
    money: dropped('money', '$12.50', '$13.00', '12.5', '$12.5', '12.50'),
    inet: dropped('inet', '10.0.0.1', '10.0.0.2', '10.0.0.1/32'),
    interval: dropped('interval', '01:00:00', '02:00:00', '1 hour', '60 minutes', 'PT1H'),
    citext: dropped('citext', 'Word', 'other', 'WORD', 'word'),
    ...words('varchar', true),
    ...words('text', true, { length: undefined }),
    ...words('char', true),
  },
  mysql: {
    ...COMMON,
    tinyint: kept('tinyint', 1, 0, '1x', '01', true, 'true'),
    datetime: dropped('datetime', ...MOMENTS),
    timestamp: dropped('timestamp', ...MOMENTS),
    'time(3)': { ...dropped('time', ...TIMES), column: { type: 'time', precision: 3 } },
    float: kept('float', 0.5, 0.25, '0.50', '0.5x', '5e-1'),
    double: kept('double', 0.1, 0.2, '0.1000000000000000055', '.1'),
    year: dropped('year', 2026, 2025, '26', '2026x', '2026'),
    enum: {
      ...kept('enum', 'red', 'blue', 'RED', 1, '1', 'red '),
      column: { type: 'enum', enum: ['red', 'blue'] },
    },
    ...words('varchar', true, { charset: 'utf8mb4', collation: 'utf8mb4_general_ci' }),
    ...words('varchar', true, { charset: 'utf8mb4', collation: 'utf8mb4_unicode_ci' }),
    ...words('varchar', false, { charset: 'utf8mb4', collation: 'utf8mb4_german2_ci' }),
    ...words('varchar', false, { charset: 'utf8mb4', collation: 'utf8mb4_lithuanian_ci' }),
    ...words('varchar', true, { charset: 'utf8mb4', collation: 'utf8mb4_swedish_ci' }),
  },
  sqlite: {
    ...COMMON,
    boolean: kept('boolean', true, false, 't', 'TRUE', '1', true, 1, '1.0'),
    datetime: dropped('datetime', ...MOMENTS),
    float: kept('float', 0.5, 0.25, '0.50', '.5'),
    ...words('varchar', true),
    ...words('varchar', true, { collation: 'NOCASE' }),
  },
};
const familyOf = (database: DatabaseName) =>
  isShared(database) ? 'sqlite' : isMariaDb(database) ? 'mysql' : 'postgres';

/** Makes other texts of a text, most of which no database takes for the same value. */
function* mutations(text: string, random: () => number): Generator<string> {
  yield* [
    ` ${text}`,
    `${text} `,
    text.toUpperCase(),
    text.toLowerCase(),
    `0${text}`,
    `+${text}`,
    `${text}.0`,
  ];
  yield* [
    `${text}x`,
    `${text}-title`,
    text.replaceAll('-', '/'),
    text.replaceAll(':', ''),
    text.normalize('NFD'),
  ];
  yield* [text.replace(/:00$/, ''), text.replace(/\.?0+$/, ''), text.replaceAll(/\b0/g, ''), `${text}\u200b`];
  for (let i = 0; i < soaked(100); i++) {
    const at = Math.floor(random() * (text.length + 1));
    const [head, tail] = [text.slice(0, at), text.slice(at + Math.floor(random() * 2))];
    yield head + [' ', '0', '', '-', '.', ':', "'", 'e', 'T', 's', 'ß'][Math.floor(random() * 11)]! + tail;
  }
}

/** A cached method whose rule maps the column. */
function readerOf(entity: EntitySchema): new () => { find(value: unknown): Promise<string> } {
  class Reader {
    @CacheResult({
      name: `${entity.options.name}.find`,
      keyConstructor: { value: new ArgsKeyField('value', { partition: true }) },
      invalidatesOn: [invalidates(entity.options.name, { fieldMapping: { value: 'value' } } as never)],
    })
    async find(value: unknown): Promise<string> {
      return `rows found by ${String(value)}`;
    }
  }
  return Reader;
}

describe.each(DATABASES)('on %s', (database) => {
  const cases = Object.entries(COLUMNS[familyOf(database)]);

  test('whatever spelling finds a row is dropped with it', async () => {
    const random = randomNumbers(seed);
    announce(`spellings on ${database}`, cases.length * soaked(100));
    const schemas = cases.map(
      ([, { column }], i) =>
        new EntitySchema<{ id: number; value: unknown; note: string }>({
          name: `Spelled${i}`,
          columns: {
            id: { type: Number, primary: true },
            value: { ...column, nullable: true } as EntitySchemaColumnOptions,
            note: { type: String, default: '' },
          },
        }),
    );
    const dataSource = await openDataSource(database, { entities: schemas });
    const readers = schemas.map(readerOf);
    const app = await TestApplication.start(readers, { dataSources: [dataSource] });
    const stale: string[] = [];
    const coarse: string[] = [];
    let found = 0;
    try {
      for (const [i, [name, { values, texts = [], isExact }]] of cases.entries()) {
        const rows = dataSource.getRepository(schemas[i]!);
        const method = app.get(CacheService).for(readers[i]!, 'find');
        await rows.save({ id: 1, value: values[0], note: 'a' });
        await rows.save({ id: 2, value: values[1], note: 'a' });
        const spellings = new Set<unknown>([...values, ...texts]);
        for (const other of mutations(String(values[0]), random)) spellings.add(other);
        const finding: unknown[] = [];
        for (const spelling of spellings)
          if (await finds(dataSource, schemas[i]!, spelling)) finding.push(spelling);
        found += finding.length;
        for (const spelling of finding) await method.get(spelling);
        const [, other] = values;
        await method.get(typeof other === 'object' ? other : String(other));
        await rows.save({ id: 1, note: 'b' });
        for (const spelling of finding)
          if ((await method.getCacheOnly(spelling)) !== CACHE_MISSING)
            stale.push(`${name}: ${JSON.stringify(spelling)}`);
        const left = await method.getCacheOnly(typeof other === 'object' ? other : String(other));
        if (isExact && left === CACHE_MISSING) coarse.push(name);
      }
    } finally {
      await app.close();
      await dataSource.destroy();
    }
    expect(stale).toEqual([]);
    expect(coarse).toEqual([]);
    expect(found).toBeGreaterThan(cases.length);
  });
});

/** Asks the database whether a text finds the first row. */
async function finds(dataSource: DataSource, entity: EntitySchema, value: unknown): Promise<boolean> {
  try {
    const rows = dataSource.getRepository(entity).createQueryBuilder('row');
    return (await rows.where('row.value = :value AND row.id = 1', { value }).getCount()) > 0;
  } catch {
    return false;
  }
}

/** Collations that compare texts in MariaDB, those aside that {@link spellingAt} takes for unknown. */
const COLLATIONS = ['general_ci', 'unicode_ci', 'unicode_520_ci', 'swedish_ci'];

test.each(DATABASES.filter(isMariaDb))(
  'on %s a letter has every tag of an ASCII text that finds it',
  async (database) => {
    const dataSource = await openDataSource(database, { entities: [] });
    const runner = dataSource.createQueryRunner();
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    const ascii = [
      ...letters,
      ...'0123456789',
      ...letters.flatMap((one) => letters.map((other) => one + other)),
    ];
    const chars: string[] = [];
    for (let code = 0x80; code < 0x1f200; code++)
      if (
        code < 0xd800
          ? code < 0x3400 || (code > 0xa4d0 && code < 0xac00)
          : code > 0xf900 && (code < 0xffff || code > 0x1d400)
      )
        chars.push(String.fromCodePoint(code));
    const wrong: string[] = [];
    try {
      const bin = 'VARCHAR(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';
      await runner.query(`CREATE TEMPORARY TABLE ascii (t ${bin})`);
      await runner.query(`CREATE TEMPORARY TABLE letter (t ${bin})`);
      await runner.query('INSERT INTO ascii VALUES ?', [ascii.map((text) => [text])]);
      for (let from = 0; from < chars.length; from += 5_000)
        await runner.query('INSERT INTO letter VALUES ?', [
          chars.slice(from, from + 5_000).map((text) => [text]),
        ]);
      for (const collation of COLLATIONS) {
        const key = `VARCHAR(4) CHARACTER SET utf8mb4 COLLATE utf8mb4_${collation}`;
        await runner.query(
          `CREATE TEMPORARY TABLE keyed (t ${bin}, k ${key}, KEY (k)) SELECT t, t AS k FROM ascii`,
        );
        await runner.query(
          `CREATE TEMPORARY TABLE compared (t ${bin}, k ${key}) SELECT t, t AS k FROM letter`,
        );
        const equal: { a: string; c: string }[] = [
          ...(await runner.query(
            'SELECT keyed.t AS a, c.t AS c FROM compared c STRAIGHT_JOIN keyed ON keyed.k = c.k',
          )),
          ...(await runner.query(
            `SELECT 'a' AS a, CONCAT('a', c.t) AS c FROM compared c WHERE CONCAT('a', c.k) = 'a'`,
          )),
        ];
        for (const { a, c } of equal) {
          const tags = spellingsOf(c)?.map((text) => coarseValue(text));
          if (tags?.includes(coarseValue(a)) === false)
            wrong.push(
              `${collation}: ${c} (${c.codePointAt(c.length > 1 && c[0] === 'a' ? 1 : 0)!.toString(16)}) is ${a}`,
            );
        }
        await runner.query('DROP TEMPORARY TABLE keyed, compared');
      }
    } finally {
      await runner.release();
      await dataSource.destroy();
    }
    expect(wrong).toEqual([]);
  },
);
