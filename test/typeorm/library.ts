import 'reflect-metadata';
import type { DataSource } from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates } from '../../lib/index.js';
import { Article, Author, Category, Comment, Folder, Media, Note, Photo, Reaction, Tag } from './entities.js';

type Row = Record<string, unknown>;
type Id = number | string | null;

const by = (field: string) => ({ [field]: new ArgsKeyField(field, { partition: true }) });
const everything = { scope: 'all' } as const;

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

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Article, { fieldMapping: { id: 'id' } })],
  })
  async article(id: Id) {
    return [...this.#rows('article', 'id', id), ...this.#rows('article_tag', 'articleId', id)];
  }

  @CacheResult({
    keyConstructor: by('author'),
    invalidatesOn: [invalidates(Article, { fieldMapping: { author: 'author.id' } })],
  })
  async byAuthor(author: Id) {
    return this.#rows('article', 'authorId', author);
  }

  @CacheResult({
    keyConstructor: by('category'),
    invalidatesOn: [invalidates(Article, { fieldMapping: { category: 'categoryId' } })],
  })
  async byCategory(category: Id) {
    return this.#rows('article', 'categoryId', category);
  }

  @CacheResult({
    keyConstructor: by('city'),
    invalidatesOn: [invalidates(Article, { fieldMapping: { city: 'place.city' } })],
  })
  async inCity(city: Id) {
    return this.#rows('article', 'placeCity', city);
  }

  @CacheResult({ keyConstructor: {}, invalidatesOn: [Article] })
  async articles() {
    return [this.tables['article'], this.tables['article_tag']];
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(Article, { ...everything, watchFields: ['title'] })],
  })
  async titles() {
    return this.#rows('article', 'deletedAt', null).map((row) => row['title']);
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(Article, { ...everything, triggerOnCreate: false })],
  })
  async oldest() {
    return this.tables['article']![0];
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(Article, { ...everything, invalidateWhen: { categoryId: 2 } })],
  })
  async inSecond() {
    return this.#rows('article', 'categoryId', 2);
  }

  @CacheResult({
    keyConstructor: {},
    invalidatesOn: [invalidates(Article, { ...everything, invalidateWhen: { '!categoryId': 1 } })],
  })
  async notInFirst() {
    return this.tables['article']!.filter((row) => row['categoryId'] !== 1);
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Author, { fieldMapping: { id: 'id' } })],
  })
  async author(id: Id) {
    return this.#rows('author', 'id', id);
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Category, { fieldMapping: { id: 'id' } })],
  })
  async category(id: Id) {
    return this.#rows('category', 'id', id);
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Tag, { fieldMapping: { id: 'id' } })],
  })
  async tag(id: Id) {
    return [...this.#rows('tag', 'id', id), ...this.#rows('article_tag', 'tagId', id)];
  }

  @CacheResult({
    keyConstructor: by('article'),
    invalidatesOn: [invalidates(Comment, { fieldMapping: { article: 'article.id' } })],
  })
  async comments(article: Id) {
    return this.#rows('comment', 'articleId', article);
  }

  @CacheResult({
    keyConstructor: by('comment'),
    invalidatesOn: [invalidates(Reaction, { fieldMapping: { comment: 'commentId' } })],
  })
  async reactions(comment: Id) {
    return this.#rows('reaction', 'commentId', comment);
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Media, { fieldMapping: { id: 'id' } })],
  })
  async media(id: Id) {
    return this.#rows('media', 'id', id);
  }

  /** Of a child of an inheritance tree, whose table is its parent's. */
  @CacheResult({ keyConstructor: {}, invalidatesOn: [Photo] })
  async photos() {
    return this.#rows('media', 'kind', 'Photo');
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Folder, { fieldMapping: { id: 'id' } })],
  })
  async folder(id: Id) {
    return this.#rows('folder', 'id', id);
  }

  @CacheResult({
    keyConstructor: by('id'),
    invalidatesOn: [invalidates(Note, { fieldMapping: { id: 'id' } })],
  })
  async note(id: Id) {
    return this.#rows('note', 'id', id);
  }

  @CacheResult({ keyConstructor: {}, invalidatesOn: [Note] })
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
