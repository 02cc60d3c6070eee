import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Scope, type Provider } from '@nestjs/common';
import { Column, DataSource, Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm';
import {
  ArgsKeyField,
  attachInvalidation,
  CacheResult,
  invalidates,
  memoryStore,
  type EntityChange,
  type InjectableInvalidator,
  type InvalidationHandle,
} from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { databaseModule, databases, type DatabaseName } from './support/databases.js';

@Entity('invalidators_post')
class Post {
  @PrimaryGeneratedColumn() id!: number;
  @Column() authorId!: number;
  @Column() title!: string;
}

/** Who reads whom; the invalidator is given it by Nest. */
@Injectable()
class Followers {
  async of(author: number): Promise<number[]> {
    return author === 1 ? [10, 11] : [12];
  }
}

@Injectable()
class FeedInvalidator implements InjectableInvalidator {
  constructor(private readonly followers: Followers) {}

  async invalidate(cached: InvalidationHandle, { after, before }: EntityChange): Promise<void> {
    const author = Number((after ?? before)?.['authorId']);
    for (const user of await this.followers.of(author)) cached.deleteByPrefix({ user });
  }
}

/** Counts how often it was asked, with how many changes. */
@Injectable()
class BatchInvalidator implements InjectableInvalidator<true> {
  readonly asked: number[] = [];

  invalidate(cached: InvalidationHandle, changes: readonly EntityChange[]): void {
    this.asked.push(changes.length);
    for (const change of changes) cached.deleteByPrefix({ author: change.after!['authorId'] });
  }
}

@Injectable()
class Feeds {
  constructor(private readonly dataSource: DataSource) {}

  @CacheResult({
    keyConstructor: { user: new ArgsKeyField('user', { partition: true }) },
    invalidatesOn: [invalidates(Post, { invalidator: FeedInvalidator })],
  })
  async feed(user: number): Promise<[number, string[]]> {
    return [user, await this.titles({})];
  }

  @CacheResult({
    keyConstructor: { author: new ArgsKeyField('author', { partition: true }) },
    invalidatesOn: [invalidates(Post, { batch: true, invalidator: BatchInvalidator })],
  })
  async byAuthor(author: number): Promise<string[]> {
    return this.titles({ authorId: author });
  }

  private async titles(where: object): Promise<string[]> {
    const posts = await this.dataSource.getRepository(Post).find({ where, order: { id: 'ASC' } });
    return posts.map(({ title }) => title);
  }
}

let app: TestApplication | undefined;
afterEach(() => app?.close());

async function boot(
  database: DatabaseName,
  invalidator: Provider = FeedInvalidator,
): Promise<Repository<Post>> {
  app = undefined;
  app = await TestApplication.start([Feeds, Followers, BatchInvalidator, invalidator], {}, [
    await databaseModule(database, 'invalidators', [Post]),
  ]);
  return app.get(DataSource).getRepository(Post);
}

describe.each(databases)('invalidators that Nest provides, on %s', (database) => {
  it('drop what the providers they were given say, and nothing else', async () => {
    const posts = await boot(database);
    const feeds = app!.get(Feeds);
    for (const user of [10, 11, 12]) await feeds.feed(user);
    await posts.save({ authorId: 1, title: 'one' });
    expect(await Promise.all([10, 11, 12].map((user) => feeds.feed(user)))).toEqual([
      [10, ['one']],
      [11, ['one']],
      [12, []],
    ]);
  });

  it('are asked once for a transaction with batch: true', async () => {
    const posts = await boot(database);
    const feeds = app!.get(Feeds);
    for (const author of [1, 2, 3]) await feeds.byAuthor(author);
    // The boot made the tables anew.
    app!.get(BatchInvalidator).asked.length = 0;
    await posts.manager.transaction(async (manager) => {
      await manager.save(Post, { authorId: 1, title: 'one' });
      await manager.save(Post, [
        { authorId: 2, title: 'two' },
        { authorId: 2, title: 'three' },
      ]);
    });
    expect(app!.get(BatchInvalidator).asked).toEqual([3]);
    expect(await Promise.all([1, 2].map((author) => feeds.byAuthor(author)))).toEqual([
      ['one'],
      ['two', 'three'],
    ]);
    expect((await app!.cache.for(Feeds, 'byAuthor').getWithMetadata(3))[1].cacheStatus).toBe('HIT');
  });
});

describe('an invalidator that is a class', () => {
  const scoped = (scope: Scope): Provider => ({ provide: FeedInvalidator, useClass: FeedInvalidator, scope });
  it.each<[string, Provider, RegExp]>([
    [
      'request-scoped',
      scoped(Scope.REQUEST),
      /Feeds\.feed on Post.*FeedInvalidator.*request-scoped.*singleton/,
    ],
    ['transient', scoped(Scope.TRANSIENT), /FeedInvalidator.*transient.*singleton/],
    [
      'provided by nobody',
      { provide: 'other', useValue: 1 },
      /FeedInvalidator, which no module provides.*@Injectable/,
    ],
    [
      'something else',
      { provide: FeedInvalidator, useValue: {} },
      /FeedInvalidator.*without a method invalidate/,
    ],
  ])('that is %s is an error at boot that says what to write', async (_, provider, message) => {
    await expect(boot('sql.js', provider)).rejects.toThrow(message);
  });

  it('is given by hand outside of Nest', async () => {
    const store = memoryStore();
    const dataSource = await new DataSource({
      type: 'sqljs',
      entities: [Post],
      synchronize: true,
    }).initialize();
    const attach = (invalidators?: object[]): { detach(): Promise<void> } =>
      attachInvalidation(dataSource, { store, classes: [Feeds], invalidators });
    expect(() => attach()).toThrow(/invalidators: \[new FeedInvalidator\(…\)\]/);
    const batch = new BatchInvalidator();
    const attached = attach([batch, new FeedInvalidator(new Followers())]);
    await dataSource.getRepository(Post).save({ authorId: 1, title: 'one' });
    expect(batch.asked).toEqual([1]);
    await attached.detach();
    await dataSource.destroy();
  });
});
