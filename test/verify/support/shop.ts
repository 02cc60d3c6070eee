import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import {
  CacheResult,
  invalidates,
  ArgsKeyField,
  type CacheService,
  type RestflowCacheOptions,
  type VerifyMetrics,
} from '../../../lib/index.js';
import { TestApplication } from '../../support/application.js';
import { pause } from '../../../lib/common/async.js';
import { systemClock } from '../../../lib/common/time.js';
import { randomNumbers, seed } from '../../support/randomised.js';
import { until } from '../../support/until.js';

@Entity()
export class Author {
  @PrimaryColumn() id!: number;
  @Column() name!: string;
}

@Entity()
export class Book {
  @PrimaryColumn() id!: number;
  @Column() title!: string;
  @Column({ default: 1 }) shelf!: number;
  @ManyToOne(() => Author) author!: Relation<Author>;
}

/** Reads books in several ways, each with rules that cover some of what it reads. */
@Injectable()
export class Books {
  loads = 0;
  /** What the loads of `moody` depend on beside the database. */
  mood = 'calm';
  #random = randomNumbers(seed);

  constructor(readonly dataSource: DataSource) {}

  /** Covered. */
  @CacheResult({ invalidatesOn: [Book, Author] })
  async covered(id: number): Promise<string> {
    return this.#describe(id);
  }

  /** Covered, and takes its time after the read. */
  @CacheResult({ invalidatesOn: [Book, Author] })
  async slow(id: number): Promise<string> {
    const text = await this.#describe(id);
    await pause(systemClock, this.#random() * 8);
    return text;
  }

  /** Its rules forget the authors. */
  @CacheResult({ invalidatesOn: [Book] })
  async forgetful(id: number): Promise<string> {
    return this.#describe(id);
  }

  /** Its rule maps the id, but it reads the whole shelf. */
  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [invalidates(Book, { fieldMapping: { id: 'id' } })],
  })
  async narrow(id: number): Promise<string[]> {
    const books = await this.dataSource.getRepository(Book).find({ order: { id: 'ASC' } });
    return books.map(({ title }) => `${id} ${title}`);
  }

  /** No two loads agree. */
  @CacheResult({ invalidatesOn: [Book] })
  async unstable(id: number): Promise<string> {
    return `${await this.#describe(id)} ${Math.random()}`;
  }

  /** Counts how often it was asked, in the database. */
  @CacheResult({ invalidatesOn: [] })
  async writing(id: number): Promise<string> {
    this.loads++;
    await this.dataSource.query('UPDATE "author" SET "name" = "name" || \'!\' WHERE "id" = 2');
    return `read ${id}`;
  }

  /** Sends mail, say. */
  @CacheResult({ verify: false })
  async withEffects(id: number): Promise<string> {
    this.loads++;
    return `sent ${id}`;
  }

  @CacheResult({ verify: { equals: (served: string, loaded: string) => served[0] === loaded[0] } })
  async moody(id: number): Promise<string> {
    return `${id} ${this.mood}`;
  }

  /** What it returns is made of another cached value. */
  @CacheResult({ invalidatesOn: [Book] })
  async outer(id: number): Promise<string> {
    return `outer ${await this.forgetful(id)}`;
  }

  @CacheResult({ invalidatesOn: [Book] })
  async raw(sql: string): Promise<unknown> {
    return this.dataSource.query(sql);
  }

  async #describe(id: number): Promise<string> {
    this.loads++;
    const book = await this.dataSource
      .getRepository(Book)
      .findOneOrFail({ where: { id }, relations: { author: true } });
    return `${book.title} by ${book.author.name}`;
  }
}

/** An application with two books, which verifies every hit. */
export async function startShop(
  options: RestflowCacheOptions = {},
  database: object = {},
): Promise<TestApplication> {
  const app = await TestApplication.start(
    [Books],
    { verify: { sample: 1, budget: 1_000, maxInFlight: 100, settle: '1s' }, ...options },
    [
      TypeOrmModule.forRoot({
        type: 'sqljs',
        entities: [Author, Book],
        synchronize: true,
        ...database,
      } as object),
    ],
  );
  await fill(app.get(DataSource));
  return app;
}

export async function fill(dataSource: DataSource): Promise<void> {
  const authors = await dataSource.getRepository(Author).save([
    { id: 1, name: 'Ursula' },
    { id: 2, name: 'Kobo' },
  ]);
  await dataSource.getRepository(Book).save([
    { id: 1, title: 'Rocannon', author: authors[0]! },
    { id: 2, title: 'Dunes', author: authors[1]! },
  ]);
}

/** Writes past TypeORM, as another program would. */
export function writePast(dataSource: DataSource, sql: string): void {
  (dataSource.driver as unknown as { databaseConnection: { run(sql: string): void } }).databaseConnection.run(
    sql,
  );
}

/** Waits until so many hits have an outcome, with time going on. */
export async function verified(app: TestApplication, hits: number): Promise<VerifyMetrics> {
  const count = ({ outcomes }: VerifyMetrics): number =>
    Object.values(outcomes).reduce((sum, one) => sum + one);
  await until(() => {
    app.clock.advance(100);
    return count(metricsOf(app.cache)) >= hits;
  }, `${hits} verifications`);
  return metricsOf(app.cache);
}

export function metricsOf(cache: CacheService): VerifyMetrics {
  const { verify } = cache.metrics();
  if (verify === undefined) throw new Error('hits are not verified');
  return verify;
}
