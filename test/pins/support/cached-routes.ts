import 'reflect-metadata';
import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Req,
  Version,
} from '@nestjs/common';
import {
  ArgsKeyField,
  BodyKeyField,
  CacheResponse,
  CookiesKeyField,
  HeadersKeyField,
  InvalidatesCache,
  QueryParamsKeyField,
  RequestValueKeyField,
  ResponseCacheKeyConstructor,
  RouteParamsKeyField,
  Vary,
} from '../../../lib/index.js';

class PerLanguage extends ResponseCacheKeyConstructor {
  language = new HeadersKeyField('Accept-Language');
}

/** Handlers whose keys are pinned. */
@Controller('routes')
export class Routes {
  @Get('plain') @CacheResponse(60) plain(): string {
    return 'plain';
  }
  @Get('items/:kind/:id') @CacheResponse(60) item(@Param('kind') kind: string): string {
    return kind;
  }
  @Get('query') @CacheResponse({ query: ['page', 'tag'] }) query(): string {
    return 'query';
  }
  @Get('ignored') @CacheResponse({ query: { ignore: ['utm_*'] } }) ignored(): string {
    return 'ignored';
  }
  @Get('varied') @CacheResponse({ vary: ['X-Tenant'] }) varied(): string {
    return 'varied';
  }
  @Get('by-handler')
  @CacheResponse(60)
  @Vary('Accept-Language')
  @Header('Vary', 'Accept')
  byHandler(): string {
    return 'by handler';
  }
  @Get('language') @CacheResponse({ keyConstructor: PerLanguage }) language(): string {
    return 'language';
  }
  @Get('cookie')
  @CacheResponse({ shared: true, keyConstructor: { theme: new CookiesKeyField('theme') } })
  cookie(): string {
    return 'cookie';
  }
  @Get('value')
  @CacheResponse({
    shared: true,
    keyConstructor: { tenant: new RequestValueKeyField('headers.x-tenant', { partition: true }) },
  })
  value(): string {
    return 'value';
  }
  @Get('fields/:slug')
  @CacheResponse({
    keyConstructor: {
      slug: new RouteParamsKeyField('slug', { partition: true }),
      page: new QueryParamsKeyField(['page', 'sort']),
    },
  })
  fields(@Param('slug') slug: string): string {
    return slug;
  }
  @Get('arguments/:id')
  @CacheResponse({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }), page: new ArgsKeyField(1) },
  })
  arguments(@Param('id') id: string, @Query('page') page: string): string {
    return `${id} ${page}`;
  }
  @Get('tagged/:id')
  @CacheResponse({ tags: ({ params }: { params: { id: string } }) => [`item:${params.id}`] })
  tagged(@Param('id') id: string): string {
    return id;
  }
  @Post('search') @HttpCode(200) @CacheResponse({ methods: ['POST'] }) search(
    @Body() body: unknown,
  ): unknown {
    return body;
  }
  @Post('body')
  @HttpCode(200)
  @CacheResponse({ methods: ['POST'], keyConstructor: { term: new BodyKeyField('term') } })
  body(@Body('term') term: string): string {
    return term;
  }
  @Get('headers')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60')
  headers(): string {
    return 'headers';
  }
  @Put('items/:kind/:id') update(): string {
    return 'updated';
  }
  @Put('headers') updateHeaders(): string {
    return 'updated';
  }
  @Delete('articles/:slug')
  @InvalidatesCache<Routes>({
    of: () => Routes,
    method: 'fields',
    partition: (slug: string) => ({ slug }),
    tags: ['articles'],
  })
  async remove(@Param('slug') slug: string): Promise<string> {
    return slug;
  }
  @Get('named') @CacheResponse({ name: 'a name', ttl: 60 }) named(@Req() _request: unknown): string {
    return 'named';
  }
  @Get('versioned') @Version('2') @CacheResponse(60) versioned(): string {
    return 'versioned';
  }
}

/** One handler that only `cacheEverything` caches. */
@Controller('everything')
export class Undecorated {
  @Get(':id') find(@Param('id') id: string): string {
    return id;
  }
}
