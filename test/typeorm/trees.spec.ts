import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { attachCollector } from '../../lib/typeorm/data-source.js';
import type { OrmDataSource } from '../../lib/typeorm/typeorm.interface.js';
import { DATABASES, line, openDataSource, RecordingSink } from './database.js';
import { Folder } from './entities.js';
import { seed } from './operations.js';

describe.each(DATABASES)('a closure tree on %s', (database) => {
  let dataSource: DataSource;
  const sink = new RecordingSink();
  let leaf: Folder;
  beforeEach(async () => {
    dataSource = await openDataSource(database);
    await seed(dataSource);
    leaf = await dataSource.manager.save(dataSource.manager.create(Folder, { name: 'leaf' }));
    sink.clear();
    attachCollector(dataSource as unknown as OrmDataSource, sink);
  });
  afterEach(() => dataSource.destroy());

  const ANY_FOLDER = 'unknown folder ? ? → ?';
  const told = (): string[] => sink.changes.map((change) => line(change, ['id']));

  test('reports unknown nodes when a node moves to another parent: nodes below it have other ancestors', async () => {
    await dataSource.manager.save(Object.assign(leaf, { parent: { id: 1 } }));
    expect(told()).toContain(ANY_FOLDER);
  });

  test('reports no other node when a node is renamed', async () => {
    await dataSource.manager.save(Object.assign(leaf, { name: 'stem' }));
    expect(told()).toContain('update folder 2 (2) → (2) [name]');
    expect(told()).not.toContain(ANY_FOLDER);
  });
});
