import 'reflect-metadata';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { CacheResult, invalidates } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { BY_SLUG, Page, Remark, Remarks } from '../support/remarks.js';

@Injectable()
class Counts {
  constructor(private readonly dataSource: DataSource) {}

  @CacheResult({
    keyConstructor: BY_SLUG,
    invalidatesOn: [invalidates(Remark, { fieldMapping: { slug: 'page.slug' } })],
  })
  async count(slug: string): Promise<number> {
    return this.dataSource.getRepository(Remark).countBy({ page: { slug } });
  }
}

describe('a rule with lookup: true', () => {
  let app: TestApplication;
  afterEach(() => app?.close());

  type Cached = typeof Remarks | typeof Counts;

  async function start(provider: Cached): Promise<EntityManager> {
    app = await TestApplication.start([provider as typeof Remarks], {}, [
      TypeOrmModule.forRoot({ type: 'sqljs', synchronize: true, autoSave: false, entities: [Page, Remark] }),
    ]);
    const { manager } = app.get(DataSource);
    await manager.save(Page, [{ slug: 'a' }, { slug: 'b' }, { slug: 'c' }]);
    return manager;
  }

  /** Which of the pages a write drops, all of which were cached before. */
  async function dropped(provider: Cached, write: () => Promise<unknown>): Promise<string[]> {
    const cached = app.cache.for(provider as typeof Remarks, (provider === Remarks ? 'of' : 'count') as 'of');
    for (const slug of ['a', 'b', 'c']) await cached.get(slug);
    await write();
    const statuses = await Promise.all(['a', 'b', 'c'].map((slug) => cached.getWithMetadata(slug)));
    return ['a', 'b', 'c'].filter((_, i) => statuses[i]![1].cacheStatus !== 'HIT');
  }

  const add = (manager: EntityManager, id: number): Promise<unknown> =>
    manager.save(manager.create(Remark, { text: `on ${id}`, page: { id } as Page }));

  it('drops the partitions that a change does not carry, the old and the new, and no other', async () => {
    const manager = await start(Remarks);
    const remarks = app.get(Remarks);
    expect(await dropped(Remarks, () => add(manager, 1))).toEqual(['a']);
    expect(await remarks.of('a')).toEqual(['on 1']);
    expect(await dropped(Remarks, () => manager.save(Remark, { id: 1, page: { id: 2 } }))).toEqual([
      'a',
      'b',
    ]);
    expect([await remarks.of('a'), await remarks.of('b')]).toEqual([[], ['on 1']]);
    const remark = await manager.findOneByOrFail(Remark, { id: 1 });
    expect(await dropped(Remarks, () => manager.remove(remark))).toEqual(['b']);
  });

  it('is asked for: without it everything of the method goes, and nothing is read', async () => {
    const manager = await start(Counts);
    const runner = manager.dataSource.createQueryRunner();
    const query = jest.spyOn(Object.getPrototypeOf(runner) as typeof runner, 'query');
    expect(await dropped(Counts, () => add(manager, 1))).toEqual(['a', 'b', 'c']);
    expect(query.mock.calls.filter(([sql]) => sql.includes('restflow_row'))).toEqual([]);
    query.mockRestore();
  });

  it.each([
    ['a function', { fieldMapping: () => ({ slug: 'a' }) }],
    ['no mapping', { scope: 'all' as const }],
  ])('needs paths to look up: %s is an error', (_, options) => {
    expect(() => invalidates(Remark, { ...options, lookup: true })).toThrow(
      /lookup: true.*fieldMapping: \{ field: 'path' \}/,
    );
  });
});
