import { afterEach, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import {
  CACHE_MISSING,
  CacheConfigurationError,
  InvalidationDispatcher,
  type DispatchContext,
  type Dispatcher,
  type InvalidationJob,
} from '../../lib/index.js';
import { Item, itemsService, openDatabase } from '../dispatchers/support/world.js';
import { TestApplication } from '../support/application.js';
import { SharedMemory } from '../support/shared-memory.js';

/** Durable, and as strict as those of the library: a rule that it cannot work with fails the transaction. */
@InvalidationDispatcher('strict')
class Strict implements Dispatcher {
  constructor(private readonly known: readonly string[]) {}
  check(config: object): void {
    const other = Object.keys(config).find((name) => !this.known.includes(name));
    if (other !== undefined) throw new CacheConfigurationError('DISPATCHER_OPTION', `no option ${other}`);
  }
  dispatch(): void {}
  async enqueue(_: readonly InvalidationJob[], { config }: DispatchContext): Promise<void> {
    this.check(config);
  }
}

const Items = itemsService('strict', { dispatcherConfig: { shard: 1 }, eager: false });

describe('a rule of another build, whose dispatcher says here that it cannot work with it', () => {
  let dataSource: DataSource | undefined;
  const apps: TestApplication[] = [];
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await dataSource?.destroy();
  });

  it('is carried out inline, and fails no transaction', async () => {
    dataSource = await openDatabase('sql.js', 'foreign');
    const store = new SharedMemory();
    const start = async (known: string[], providers: (typeof Items)[]): Promise<TestApplication> => {
      const options = { store, dataSources: [dataSource!], dispatchers: [new Strict(known)] };
      const app = await TestApplication.start(providers, options);
      apps.push(app);
      return app;
    };
    const api = await start(['shard'], [Items]);
    const cached = api.cache.for(Items, 'text');
    await cached.get(1);
    await start([], []);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
  });
});
