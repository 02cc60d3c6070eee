import { afterEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import * as typeorm from 'typeorm';
import type { DataSource } from 'typeorm';
import { attachCollector, isDataSource } from '../../lib/typeorm/data-source.js';
import {
  describeEntity,
  entityClasses,
  entityColumns,
  entityTable,
} from '../../lib/typeorm/entities/entities.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { createDataSource, RecordingSink } from './database.js';
import { Article, Media, Note, Photo, Place } from './entities.js';

const orm = (dataSource: DataSource) => dataSource as unknown as OrmDataSource;
let dataSource: DataSource;
const write = (id: number) => dataSource.manager.insert(Note, { id, text: 'x' });

afterEach(() => (dataSource?.isInitialized ? dataSource.destroy() : undefined));

test('these tests run on the major version of TypeORM that their project names', () => {
  const { TYPEORM_MAJOR } = globalThis as { TYPEORM_MAJOR?: number };
  // 1.0 took the old connection functions away.
  expect('createConnection' in typeorm).toBe(TYPEORM_MAJOR === 0);
});

describe('a collector', () => {
  test('attached before initialize() reports every write, also after destroy() and initialize()', async () => {
    dataSource = createDataSource('sql.js');
    const sink = new RecordingSink();
    attachCollector(orm(dataSource), sink);
    for (let round = 1; round <= 2; round++) {
      await dataSource.initialize();
      sink.clear();
      await write(round);
      expect(sink.changes).toHaveLength(1);
      await dataSource.destroy();
    }
  });

  test('attached twice for one sink reports once, until both handles are detached', async () => {
    dataSource = await createDataSource('sql.js').initialize();
    const sink = new RecordingSink();
    const handles = [attachCollector(orm(dataSource), sink), attachCollector(orm(dataSource), sink)];
    await write(1);
    expect(sink.changes).toHaveLength(1);
    handles[0]!.detach();
    handles[0]!.detach();
    await write(2);
    expect(sink.changes).toHaveLength(2);
    handles[1]!.detach();
    await write(3);
    expect(sink.changes).toHaveLength(2);
    expect(Object.getOwnPropertyDescriptor(dataSource, 'subscribers')).toMatchObject({
      writable: true,
      value: [],
    });
  });

  test('reports to each of several sinks once', async () => {
    dataSource = await createDataSource('sql.js').initialize();
    const sinks = [new RecordingSink(), new RecordingSink()];
    for (const sink of sinks) attachCollector(orm(dataSource), sink);
    await write(1);
    expect(sinks.map(({ changes }) => changes.length)).toEqual([1, 1]);
  });

  test("runs before the application's own subscribers", async () => {
    const own = { listenTo: () => Object };
    dataSource = await createDataSource('sql.js').initialize();
    dataSource.subscribers.push(own as never);
    attachCollector(orm(dataSource), new RecordingSink());
    expect(dataSource.subscribers.indexOf(own as never)).toBe(1);
    (dataSource as { subscribers: unknown[] }).subscribers = [own];
    expect(dataSource.subscribers.indexOf(own as never)).toBe(1);
  });

  test('is refused for a value that is not a DataSource', () => {
    expect(() => attachCollector({} as never, new RecordingSink())).toThrow(/expected a TypeORM DataSource/);
    expect([null, undefined, 'x', {}, []].map(isDataSource)).toEqual([false, false, false, false, false]);
    expect(isDataSource(createDataSource('sql.js'))).toBe(true);
  });
});

describe('entities', () => {
  test('are found by class, by a function that gives it, by name and by table', async () => {
    dataSource = await createDataSource('sql.js').initialize();
    const of = (entity: Parameters<typeof entityTable>[1]) => entityTable(orm(dataSource), entity);
    expect([of(Note), of(() => Note), of('Note'), of('note'), of(Photo), of(Media)]).toEqual([
      'note',
      'note',
      'note',
      'note',
      'media',
      'media',
    ]);
    class Stranger {}
    expect([of(Stranger), of('Stranger'), of(() => Stranger)]).toEqual([undefined, undefined, undefined]);
  });

  test('describe their table as JSON that changes with it', async () => {
    dataSource = await createDataSource('sql.js').initialize();
    const shape = describeEntity(orm(dataSource), Note);
    expect(JSON.parse(JSON.stringify(shape))).toEqual({
      table: 'note',
      columns: [
        { name: 'id', property: 'id', type: 'int', nullable: false, primary: true, length: '' },
        { name: 'text', property: 'text', type: 'varchar', nullable: false, primary: false, length: '' },
      ],
      relations: [],
    });
    expect(describeEntity(orm(dataSource), Article)!.relations.map(({ property }) => property)).toEqual([
      'author',
      'category',
      'comments',
      'tags',
    ]);
  });

  test('list the paths that rules may name, and the classes the cache must revive', async () => {
    dataSource = await createDataSource('sql.js').initialize();
    expect(entityColumns(orm(dataSource), Article)).toEqual(
      expect.arrayContaining([
        'title',
        'place.city',
        'author.id',
        'authorId',
        'author',
        'categoryId',
        'category.id',
        'tags',
      ]),
    );
    const classes = entityClasses(orm(dataSource));
    expect(classes).toEqual(expect.arrayContaining([Article, Photo, Place]));
    expect(classes.every((each) => typeof each === 'function')).toBe(true);
  });
});
