import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Author } from '../authors/author.entity.js';
import { Comment } from '../comments/comment.entity.js';
import { Tag } from '../tags/tag.entity.js';
import { Article } from './article.entity.js';
import { ArticlesController } from './articles.controller.js';
import { ArticlesService } from './articles.service.js';
import { DraftsController } from './drafts.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Article, Author, Comment, Tag])],
  controllers: [ArticlesController, DraftsController],
  providers: [ArticlesService],
})
export class ArticlesModule {}
