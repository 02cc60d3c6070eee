import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  invalidates,
  type EntityClass,
  type InvalidationRuleOptions,
} from '../../lib/index.js';
import { Article, Author, Category, Comment, Folder, Media, Note, Photo, Reaction, Tag } from './entities.js';

type Row = Record<string, unknown>;
type Id = number | string | null;

/** Cached by one argument: a change drops what is mapped from its row. */
const CachedBy = (argument: string, entity: EntityClass, path: string) =>
  CacheResult({
    keyConstructor: { [argument]: new ArgsKeyField(argument, { partition: true }) },
    invalidatesOn: [invalidates(entity, { fieldMapping: { [argument]: path as never } })],
  });

/** Cached as one value, which any change drops that fires the rule. */
const CachedWhole = <E extends object>(
  entity: EntityClass<E>,
  firing: Pick<InvalidationRuleOptions<E>, 'watchFields' | 'triggerOnCreate' | 'invalidateWhen'> = {},
) => CacheResult({ keyConstructor: {}, invalidatesOn: [invalidates(entity, { scope: 'all', ...firing })] });

/** Cached methods over the tables of `entities.ts`, with rules of every kind: what they answer is made of copied rows. */
export class Library {
  constructor(private readonly tables: Readonly<Record<string, readonly Row[]>>) {}

  /** Copies the rows that its methods answer from; when they were written is no part of the answer. */
  static async of(dataSource: DataSource, named: (table: string) => string): Promise<Library> {
    const names = dataSource.entityMetadatas.map(({ tableName }) => tableName);
    const tables: Record<string, Row[]> = {};
    for (const name of new Set(names))
      tables[name] = await dataSource.query(`SELECT * FROM ${named(name)} ORDER BY 1, 2`);
    for (const row of tables['article']!) delete row['updatedAt'];
    return new Library(tables);
  }

  #rows(table: string, column: string, value: Id): Row[] {
    return this.tables[table]!.filter((row) => row[column] === value);
  }

  @CachedBy('id', Article, 'id')
  async article(id: Id) {
    return [...this.#rows('article', 'id', id), ...this.#rows('article_tag', 'articleId', id)];
  }

  @CachedBy('author', Article, 'author.id')
  async byAuthor(author: Id) {
    return this.#rows('article', 'authorId', author);
  }

  @CachedBy('category', Article, 'categoryId')
  async byCategory(category: Id) {
    return this.#rows('article', 'categoryId', category);
  }

  @CachedBy('city', Article, 'place.city')
  async inCity(city: Id) {
    return this.#rows('article', 'placeCity', city);
  }

  @CachedWhole(Article)
  async articles() {
    return [this.tables['article'], this.tables['article_tag']];
  }

  @CachedWhole(Article, { watchFields: ['title'] })
  async titles() {
    return this.#rows('article', 'deletedAt', null).map((row) => row['title']);
  }

  @CachedWhole(Article, { triggerOnCreate: false })
  async oldest() {
    return this.tables['article']![0];
  }

  @CachedWhole(Article, { invalidateWhen: { categoryId: 2 } })
  async inSecond() {
    return this.#rows('article', 'categoryId', 2);
  }

  @CachedWhole(Article, { invalidateWhen: { '!categoryId': 1 } })
  async notInFirst() {
    return this.tables['article']!.filter((row) => row['categoryId'] !== 1);
  }

  @CachedBy('id', Author, 'id')
  async author(id: Id) {
    return this.#rows('author', 'id', id);
  }

  @CachedBy('id', Category, 'id')
  async category(id: Id) {
    return this.#rows('category', 'id', id);
  }

  @CachedBy('id', Tag, 'id')
  async tag(id: Id) {
    return [...this.#rows('tag', 'id', id), ...this.#rows('article_tag', 'tagId', id)];
  }

  @CachedBy('article', Comment, 'article.id')
  async comments(article: Id) {
    return this.#rows('comment', 'articleId', article);
  }

  @CachedBy('comment', Reaction, 'commentId')
  async reactions(comment: Id) {
    return this.#rows('reaction', 'commentId', comment);
  }

  @CachedBy('id', Media, 'id')
  async media(id: Id) {
    return this.#rows('media', 'id', id);
  }

  /** Of a child of an inheritance tree, whose table is its parent's. */
  @CachedWhole(Photo)
  async photos() {
    return this.#rows('media', 'kind', 'Photo');
  }

  @CachedBy('id', Folder, 'id')
  async folder(id: Id) {
    return this.#rows('folder', 'id', id);
  }

  @CachedBy('id', Note, 'id')
  async note(id: Id) {
    return this.#rows('note', 'id', id);
  }

  @CachedWhole(Note)
  async notes() {
    return this.tables['note'];
  }
}

type Method = Exclude<keyof Library, 'tables'>;

/** What each method is asked for before an operation: every seeded row, and some that do not exist. */
export const ASKED: Readonly<Record<Method, readonly Id[] | 'once'>> = {
  article: [1, 2, 3, 4],
  byAuthor: [1, 2, 3, null],
  byCategory: [1, 2, 3, null],
  inCity: ['Rome', 'Oslo', 'Bern', null],
  articles: 'once',
  titles: 'once',
  oldest: 'once',
  inSecond: 'once',
  notInFirst: 'once',
  author: [1, 2, 3, 4],
  category: [1, 2, 3],
  tag: [1, 2, 3, 4, 5, 6],
  comments: [1, 2, 3],
  reactions: [1, 2],
  media: [1, 2],
  photos: 'once',
  folder: [1, 2, 3],
  note: [1, 2, 3, 7, 8, 9],
  notes: 'once',
};
