import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Logger, Scope } from '@nestjs/common';
import { Column, DataSource, Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm';
import {
  ArgsKeyField,
  attachInvalidation,
  CacheResult,
  DefaultKeyConstructor,
  invalidates,
  memoryStore,
  type InvalidatesOn,
} from '../../lib/index.js';
import { LogBook, TestApplication } from '../support/application.js';
import { databaseModule, databases, type DatabaseName } from './support/databases.js';

@Entity('rewarm_post')
class Post {
  @PrimaryGeneratedColumn() id!: number;
  @Column() authorId!: number;
  @Column() title!: string;
}

const byAuthor: InvalidatesOn[] = [invalidates(Post, { fieldMapping: { author: 'authorId' }, rewarm: true })];
const author = new ArgsKeyField('author', { partition: true });

@Injectable()
class Posts {
  runs: unknown[] = [];
  constructor(private readonly dataSource: DataSource) {}

  @CacheResult({ keyConstructor: { author }, invalidatesOn: byAuthor })
  async titles(author: number): Promise<string[]> {
    this.runs.push(author);
    return this.read(author);
  }

  @CacheResult({ keyConstructor: { author }, invalidatesOn: byAuthor })
  async byRoute(author: string): Promise<string[]> {
    this.runs.push(author);
    return this.read(Number(author));
  }

  @CacheResult({ invalidatesOn: [invalidates(Post, { scope: 'all', rewarm: true })] })
  async count(): Promise<number> {
    this.runs.push('count');
    return this.dataSource.getRepository(Post).count();
  }

  private async read(authorId: number): Promise<string[]> {
    const posts = await this.dataSource
      .getRepository(Post)
      .find({ where: { authorId }, order: { id: 'ASC' } });
    return posts.map(({ title }) => title);
  }
}

let app: TestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function boot(
  database: DatabaseName,
  ...providers: (new (...args: never[]) => object)[]
): Promise<Repository<Post>> {
  app = await TestApplication.start(providers as never[], {}, [
    await databaseModule(database, 'rewarm', [Post]),
  ]);
  return app.get(DataSource).getRepository(Post);
}

const hits = async (): Promise<unknown[]> => {
  const { cache } = app!;
  const read = [
    await cache.for(Posts, 'titles').getWithMetadata(1),
    await cache.for(Posts, 'byRoute').getWithMetadata('1'),
    await cache.for(Posts, 'count').getWithMetadata(),
  ];
  return read.map(([value, { cacheStatus }]) => [cacheStatus, value]);
};

describe.each(databases)('rewarm on %s', (database) => {
  it('recomputes with arguments of the types that the methods declare', async () => {
    const posts = await boot(database, Posts);
    await hits();
    const { runs } = app!.get(Posts);
    runs.length = 0;
    await posts.save({ authorId: 1, title: 'one' });
    // One write waits at a time, and not for long.
    while (runs.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(runs)).toEqual(new Set([1, '1', 'count']));
    const [titles, byRoute, count] = (await hits()) as [string, unknown][];
    expect([titles![1], byRoute![1], count![1]]).toEqual([['one'], ['one'], 1]);
    expect(runs).toHaveLength(3);
    expect((await hits()).map((one) => (one as string[])[0])).toEqual(['HIT', 'HIT', 'HIT']);
  });

  it('recomputes after a bulk statement only what has no arguments', async () => {
    const posts = await boot(database, Posts);
    await hits();
    const { runs } = app!.get(Posts);
    runs.length = 0;
    await posts.update({ authorId: 1 }, { title: 'two' });
    while (runs.length < 1) await new Promise((resolve) => setImmediate(resolve));
    expect(runs).toEqual(['count']);
    expect(app!.log.warnings.filter((line) => line.includes('stays dropped'))).toHaveLength(2);
  });
});

it('nothing that was rolled back is recomputed', async () => {
  const posts = await boot('PostgreSQL', Posts);
  await hits();
  const { runs } = app!.get(Posts);
  runs.length = 0;
  const failing = posts.manager.transaction(async (manager) => {
    await manager.save(Post, { authorId: 1, title: 'one' });
    throw new Error('rolled back');
  });
  await expect(failing).rejects.toThrow('rolled back');
  expect((await hits()).map((one) => (one as string[])[0])).toEqual(['HIT', 'HIT', 'HIT']);
  expect(runs).toEqual([]);
});

describe('the boot warns of rules that can never recompute', () => {
  @Injectable({ scope: Scope.REQUEST })
  class Scoped {
    @CacheResult({ keyConstructor: { author }, invalidatesOn: byAuthor })
    async find(author: number): Promise<number> {
      return author;
    }
  }
  class PageKey extends DefaultKeyConstructor {
    author = author;
  }
  @Injectable()
  class Others {
    @CacheResult({ keyConstructor: PageKey, invalidatesOn: byAuthor })
    async page(author: number, page: number): Promise<number> {
      return author + page;
    }
    @CacheResult({ keyConstructor: { author }, invalidatesOn: byAuthor })
    async many(author: number[]): Promise<number> {
      return author.length;
    }
    @CacheResult({
      keyConstructor: { author },
      invalidatesOn: [invalidates(Post, { scope: 'all', rewarm: true })],
    })
    async all(author: number): Promise<number> {
      return author;
    }
    @CacheResult({
      keyConstructor: { author, tenant: new ArgsKeyField('tenant', { partition: true }) },
      invalidatesOn: byAuthor,
    })
    async ofTenant(author: number, tenant: number): Promise<number> {
      return author + tenant;
    }
  }

  it.each<[string, RegExp]>([
    ['Scoped.find', /Scoped has no single instance/],
    ['Others.page', /argument 'page' is part of the key, but no partition/],
    ['Others.many', /parameter of the type Array/],
    ['Others.all', /with scope: 'all' the arguments are unknown/],
    ['Others.ofTenant', /fieldMapping lacks the partition 'tenant'/],
  ])('%s', async (method, problem) => {
    await boot('sql.js', Posts, Scoped, Others);
    const { advice } = app!.cache.status();
    const own = advice.filter((line) => line.includes('rewarm: true'));
    expect(own).toHaveLength(5);
    expect(own.find((line) => line.includes(`The rule of ${method} on Post`))).toMatch(problem);
    expect(app!.log.warnings).toEqual(expect.arrayContaining([...advice]));
  });
});

it('outside of Nest nothing is recomputed, which is logged', async () => {
  const log = new LogBook();
  Logger.overrideLogger(log);
  const dataSource = await new DataSource({
    type: 'sqljs',
    entities: [Post],
    synchronize: true,
  }).initialize();
  const invalidation = attachInvalidation(dataSource, { store: memoryStore(), classes: [Posts] });
  await dataSource.getRepository(Post).save({ authorId: 1, title: 'one' });
  await invalidation.detach();
  await dataSource.destroy();
  expect(log.warnings).toContainEqual(
    expect.stringMatching(/Posts\.titles was not recomputed.*outside of Nest/),
  );
});
