import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryColumn, ViewEntity, ViewColumn } from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, invalidates } from '../../lib/index.js';
import { settled } from '../support/gate.js';
import { TestApplication } from '../support/application.js';
import { connectionOptions, makeSchema, ownSchema } from '../support/databases.js';
import { SharedMemory } from '../support/shared-memory.js';

@Entity('event')
class Event {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @PrimaryColumn({ type: 'int' }) year!: number;
  @Column({ type: 'varchar', name: 'what' }) name!: string;
}

/** One of its partitions, as an entity. */
@Entity('event_2026')
class Recent {
  @PrimaryColumn({ type: 'int', name: 'id' }) key!: number;
  @PrimaryColumn({ type: 'int' }) year!: number;
  @Column({ type: 'varchar', name: 'what' }) text!: string;
}

@Entity('animal')
class Animal {
  @PrimaryColumn({ type: 'int' }) id!: number;
}

@ViewEntity({
  name: 'summary',
  materialized: true,
  expression: 'SELECT count(*)::int AS n FROM event',
  synchronize: false,
})
class Summary {
  @ViewColumn() n!: number;
}

const BY_ID = { id: new ArgsKeyField('id', { partition: true }) };

@Injectable()
class Reads {
  @CacheResult({ keyConstructor: BY_ID, invalidatesOn: [invalidates(Event, { fieldMapping: { id: 'id' } })] })
  async event(id: number): Promise<string> {
    return `event ${id}`;
  }

  @CacheResult({
    keyConstructor: BY_ID,
    invalidatesOn: [invalidates(Recent, { fieldMapping: { id: 'key' } })],
  })
  async recent(id: number): Promise<string> {
    return `recent ${id}`;
  }

  @CacheResult({
    keyConstructor: BY_ID,
    invalidatesOn: [invalidates(Animal, { fieldMapping: { id: 'id' } })],
  })
  async animal(id: number): Promise<string> {
    return `animal ${id}`;
  }

  @CacheResult({ keyConstructor: {}, invalidatesOn: [Summary] })
  async summary(): Promise<string> {
    return 'summary';
  }
}

const TABLES = [
  'CREATE TABLE event (id int, year int, what varchar, PRIMARY KEY (id, year)) PARTITION BY LIST (year)',
  'CREATE TABLE event_2025 PARTITION OF event FOR VALUES IN (2025)',
  'CREATE TABLE event_2026 PARTITION OF event FOR VALUES IN (2026)',
  'CREATE TABLE animal (id int PRIMARY KEY)',
  'CREATE TABLE dog (good bool) INHERITS (animal)',
  'CREATE TABLE plain (id int PRIMARY KEY)',
  'CREATE MATERIALIZED VIEW summary AS SELECT count(*)::int AS n FROM event',
  "INSERT INTO event VALUES (1, 2025, 'a'), (2, 2026, 'b')",
];

describe('tables that share rows on PostgreSQL', () => {
  const schema = ownSchema('families');
  const apps: TestApplication[] = [];
  let admin: DataSource;
  let store: SharedMemory;
  const options = (entities: Function[]) => ({
    ...connectionOptions('PostgreSQL', schema),
    entities,
    poolSize: 2,
    extra: { options: `-c search_path=${schema}` },
  });
  beforeAll(async () => {
    await makeSchema('PostgreSQL', schema, { empty: true });
    admin = await new DataSource(options([]) as never).initialize();
  });
  afterAll(() => admin?.destroy());
  beforeEach(async () => {
    store = new SharedMemory();
    await makeSchema('PostgreSQL', schema, { empty: true });
    for (const table of TABLES) await admin.query(table);
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
  });

  async function start(providers: Type[], entities: Function[]): Promise<TestApplication> {
    const app = await TestApplication.start(providers, { store, namespace: 'families' }, [
      TypeOrmModule.forRoot(options(entities) as never),
    ]);
    apps.push(app);
    return app;
  }

  const CALLS = [
    ...[1, 2].map((id) => ['event', id] as const),
    ...[1, 2].map((id) => ['recent', id] as const),
    ['animal', 1] as const,
    ['summary'] as const,
  ];
  async function dropped(app: TestApplication, write: () => Promise<unknown>): Promise<string> {
    const cached = CALLS.map(([method, ...args]) => ({
      name: [method, ...args].join(':'),
      of: app.cache.for(Reads, method as 'event'),
      args: args as unknown as [number],
    }));
    for (const { of, args } of cached) await of.get(...args);
    await write();
    const names: string[] = [];
    for (const { name, of, args } of cached)
      if ((await of.getCacheOnly(...args)) === CACHE_MISSING) names.push(name);
    return names.join(' ');
  }

  const EVENTS = 'event:1 event:2 recent:1 recent:2';
  const WRITES: readonly (readonly [sql: string, drops: string])[] = [
    ["UPDATE event_2026 SET what = 'x'", EVENTS],
    ["UPDATE event SET what = 'x'", EVENTS],
    ["INSERT INTO event_2025 VALUES (3, 2025, 'c')", EVENTS],
    ['DELETE FROM event_2025', EVENTS],
    ['TRUNCATE event_2026', EVENTS],
    ['DROP TABLE event_2025', EVENTS],
    ['ALTER TABLE event DETACH PARTITION event_2025', EVENTS],
    ['INSERT INTO dog VALUES (1, true)', 'animal:1'],
    ['INSERT INTO plain VALUES (1)', ''],
    ['REFRESH MATERIALIZED VIEW summary', 'summary'],
    [
      "CREATE TABLE event_2027 PARTITION OF event FOR VALUES IN (2027); INSERT INTO event_2027 VALUES (9, 2027, 'n')",
      `${EVENTS} animal:1`,
    ],
  ];

  test.each(WRITES)('in one process: %s', async (sql, drops) => {
    const app = await start([Reads], [Event, Recent, Animal, Summary]);
    const { manager } = app.get(DataSource);
    expect(await dropped(app, () => manager.query(sql))).toBe(drops);
    expect(app.log.warnings.filter((line) => /never fire/.test(line))).toEqual([]);
    expect(app.log.errors).toEqual([]);
  });

  test.each(WRITES)('by another process without entities: %s', async (sql, drops) => {
    const app = await start([Reads], [Event, Recent, Animal, Summary]);
    const worker = await start([], []);
    const { manager } = worker.get(DataSource);
    expect(await dropped(app, () => manager.query(sql))).toBe(drops);
  });

  test('a row of a partition, saved by the entity of the partition, drops its partition of the cache alone', async () => {
    const app = await start([Reads], [Event, Recent, Animal, Summary]);
    const { manager } = app.get(DataSource);
    expect(await dropped(app, () => manager.save(Recent, { key: 2, year: 2026, text: 'new' }))).toBe(
      'event:2 recent:2',
    );
    expect(await dropped(app, () => manager.save(Event, { id: 1, year: 2025, name: 'new' }))).toBe(
      'event:1 recent:1',
    );
  });

  test('a table that another program has made is known once the catalogue is read again', async () => {
    const app = await start([Reads], [Event, Recent, Animal, Summary]);
    const { manager } = app.get(DataSource);
    await admin.query('CREATE TABLE other (id int)');
    expect(await dropped(app, () => manager.query('INSERT INTO other VALUES (1)'))).toBe(
      `${EVENTS} animal:1`,
    );
    app.clock.advance(1_000);
    for (let i = 0; i < 50; i++) await settled();
    await manager.query('SELECT 1');
    await manager.query('SELECT 1');
    expect(await dropped(app, () => manager.query('INSERT INTO other VALUES (2)'))).toBe('');
  });
});
