import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleInit, type Provider } from '@nestjs/common';
import { getDataSourceToken, TypeOrmModule } from '@nestjs/typeorm';
import {
  Column,
  DataSource,
  type DataSourceOptions,
  Entity,
  type EntitySubscriberInterface,
  EventSubscriber,
  type InsertEvent,
  type MigrationInterface,
  PrimaryColumn,
  type QueryRunner,
} from 'typeorm';
import {
  ArgsKeyField,
  attachInvalidation,
  CACHE_MISSING,
  CacheResult,
  invalidates,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { connectionOptions, DATABASES, isShared, makeSchema, ownSchema } from '../support/databases.js';
import { SharedMemory } from '../support/shared-memory.js';

@Entity('paper')
class Paper {
  @PrimaryColumn({ type: 'int' }) id!: number;
  @Column({ type: 'varchar', length: 50, default: '' }) title!: string;
}

@Injectable()
class Papers {
  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [invalidates(Paper, { fieldMapping: { id: 'id' } })],
  })
  async find(id: number): Promise<string> {
    return `paper ${id}`;
  }
}

class WritePapers1700000000000 implements MigrationInterface {
  name = 'WritePapers1700000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE IF NOT EXISTS paper (id int PRIMARY KEY, title varchar(50))');
    await runner.manager.save(Paper, { id: 2, title: 'migrated' });
  }
  async down(): Promise<void> {}
}

@EventSubscriber()
class Copies implements EntitySubscriberInterface<Paper> {
  listenTo = () => Paper;
  async afterInsert({ entity, manager }: InsertEvent<Paper>): Promise<void> {
    if (entity.id === 1) await manager.insert(Paper, { id: 2, title: 'copied' });
  }
}

describe.each(DATABASES)('writes of a boot on %s', (database) => {
  const schema = ownSchema('boot');
  const apps: TestApplication[] = [];
  const sources: DataSource[] = [];
  let store: SharedMemory;
  beforeEach(async () => {
    store = new SharedMemory();
    await makeSchema(database, schema, { empty: true });
    if (isShared(database)) return;
    const admin = await open({ synchronize: true });
    await admin.destroy();
  });
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    for (const source of sources.splice(0)) if (source.isInitialized) await source.destroy();
  });

  const options = (more: Partial<DataSourceOptions> = {}) =>
    ({
      ...connectionOptions(database, schema),
      entities: [Paper],
      synchronize: isShared(database),
      ...more,
    }) as DataSourceOptions;
  async function open(more?: Partial<DataSourceOptions>): Promise<DataSource> {
    const source = new DataSource(options(more));
    sources.push(source);
    return source.initialize();
  }
  async function start(
    providers: Provider[],
    more: Partial<RestflowCacheOptions> = {},
    ...imports: ReturnType<typeof TypeOrmModule.forRoot>[]
  ): Promise<TestApplication> {
    const app = await TestApplication.start(providers, { store, namespace: 'boot', ...more }, imports);
    apps.push(app);
    return app;
  }

  /** The process of the previous build, which goes on serving. It sees none of the writes itself. */
  async function previous(): Promise<() => Promise<number[]>> {
    const app = await start([Papers], { dataSources: false });
    const cached = app.cache.for(Papers, 'find');
    for (const id of [1, 2, 3]) await cached.get(id);
    return async () => {
      const dropped: number[] = [];
      for (const id of [1, 2, 3]) if ((await cached.getCacheOnly(id)) === CACHE_MISSING) dropped.push(id);
      return dropped;
    };
  }

  it('by migrations drop what earlier processes have cached', async () => {
    const dropped = await previous();
    await start(
      [Papers],
      {},
      TypeOrmModule.forRoot(
        options({ migrations: [WritePapers1700000000000], migrationsRun: true, synchronize: false }),
      ),
    );
    expect(await dropped()).toContain(2);
  });

  it('by an asynchronous provider drop what earlier processes have cached', async () => {
    const dropped = await previous();
    await start([
      Papers,
      {
        provide: 'SEEDED',
        useFactory: async () => {
          const source = await open();
          await source.manager.insert(Paper, { id: 2, title: 'seeded' });
          return source;
        },
      },
    ]);
    expect(await dropped()).toContain(2);
  });

  it('by a subscriber, in a transaction that begins before the module knows its rules and ends later', async () => {
    const dropped = await previous();
    let commit = async (): Promise<void> => undefined;
    await start([
      Papers,
      {
        provide: 'SEEDED',
        useFactory: async () => {
          const source = await open({ subscribers: [Copies] });
          const runner = source.createQueryRunner();
          await runner.startTransaction();
          await runner.manager.insert(Paper, { id: 1, title: 'first' });
          commit = async () => {
            await runner.commitTransaction();
            await runner.release();
          };
        },
      },
    ]);
    expect(await dropped()).toEqual([]);
    await commit();
    expect(await dropped()).toEqual([1, 2]);
  });

  it('by onModuleInit of another provider drop what earlier processes have cached', async () => {
    const dropped = await previous();
    @Injectable()
    class Seeds implements OnModuleInit {
      constructor(private readonly source: DataSource) {}
      async onModuleInit(): Promise<void> {
        await this.source.manager.insert(Paper, { id: 3, title: 'seeded' });
      }
    }
    const seeds = {
      provide: Seeds,
      inject: [getDataSourceToken()],
      useFactory: (source: DataSource) => new Seeds(source),
    };
    await start([Papers, seeds], {}, TypeOrmModule.forRoot(options()));
    expect(await dropped()).toContain(3);
  });

  it('by the synchronisation of a schema drop what earlier processes have cached', async () => {
    @Entity('paper')
    class Sheet {
      @PrimaryColumn({ type: 'int' }) id!: number;
      @Column({ type: 'varchar', length: 50, name: 'title', default: '' }) title!: string;
      @Column({ type: 'varchar', length: 9, nullable: true }) size!: string | null;
    }
    const dropped = await previous();
    const sync = options({ entities: [Paper, Sheet], synchronize: true, dropSchema: !isShared(database) });
    await start([Papers], {}, TypeOrmModule.forRoot(sync));
    expect(await dropped()).toEqual([1, 2, 3]);
  });

  describe('of a DataSource that was initialised before the module was configured', () => {
    it('drop its tables once, and again only with another schema or migration', async () => {
      const source = await open();
      const boot = (of: DataSource) =>
        start([Papers, { provide: getDataSourceToken(), useValue: of }], { dataSources: [of] });
      const dropped = await previous();
      await boot(source);
      expect(await dropped()).toEqual([1, 2, 3]);
      const again = await previous();
      await boot(await open());
      expect(await again()).toEqual([]);
      const migrated = await previous();
      const next = await open({ migrations: [WritePapers1700000000000] });
      await boot(next);
      expect(await migrated()).toEqual([1, 2, 3]);
    });
  });

  describe('DataSources of the process that Nest does not provide', () => {
    it('are watched when they are initialised after the boot, which says that none is there yet', async () => {
      const app = await start([Papers]);
      expect(app.log.warnings.join('\n')).toMatch(/Papers\.find on Paper drops nothing yet/);
      const cached = app.cache.for(Papers, 'find');
      await cached.get(1);
      await cached.get(2);
      const source = await open();
      await source.manager.insert(Paper, { id: 1, title: 'x' });
      expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
      expect(await cached.getCacheOnly(2)).toBe('paper 2');
    });

    it('are let go when they are destroyed, and watched again when they are initialised anew', async () => {
      const app = await start([Papers]);
      const source = await open();
      await source.destroy();
      const cached = app.cache.for(Papers, 'find');
      await source.initialize();
      await cached.get(1);
      await source.manager.insert(Paper, { id: 1, title: 'x' });
      expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
    });

    it('are watched by attachInvalidation() with the rules and the store of the application', async () => {
      const source = await open();
      const app = await start([Papers]);
      const cached = app.cache.for(Papers, 'find');
      const attached = attachInvalidation(source);
      await attached.ready;
      await cached.get(1);
      await source.manager.insert(Paper, { id: 1, title: 'x' });
      expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
      await attached.detach();
      expect(app.log.warnings.join('\n')).not.toMatch(/without a store/);
    });

    it('are watched for every application that lists them', async () => {
      const source = await open();
      const caches = [];
      for (const namespace of ['one', 'two']) {
        const app = await start([Papers], { namespace, dataSources: [source] });
        caches.push(app.cache.for(Papers, 'find'));
      }
      for (const cached of caches) await cached.get(1);
      await source.manager.insert(Paper, { id: 1, title: 'x' });
      for (const cached of caches) expect(await cached.getCacheOnly(1)).toBe(CACHE_MISSING);
    });

    it('are left alone where they are those of another application of the process', async () => {
      const app = await start([Papers]);
      const other = await start([], { namespace: 'other' }, TypeOrmModule.forRoot(options()));
      const cached = app.cache.for(Papers, 'find');
      await cached.get(1);
      await other.module.get(DataSource).manager.insert(Paper, { id: 1, title: 'x' });
      expect(await cached.getCacheOnly(1)).toBe('paper 1');
    });
  });
});
