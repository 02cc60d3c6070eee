import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, invalidates } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { SharedMemory } from '../support/shared-memory.js';
import { ON_SERVERS, openDataSource } from './database.js';
import { Article, Comment } from './entities.js';
import { columnNamer, seed, tableNamer } from './operations.js';

@Injectable()
class Feeds {
  manager!: EntityManager;

  @CacheResult({
    keyConstructor: { title: new ArgsKeyField('title', { partition: true }) },
    invalidatesOn: [
      invalidates(Comment, { fieldMapping: { title: 'article.title' }, lookup: true }),
      invalidates(Article, { fieldMapping: { title: 'title' } }),
    ],
  })
  async comments(title: string): Promise<string> {
    const comments = await this.manager.find(Comment, {
      where: { article: { title } },
      order: { id: 'ASC' },
    });
    return comments.map(({ text }) => text).join();
  }
}

describe.each(ON_SERVERS)(
  'a transaction whose snapshot is older than what another one committed, on %s',
  (database) => {
    let ours: DataSource;
    let theirs: DataSource;
    let apps: TestApplication[];

    beforeEach(async () => {
      ours = await openDataSource(database);
      await seed(ours);
      theirs = await openDataSource(database, { dropSchema: false, synchronize: false });
      const store = new SharedMemory();
      apps = [];
      for (const dataSource of [ours, theirs]) {
        const app = await TestApplication.start([Feeds], {
          dataSources: [dataSource],
          store,
          application: 'feeds',
        });
        app.get(Feeds).manager = dataSource.manager;
        apps.push(app);
      }
    });
    afterEach(async () => {
      for (const app of apps) await app.close();
      await ours.destroy();
      await theirs.destroy();
    });

    /** Writes in a transaction that has read before another process renames the article, and that process caches its comments. */
    async function written(
      write: (manager: EntityManager) => Promise<unknown>,
      level = 'REPEATABLE READ',
    ): Promise<void> {
      // Its context is outside of the transaction.
      let proceed = (): void => {};
      const other = new Promise<void>((resolve) => (proceed = resolve)).then(async () => {
        await theirs.manager.update(Article, { id: 1 }, { title: 'renamed' });
        await apps[1]!.get(Feeds).comments('renamed');
      });
      await ours.transaction(level as never, async (manager) => {
        await manager.find(Article);
        proceed();
        await other;
        await write(manager);
      });
    }
    /** Runs something before each query of our process. */
    function watchQueries(before: (sql: string, isInTransaction: boolean) => Promise<void>): void {
      const { createQueryRunner } = ours;
      ours.createQueryRunner = (...args) => {
        const runner = createQueryRunner.apply(ours, args);
        const { query } = runner;
        runner.query = (async (sql: string, ...rest: never[]) => {
          await before(sql, runner.isTransactionActive);
          return query.call(runner, sql, ...rest);
        }) as never;
        return runner;
      };
    }
    async function expectFresh(title: string): Promise<void> {
      const truth = (
        await theirs.manager.find(Comment, { where: { article: { title } }, order: { id: 'ASC' } })
      )
        .map(({ text }) => text)
        .join();
      for (const app of apps) expect(await app.get(Feeds).comments(title)).toBe(truth);
    }

    test('drops what was cached of the new value of a parent that it looked up', async () => {
      // PostgreSQL refuses a row of a parent whose key has changed since the snapshot.
      if (database === 'PostgreSQL') return;
      await written((manager) => manager.save(manager.create(Comment, { text: 'late', article: { id: 1 } })));
      await expectFresh('renamed');
    });

    test('drops the new value of the parent that a row moved from', async () => {
      await written((manager) => manager.save(Comment, { id: 1, article: { id: 2 } }));
      await expectFresh('renamed');
      await expectFresh('two');
    });

    test('drops the new value of the parent of a row that it removed', async () => {
      await written(async (manager) => manager.remove(await manager.findOneByOrFail(Comment, { id: 1 })));
      await expectFresh('renamed');
    });

    test('drops the new value of the parent of a row that it changed', async () => {
      await written((manager) => manager.save(Comment, { id: 1, text: 'edited' }));
      await expectFresh('renamed');
    });

    test('drops a value that SQL text wrote between its look-up and its COMMIT', async () => {
      const table = tableNamer(database)('article');
      const title = columnNamer(database)('title');
      // Its context is outside of the transaction.
      let proceed = (): void => {};
      const other = new Promise<void>((resolve) => (proceed = resolve)).then(async () => {
        await theirs.query(`UPDATE ${table} SET ${title} = 'again' WHERE id = 1`);
        await apps[1]!.get(Feeds).comments('again');
      });
      watchQueries(async (sql) => {
        if (sql !== 'COMMIT') return;
        proceed();
        await other;
      });
      await ours.manager.save(Comment, { id: 1, text: 'edited' });
      await expectFresh('again');
    });

    test('drops everything of the method where it cannot look again', async () => {
      for (const title of ['two', 'renamed']) await apps[1]!.get(Feeds).comments(title);
      watchQueries(async (sql, isInTransaction) => {
        if (!isInTransaction && sql.includes('restflow_row')) throw new Error('gone');
      });
      await written((manager) => manager.save(Comment, { id: 1, text: 'edited' }));
      const left = await apps[1]!.cache.for(Feeds, 'comments').getCacheOnly('two');
      expect(left).toBe(CACHE_MISSING);
      await expectFresh('renamed');
    });

    test('keeps all other values', async () => {
      await apps[1]!.get(Feeds).comments('two');
      await ours.manager.save(ours.manager.create(Comment, { text: 'late', article: { id: 1 } }));
      expect(await apps[1]!.cache.for(Feeds, 'comments').getCacheOnly('two')).not.toBe(CACHE_MISSING);
    });
  },
);
