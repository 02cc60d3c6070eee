import { type CanActivate, Controller, type ExecutionContext, Get, Injectable, Param } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { ArgsKeyField, CacheResponse, CacheResult, invalidates, KeyConstructor } from '../../../lib/index.js';
import { type DashboardOptions, RestflowDashboardModule } from '../../../lib/dashboard.js';
import { type PlatformName, start, type TestApplication } from '../../http/support/application.js';

/** A name that would be markup. */
export const HOSTILE = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;

@Entity()
export class Article {
  @PrimaryGeneratedColumn() id!: number;
  @Column() slug!: string;
}

class BySlug extends KeyConstructor {
  slug = new ArgsKeyField('slug', { partition: true });
}

@Injectable()
export class Articles {
  runs = 0;
  @CacheResult({ ttl: 600, keyConstructor: BySlug, invalidatesOn: [invalidates(Article, { scope: 'all' })] })
  async find(slug: string): Promise<{ slug: string }> {
    this.runs++;
    return { slug };
  }
  @CacheResult({ ttl: null, name: HOSTILE, tags: (text: string) => [text], cacheIf: (text) => text !== 'no' })
  async hostile(text: string): Promise<string> {
    return text;
  }
}

@Controller('articles')
export class ArticlesController {
  @Get(':slug')
  @CacheResponse({ ttl: '10m', invalidatesOn: [invalidates(Article, { fieldMapping: { slug: 'slug' } })] })
  one(@Param('slug') slug: string): string {
    return slug;
  }
}

/** Lets those in who know the word. */
@Injectable()
export class Word implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: object }>();
    request.user = { id: 7 };
    return request.headers['x-word'] === 'open sesame';
  }
}

/** A shop with the dashboard. */
export function startShop(
  platform: PlatformName,
  options: DashboardOptions,
  more: Partial<Parameters<typeof start>[1]> = {},
): Promise<TestApplication> {
  return start(platform, {
    imports: [
      RestflowDashboardModule.forRoot(options),
      TypeOrmModule.forRoot({ type: 'sqljs', autoSave: false, entities: [Article], synchronize: true }),
    ],
    controllers: [ArticlesController],
    providers: [Articles],
    ...more,
    cache: { dataSources: 'auto', ...more.cache },
  });
}
