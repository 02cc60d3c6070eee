import { expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { CacheResult } from '../../lib/index.js';
import { Item, openDatabase } from '../dispatchers/support/world.js';
import { TestApplication } from '../support/application.js';

it('a class made after the boot with an unknown entity does not prevent caching of other classes', async () => {
  class Unknown {
    id!: number;
  }
  @Injectable()
  class Lost {
    @CacheResult({ invalidatesOn: [Unknown] })
    async find(): Promise<void> {}
  }
  @Injectable()
  class Created {
    runs = 0;
    @CacheResult({ invalidatesOn: [Item] })
    async find(): Promise<number> {
      return ++this.runs;
    }
  }
  const dataSource = await openDatabase('sql.js', 'late_classes');
  const app = await TestApplication.start([], { dataSources: [dataSource] });
  const ref = app.module.get(ModuleRef);
  await (await ref.create(Lost)).find();
  const created = await ref.create(Created);
  expect([await created.find(), await created.find()]).toEqual([1, 1]);
  await dataSource.manager.save(Item, { id: 1, text: 'new' });
  expect(await created.find()).toBe(2);
  expect(app.log.errors).toEqual([expect.stringMatching(/Lost\.find is on Unknown/)]);
  await app.close();
  await dataSource.destroy();
});
