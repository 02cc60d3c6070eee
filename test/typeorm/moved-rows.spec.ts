import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { SharedMemory } from '../support/shared-memory.js';
import { ON_SERVERS, openDataSource } from './database.js';
import { Article, Category } from './entities.js';
import { seed } from './operations.js';

@Injectable()
class Shelves {
  manager!: EntityManager;

  @CacheResult({
    keyConstructor: { category: new ArgsKeyField('category', { partition: true }) },
    invalidatesOn: [invalidates(Article, { fieldMapping: { category: 'categoryId' } })],
  })
  async articles(category: number): Promise<string> {
    const articles = await this.manager.find(Article, {
      where: { categoryId: category },
      order: { id: 'ASC' },
    });
    return articles.map(({ id, title }) => `${id} ${title}`).join();
  }
}

describe.each(ON_SERVERS)(
  'a row that another process moves between the read and the write of a save, on %s',
  (database) => {
    let ours: DataSource;
    let theirs: DataSource;
    let apps: TestApplication[];

    beforeEach(async () => {
      ours = await openDataSource(database);
      await seed(ours);
      await ours.manager.save(
        Category,
        [3, 4].map((id) => ({ id, slug: `shelf ${id}` })),
      );
      theirs = await openDataSource(database, { dropSchema: false, synchronize: false });
      const store = new SharedMemory();
      apps = [];
      for (const dataSource of [ours, theirs]) {
        const app = await TestApplication.start([Shelves], {
          dataSources: [dataSource],
          store,
          application: 'shelves',
        });
        app.get(Shelves).manager = dataSource.manager;
        apps.push(app);
      }
    });
    afterEach(async () => {
      for (const app of apps) await app.close();
      await ours.destroy();
      await theirs.destroy();
    });

    const writes: Record<string, (manager: EntityManager, article: Article) => Promise<unknown>> = {
      'is dropped from the place between when it moves on': (m) => m.save(Article, { id: 1, categoryId: 4 }),
      'is dropped from its new place when it is edited': (m) => m.save(Article, { id: 1, title: 'edited' }),
      'is dropped from its new place when it is removed': (m, article) => m.remove(article),
      'is dropped from its new place when it is soft-removed': (m, article) => m.softRemove(article),
    };

    test.each(Object.entries(writes))('%s', async (_name, write) => {
      const article = await ours.manager.findOneByOrFail(Article, { id: 1 });
      for (const category of [1, 2, 3, 4]) await apps[1]!.get(Shelves).articles(category);
      // Its context is outside of the transaction.
      let proceed = (): void => {};
      const other = new Promise<void>((resolve) => (proceed = resolve)).then(async () => {
        await theirs.manager.save(Article, { id: 1, categoryId: 3 });
        expect(await apps[1]!.get(Shelves).articles(3)).toContain('1 one');
      });
      const { createQueryRunner } = ours;
      let isMoved = false;
      ours.createQueryRunner = (...args) => {
        const runner = createQueryRunner.apply(ours, args);
        const { startTransaction } = runner;
        runner.startTransaction = async (...level) => {
          if (!isMoved) {
            isMoved = true;
            proceed();
            await other;
          }
          return startTransaction.apply(runner, level);
        };
        return runner;
      };
      await write(ours.manager, article);
      expect(isMoved).toBe(true);
      ours.createQueryRunner = createQueryRunner;
      for (const category of [1, 2, 3, 4]) {
        const rows = await theirs.manager.find(Article, {
          where: { categoryId: category },
          order: { id: 'ASC' },
        });
        const truth = rows.map(({ id, title }) => `${id} ${title}`).join();
        for (const app of apps)
          expect([category, await app.get(Shelves).articles(category)]).toEqual([category, truth]);
      }
    });

    test('is locked in one order: saves that name the rows in another order wait for each other', async () => {
      const move = (ids: number[], categoryId: number) =>
        ours.manager.save(
          Article,
          ids.map((id) => ({ id, categoryId })),
        );
      for (let i = 0; i < 10; i++) await Promise.all([move([1, 2], 3), move([2, 1], 4), move([1, 2], 2)]);
      const rows = await ours.manager.find(Article, { order: { id: 'ASC' } });
      expect(rows).toHaveLength(2);
    });
  },
);
