import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ArgsKeyField, CacheResult, invalidates } from '../../../lib/index.js';
import { Article } from '../../../sample/01-quickstart/src/articles/article.entity.js';
import { Author } from '../../../sample/01-quickstart/src/authors/author.entity.js';
import { Comment } from '../../../sample/01-quickstart/src/comments/comment.entity.js';
import { Tag } from '../../../sample/01-quickstart/src/tags/tag.entity.js';

export const ENTITIES = [Article, Author, Comment, Tag];
export { Article, Author, Comment, Tag };

/** What is read. Each view takes one argument, an id or a name. */
export interface Views {
  article(id: number): Promise<unknown>;
  comments(article: number): Promise<unknown>;
  byAuthor(author: number): Promise<number[]>;
  drafts(author: number): Promise<unknown>;
  authorPage(author: number): Promise<unknown>;
  tagged(tag: string): Promise<unknown>;
  published(): Promise<unknown>;
  front(): Promise<unknown>;
}

/** How the views are loaded; those that are made of others ask `views`, which are cached. */
class LoadedViews implements Views {
  constructor(
    private readonly dataSource: DataSource,
    private readonly views: Views,
  ) {}

  async article(id: number): Promise<unknown> {
    const found = await this.dataSource.getRepository(Article).findOne({
      where: { id },
      relations: { author: true, tags: true, comments: true },
      order: { comments: { id: 'ASC' } },
    });
    if (found === null) return null;
    const { title, text, status, author, tags, comments } = found;
    const names = tags.map(({ name }) => name).sort();
    return [title, text, status, author.name, names, comments.map(({ name }) => name)];
  }

  async comments(article: number): Promise<unknown> {
    const found = await this.dataSource
      .getRepository(Comment)
      .find({ where: { article: { id: article } }, order: { id: 'ASC' } });
    return found.map(({ name, text }) => [name, text]);
  }

  async byAuthor(author: number): Promise<number[]> {
    const found = await this.dataSource
      .getRepository(Article)
      .find({ where: { authorId: author }, order: { id: 'ASC' } });
    return found.map(({ id }) => id);
  }

  async drafts(author: number): Promise<unknown> {
    const found = await this.dataSource
      .getRepository(Article)
      .find({ where: { authorId: author, status: 'draft' }, order: { id: 'ASC' } });
    return found.map(({ id, title }) => [id, title]);
  }

  /** Made of other views, two levels deep. */
  async authorPage(author: number): Promise<unknown> {
    const found = await this.dataSource.getRepository(Author).findOneBy({ id: author });
    const articles: unknown[] = [];
    for (const id of await this.views.byAuthor(author)) articles.push(await this.views.article(id));
    return [found?.name, articles];
  }

  async tagged(tag: string): Promise<unknown> {
    const found = await this.dataSource
      .getRepository(Article)
      .find({ where: { tags: { name: tag } }, order: { id: 'ASC' } });
    return found.map(({ slug, title }) => [slug, title]);
  }

  async published(): Promise<unknown> {
    return this.dataSource.getRepository(Article).countBy({ status: 'published' });
  }

  /** Has no rule of its own: it lives by what the views in it inherit to it. */
  async front(): Promise<unknown> {
    return [await this.views.published(), await this.views.tagged('tag-0')];
  }
}

/** Whether what runs in this context loaded anything. */
export const loads = new AsyncLocalStorage<{ loaded: boolean }>();

const ofArticle = { article: new ArgsKeyField('article', { partition: true }) };
const ofAuthor = { author: new ArgsKeyField('author', { partition: true }) };
const named = { scope: 'all', watchFields: ['name'], triggerOnCreate: false } as const;

/** The same views, cached, under rules as the sample has them: by partition, watched, conditional, inherited. */
@Injectable()
export class CachedViews implements Views {
  readonly #loaded: LoadedViews;

  constructor(dataSource: DataSource) {
    this.#loaded = new LoadedViews(dataSource, this);
  }

  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [
      invalidates(Article, { fieldMapping: { id: 'id' } }),
      invalidates(Comment, { fieldMapping: { id: 'article.id' } }),
      invalidates(Author, named),
      invalidates(Tag, named),
    ],
  })
  async article(id: number): Promise<unknown> {
    return this.#load().article(id);
  }

  @CacheResult({
    keyConstructor: ofArticle,
    invalidatesOn: [invalidates(Comment, { fieldMapping: { article: 'article.id' } })],
  })
  async comments(article: number): Promise<unknown> {
    return this.#load().comments(article);
  }

  @CacheResult({
    keyConstructor: ofAuthor,
    invalidatesOn: [
      invalidates(Article, { fieldMapping: { author: 'authorId' }, watchFields: ['authorId', 'author'] }),
    ],
  })
  async byAuthor(author: number): Promise<number[]> {
    return this.#load().byAuthor(author);
  }

  @CacheResult({
    keyConstructor: ofAuthor,
    invalidatesOn: [
      invalidates(Article, { fieldMapping: { author: 'authorId' }, invalidateWhen: { status: 'draft' } }),
    ],
  })
  async drafts(author: number): Promise<unknown> {
    return this.#load().drafts(author);
  }

  @CacheResult({
    keyConstructor: ofAuthor,
    invalidatesOn: [invalidates(Author, { fieldMapping: { author: 'id' } })],
  })
  async authorPage(author: number): Promise<unknown> {
    return this.#load().authorPage(author);
  }

  @CacheResult({
    invalidatesOn: [invalidates(Article, { scope: 'all', watchFields: ['title', 'tags', 'slug'] }), Tag],
  })
  async tagged(tag: string): Promise<unknown> {
    return this.#load().tagged(tag);
  }

  @CacheResult({ invalidatesOn: [invalidates(Article, { scope: 'all', watchFields: ['status'] })] })
  async published(): Promise<unknown> {
    return this.#load().published();
  }

  @CacheResult()
  async front(): Promise<unknown> {
    return this.#load().front();
  }

  #load(): LoadedViews {
    return counted(this.#loaded);
  }
}

function counted(loaded: LoadedViews): LoadedViews {
  const load = loads.getStore();
  if (load !== undefined) load.loaded = true;
  return loaded;
}

/** The same views, half of them without a rule: those depend on the tables that their loads read. */
@Injectable()
export class HalfAutoViews implements Views {
  readonly #loaded: LoadedViews;

  constructor(dataSource: DataSource) {
    this.#loaded = new LoadedViews(dataSource, this);
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async article(id: number): Promise<unknown> {
    return counted(this.#loaded).article(id);
  }

  @CacheResult({
    keyConstructor: ofArticle,
    invalidatesOn: [invalidates(Comment, { fieldMapping: { article: 'article.id' } })],
  })
  async comments(article: number): Promise<unknown> {
    return counted(this.#loaded).comments(article);
  }

  @CacheResult({
    keyConstructor: ofAuthor,
    invalidatesOn: [
      invalidates(Article, { fieldMapping: { author: 'authorId' }, watchFields: ['authorId', 'author'] }),
    ],
  })
  async byAuthor(author: number): Promise<number[]> {
    return counted(this.#loaded).byAuthor(author);
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async drafts(author: number): Promise<unknown> {
    return counted(this.#loaded).drafts(author);
  }

  /** Made of a view with a rule and of one without. */
  @CacheResult({ invalidatesOn: 'auto' })
  async authorPage(author: number): Promise<unknown> {
    return counted(this.#loaded).authorPage(author);
  }

  @CacheResult({ invalidatesOn: 'auto' })
  async tagged(tag: string): Promise<unknown> {
    return counted(this.#loaded).tagged(tag);
  }

  @CacheResult({ invalidatesOn: [invalidates(Article, { scope: 'all', watchFields: ['status'] })] })
  async published(): Promise<unknown> {
    return counted(this.#loaded).published();
  }

  @CacheResult()
  async front(): Promise<unknown> {
    return counted(this.#loaded).front();
  }
}
