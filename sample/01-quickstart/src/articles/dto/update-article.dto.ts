import { IsIn, IsOptional, IsString, Length } from 'class-validator';
import type { ArticleStatus } from '../article.entity.js';

export class UpdateArticleDto {
  @IsOptional()
  @IsString()
  @Length(1, 200)
  title?: string;

  @IsOptional()
  @IsString()
  text?: string;

  @IsOptional()
  @IsIn(['draft', 'published'])
  status?: ArticleStatus;
}
