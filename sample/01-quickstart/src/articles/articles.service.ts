import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { CacheResult, invalidates } from 'nestjs-restflow-cache';
import { In, Repository, type FindOptionsWhere } from 'typeorm';
import { Comment } from '../comments/comment.entity.js';
import { Tag } from '../tags/tag.entity.js';
import { Article } from './article.entity.js';
import type { CreateCommentDto } from './dto/create-comment.dto.js';
import type { ListArticlesQuery } from './dto/list-articles.query.js';
import type { UpdateArticleDto } from './dto/update-article.dto.js';

const PAGE_SIZE = 10;

export interface ArticleSummary {
  slug: string;
  title: string;
}

export interface ArticlePage {
  page: number;
  total: number;
  articles: (ArticleSummary & { author: string })[];
}

export interface ArticleDetail extends ArticleSummary {
  text: string;
  status: string;
  author: string;
  tags: string[];
  comments: { name: string; text: string }[];
}

@Injectable()
export class ArticlesService {
  constructor(
    @InjectRepository(Article) private readonly articles: Repository<Article>,
    @InjectRepository(Comment) private readonly comments: Repository<Comment>,
    @InjectRepository(Tag) private readonly tags: Repository<Tag>,
  ) {}

  async list({ tag, author, page }: ListArticlesQuery): Promise<ArticlePage> {
    const found = await this.articles.find({
      where: published(tag, author),
      relations: { author: true },
      order: { id: 'ASC' },
      skip: (page - 1) * PAGE_SIZE,
      take: PAGE_SIZE,
    });
    return {
      page,
      total: await this.count(tag, author),
      articles: found.map((article) => ({ ...summary(article), author: article.author.name })),
    };
  }

  /** Counted once for all pages of a filter. */
  @CacheResult({
    invalidatesOn: [invalidates(Article, { scope: 'all', watchFields: ['status', 'author', 'tags'] }), Tag],
  })
  async count(tag?: string, author?: string): Promise<number> {
    return this.articles.count({ where: published(tag, author) });
  }

  async findOne(slug: string): Promise<ArticleDetail> {
    const article = await this.#get(slug);
    if (article.status !== 'published') throw new NotFoundException();
    return detail(article);
  }

  async drafts(authorId: number): Promise<ArticleSummary[]> {
    const drafts = await this.articles.find({ where: { authorId, status: 'draft' }, order: { id: 'ASC' } });
    return drafts.map(summary);
  }

  async update(slug: string, changes: UpdateArticleDto): Promise<ArticleDetail> {
    const article = await this.#get(slug);
    await this.articles.save(Object.assign(article, changes));
    return detail(article);
  }

  /** The comment is saved with its article loaded: so the rule knows `article.slug`, and drops one page, not all. */
  async comment(slug: string, comment: CreateCommentDto): Promise<ArticleDetail> {
    const article = await this.articles.findOneBy({ slug });
    if (article === null) throw new NotFoundException();
    await this.comments.save(this.comments.create({ ...comment, article }));
    return detail(await this.#get(slug));
  }

  /**
   * TypeORM tells of a changed many-to-many relation by the ids of its two sides. The slug is not among them, so this
   * drops the pages of all articles: too many, never too few.
   */
  async setTags(slug: string, names: string[]): Promise<ArticleDetail> {
    const article = await this.#get(slug);
    const known = await this.tags.findBy({ name: In(names) });
    const missing = names.filter((name) => !known.some((tag) => tag.name === name));
    const created = await this.tags.save(missing.map((name) => ({ name })));
    article.tags = [...known, ...created];
    await this.articles.save(article);
    return detail(article);
  }

  async #get(slug: string): Promise<Article> {
    const relations = { author: true, tags: true, comments: true };
    const article = await this.articles.findOne({
      where: { slug },
      relations,
      order: { comments: { id: 'ASC' } },
    });
    if (article === null) throw new NotFoundException();
    return article;
  }
}

function published(tag: string | undefined, author: string | undefined): FindOptionsWhere<Article> {
  return {
    status: 'published',
    ...(tag === undefined ? {} : { tags: { name: tag } }),
    ...(author === undefined ? {} : { author: { handle: author } }),
  };
}

function summary({ slug, title }: Article): ArticleSummary {
  return { slug, title };
}

function detail(article: Article): ArticleDetail {
  const { text, status, author, tags, comments } = article;
  return {
    ...summary(article),
    text,
    status,
    author: author.name,
    tags: tags.map((tag) => tag.name).sort(),
    comments: comments.map(({ name, text }) => ({ name, text })),
  };
}
