import 'reflect-metadata';
import { Column, Entity, ManyToOne, PrimaryGeneratedColumn } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  type Dispatcher,
  type EntityChange,
  InvalidationDispatcher,
  type InvalidationHandle,
  type InvalidationJob,
  invalidates,
} from '../../../lib/index.js';

@Entity('pinned_author')
export class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) name!: string;
  @Column({ type: 'varchar', default: '' }) bio!: string;
}

@Entity('pinned_article')
export class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) slug!: string;
  @ManyToOne(() => Author, { nullable: true }) author!: Author | null;
}

/** Keeps the jobs that it is given. */
@InvalidationDispatcher('kept')
export class KeptJobs implements Dispatcher {
  readonly jobs: InvalidationJob[] = [];

  dispatch(jobs: readonly InvalidationJob[]): void {
    this.jobs.push(...jobs);
  }
}

const BY_ID = { id: new ArgsKeyField('id', { partition: true }) };

/** Methods with one rule each. */
export class Ruled {
  @CacheResult({ invalidatesOn: [Author] }) async plain(): Promise<number> {
    return 1;
  }
  @CacheResult({
    keyConstructor: BY_ID,
    invalidatesOn: [
      invalidates(Author, {
        fieldMapping: { id: 'id' },
        watchFields: ['name'],
        invalidateWhen: { name: 'Ada' },
        triggerOnCreate: false,
        mode: 'expire',
        rewarm: true,
      }),
    ],
  })
  async mapped(id: number): Promise<number> {
    return id;
  }
  @CacheResult({
    ttl: '1h',
    staleWhileRevalidate: '1h',
    keyConstructor: {
      slug: new ArgsKeyField('slug', { partition: true }),
      author: new ArgsKeyField('author', { partition: true, hashValue: true }),
    },
    invalidatesOn: [
      invalidates(Article, {
        name: 'a named rule',
        fieldMapping: { slug: 'slug', author: 'author.name' },
        lookup: true,
        requireArgs: ['slug'],
      }),
    ],
  })
  async lookedUp(slug: string, author: string): Promise<string> {
    return slug + author;
  }
  @CacheResult({
    keyConstructor: BY_ID,
    invalidatesOn: [invalidates(Article, { fieldMapping: ({ id }) => ({ id }) })],
  })
  async byFunction(id: number): Promise<number> {
    return id;
  }
  @CacheResult({
    ttl: null,
    invalidatesOn: [
      invalidates(Article, {
        invalidator: (cached: InvalidationHandle, { id }: EntityChange) =>
          cached.invalidateTags([`article:${String(id)}`]),
      }),
    ],
  })
  async invalidated(): Promise<number> {
    return 1;
  }
  @CacheResult({
    invalidatesOn: [
      invalidates('Article', {
        dispatcher: 'background',
        dispatcherConfig: { attempts: 2 },
        eager: false,
        scope: 'all',
      }),
    ],
  })
  async inBackground(): Promise<number> {
    return 1;
  }
}
