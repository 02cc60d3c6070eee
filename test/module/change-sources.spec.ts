import { expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { CacheResult, invalidates, type ChangeSourceHost } from '../../lib/index.js';
import { Item, openDatabase } from '../dispatchers/support/world.js';
import { TestApplication } from '../support/application.js';

it('a source of changes gets no errors of rules: there is no write to reject', async () => {
  @Injectable()
  class Items {
    runs = 0;
    @CacheResult({
      invalidatesOn: [
        invalidates(Item, {
          raiseException: true,
          invalidator: () => {
            throw new Error('broken');
          },
        }),
      ],
    })
    async find(): Promise<number> {
      return ++this.runs;
    }
  }
  const dataSource = await openDatabase('sql.js', 'change_sources');
  let host: ChangeSourceHost | undefined;
  const source = { start: (one: ChangeSourceHost) => void (host = one), close: () => undefined };
  const app = await TestApplication.start([Items], { dataSources: [dataSource], changeSources: [source] });
  const items = app.get(Items);
  expect(await items.find()).toBe(1);
  await host!.changed([{ table: 'dispatched_item', type: 'unknown' }]);
  expect(await items.find()).toBe(2);
  await host!.missed();
  expect(await items.find()).toBe(3);
  expect(app.log.errors).toEqual([expect.stringContaining('broken')]);
  await app.close();
  await dataSource.destroy();
});
