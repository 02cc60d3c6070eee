import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, invalidates } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { DATABASES, openDataSource } from './database.js';
import { Article, Comment, Note } from './entities.js';
import { seed, tableNamer } from './operations.js';

@Injectable()
class Reader {
  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [invalidates(Note, { fieldMapping: { id: 'id' } })],
  })
  async note(id: number): Promise<number> {
    return id;
  }

  @CacheResult({
    keyConstructor: { title: new ArgsKeyField('title', { partition: true }) },
    invalidatesOn: [invalidates(Comment, { fieldMapping: { title: 'article.title' } })],
  })
  async comments(title: string): Promise<string> {
    return title;
  }
}

class Undo extends Error {}

describe.each(DATABASES)('on %s', (database) => {
  let dataSource: DataSource;
  let app: TestApplication;
  const table = tableNamer(database)('note');
  beforeEach(async () => {
    dataSource = await openDataSource(database);
    await seed(dataSource);
    app = await TestApplication.start([Reader], { dataSources: [dataSource] });
  });
  afterEach(async () => {
    await app.close();
    await dataSource.destroy();
  });

  const before: Record<string, (manager: EntityManager) => Promise<unknown>> = {
    'a raw statement': (m) => m.query(`UPDATE ${table} SET text = 'raw'`),
    'a delete by criteria': (m) => m.delete(Note, { text: 'nothing' }),
    'clear()': (m) => m.clear(Note),
    'a save() that was rolled back': (m) =>
      m
        .transaction(async (inner) => {
          await inner.save(Note, { id: 1, text: 'undone' });
          throw new Undo();
        })
        .catch(() => undefined),
  };
  test.each(Object.entries(before))(
    'a save() right after %s keeps what other rows are cached by',
    async (_, first) => {
      await first(dataSource.manager);
      await dataSource.manager.save(
        Note,
        [1, 2].map((id) => ({ id, text: 'seed' })),
      );
      const reader = app.get(Reader);
      for (const id of [1, 2]) await reader.note(id);
      await dataSource.manager.save(Note, { id: 1, text: 'new' });
      const { cache } = app;
      expect(await cache.for(Reader, 'note').getCacheOnly(1)).toBe(CACHE_MISSING);
      expect(await cache.for(Reader, 'note').getCacheOnly(2)).toBe(2);
    },
  );

  test('an update that loaded a relation and left it as it was drops the partition of the related row', async () => {
    const reader = app.get(Reader);
    for (const title of ['one', 'two']) await reader.comments(title);
    const comment = await dataSource.manager.findOneOrFail(Comment, {
      where: { id: 1 },
      relations: { article: true } as never,
    });
    await dataSource.manager.save(Object.assign(comment, { text: 'edited' }));
    const method = app.cache.for(Reader, 'comments');
    expect(await method.getCacheOnly('one')).toBe(CACHE_MISSING);
    expect(await method.getCacheOnly('two')).toBe('two');
    const moved = Object.assign(comment, {
      article: await dataSource.manager.findOneByOrFail(Article, { id: 2 }),
    });
    await reader.comments('one');
    await dataSource.manager.save(moved);
    // The title of the article before is not known.
    expect(await method.getCacheOnly('one')).toBe(CACHE_MISSING);
  });
});
