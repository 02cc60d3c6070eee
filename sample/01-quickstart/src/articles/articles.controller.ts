import { Body, Controller, Get, Param, Patch, Post, Put, Query } from '@nestjs/common';
import { CacheResponse, invalidates } from 'nestjs-restflow-cache';
import { Author } from '../authors/author.entity.js';
import { Comment } from '../comments/comment.entity.js';
import { Tag } from '../tags/tag.entity.js';
import { ArticleListKey } from './article-keys.js';
import { Article } from './article.entity.js';
import { ArticlesService, type ArticleDetail, type ArticlePage } from './articles.service.js';
import { CreateCommentDto } from './dto/create-comment.dto.js';
import { ListArticlesQuery } from './dto/list-articles.query.js';
import { SetTagsDto } from './dto/set-tags.dto.js';
import { UpdateArticleDto } from './dto/update-article.dto.js';

/** Reads are cached, writes know nothing of the cache. (Anyone may write: the sample is about caching.) */
@Controller('articles')
export class ArticlesController {
  constructor(private readonly articles: ArticlesService) {}

  /** Any published article may enter or leave any page, so a change drops all pages; one of a draft drops none. */
  @Get()
  @CacheResponse({
    keyConstructor: ArticleListKey,
    invalidatesOn: [
      invalidates(Article, { scope: 'all', invalidateWhen: { status: 'published' } }),
      Author,
      Tag,
    ],
  })
  list(@Query() query: ListArticlesQuery): Promise<ArticlePage> {
    return this.articles.list(query);
  }

  /** A changed article, or a comment on it, drops this article's page and no other. */
  @Get(':slug')
  @CacheResponse({
    invalidatesOn: [
      invalidates(Article, { fieldMapping: { slug: 'slug' } }),
      invalidates(Comment, { fieldMapping: { slug: 'article.slug' } }),
      invalidates(Author, { scope: 'all', watchFields: ['name'], triggerOnCreate: false }),
      invalidates(Tag, { scope: 'all', watchFields: ['name'], triggerOnCreate: false }),
    ],
  })
  findOne(@Param('slug') slug: string): Promise<ArticleDetail> {
    return this.articles.findOne(slug);
  }

  @Patch(':slug')
  update(@Param('slug') slug: string, @Body() changes: UpdateArticleDto): Promise<ArticleDetail> {
    return this.articles.update(slug, changes);
  }

  @Post(':slug/comments')
  comment(@Param('slug') slug: string, @Body() comment: CreateCommentDto): Promise<ArticleDetail> {
    return this.articles.comment(slug, comment);
  }

  @Put(':slug/tags')
  setTags(@Param('slug') slug: string, @Body() { tags }: SetTagsDto): Promise<ArticleDetail> {
    return this.articles.setTags(slug, tags);
  }
}
