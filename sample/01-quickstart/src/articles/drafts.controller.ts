import { Controller, Get, Req, UseGuards } from '@nestjs/common';
import { CacheResponse, invalidates } from 'nestjs-restflow-cache';
import { TokenGuard, type AuthenticatedRequest } from '../authors/token.guard.js';
import { DraftsKey } from './article-keys.js';
import { Article } from './article.entity.js';
import { ArticlesService, type ArticleSummary } from './articles.service.js';

@Controller('drafts')
@UseGuards(TokenGuard)
export class DraftsController {
  constructor(private readonly articles: ArticlesService) {}

  /** A draft that is written, changed or published drops its author's list; nobody else's. */
  @Get()
  @CacheResponse({
    keyConstructor: DraftsKey,
    invalidatesOn: [
      invalidates(Article, { fieldMapping: { author: 'authorId' }, invalidateWhen: { status: 'draft' } }),
    ],
  })
  list(@Req() request: AuthenticatedRequest): Promise<ArticleSummary[]> {
    return this.articles.drafts(request.user.id);
  }
}
