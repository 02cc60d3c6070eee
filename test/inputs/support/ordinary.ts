import {
  Controller,
  Get,
  Header,
  Inject,
  Injectable,
  NotFoundException,
  Param,
  ParseIntPipe,
  Query,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
} from '@nestjs/common';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import compress from '@fastify/compress';
import compression from 'compression';
import helmet from 'helmet';
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { map, type Observable, tap } from 'rxjs';
import { CacheResponse, CacheResult } from '../../../lib/index.js';
import type { ApplicationOptions, PlatformName } from '../../http/support/application.js';
import { accountOf, inFront } from './surroundings.js';
import type { AnyRequest } from './ways.js';

interface Article {
  readonly id: number;
  readonly title: string;
}

@Injectable()
class ArticlesService {
  @CacheResult('5m') async find(id: number): Promise<Article | null> {
    return id > 100 ? null : { id, title: `Article ${id}` };
  }

  @CacheResult('1m') async list(page: number): Promise<Article[]> {
    return Array.from({ length: 10 }, (_, at) => ({
      id: page * 10 + at,
      title: `Article ${page * 10 + at}`,
    }));
  }
}

/** Public pages, decorated and nothing more. */
@Controller()
class ArticlesController {
  constructor(@Inject(ArticlesService) private readonly articles: ArticlesService) {}

  @Get('articles') @CacheResponse('1m') list(@Query('page') page = '0'): Promise<Article[]> {
    return this.articles.list(Number(page));
  }

  @Get('articles/:id') @CacheResponse('5m') async one(
    @Param('id', ParseIntPipe) id: number,
  ): Promise<Article> {
    const article = await this.articles.find(id);
    if (article === null) throw new NotFoundException();
    return article;
  }

  @Get('about') @CacheResponse('1h') @Header('Content-Type', 'text/html; charset=utf-8') about(): string {
    return `<!doctype html><p>${'About us. '.repeat(500)}</p>`;
  }

  @Get('feed.xml') @CacheResponse('15m') @Header('Content-Type', 'application/rss+xml') feed(): string {
    return '<rss version="2.0"></rss>';
  }
}

/** As @nestjs/throttler: counts by address, and says so in headers. */
@Injectable()
class Throttler implements CanActivate {
  readonly #asked = new Map<string, number>();

  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const { ip } = http.getRequest<AnyRequest>();
    const asked = (this.#asked.get(ip) ?? 0) + 1;
    this.#asked.set(ip, asked);
    http.getResponse<AnyRequest>()['header']('X-RateLimit-Remaining', String(10_000 - asked));
    return true;
  }
}

/** As passport's optional strategies: looks for a token, and lets everybody in. */
@Injectable()
class OptionalUser implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<AnyRequest>();
    const token = /^Bearer (.+)$/.exec(request['headers'].authorization ?? '')?.[1];
    if (token !== undefined) request['user'] = { name: token };
    return true;
  }
}

@Injectable()
class Timing implements NestInterceptor {
  readonly lines: string[] = [];

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { method, url } = context.switchToHttp().getRequest<AnyRequest>();
    return next.handle().pipe(tap(() => void this.lines.push(`${method} ${url}`)));
  }
}

@Injectable()
class Serializer implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(map((body) => body as unknown));
  }
}

const requestIds = new AsyncLocalStorage<{ id: string }>();
/** What a logger wrote. */
const lines: string[] = [];

/** What stands in front of the routes: request ids, an access log, cookies, a session, an account. */
const middleware = inFront((request, response, next) => {
  const id = request['headers']['x-request-id'] ?? randomUUID();
  (response['header'] ?? response['setHeader']).call(response, 'X-Request-Id', id);
  lines.push(
    JSON.stringify({ id, url: request['url'], address: request['ip'], headers: { ...request['headers'] } }),
  );
  lines.splice(0, lines.length - 10);
  const pairs = [...(request['headers'].cookie ?? '').matchAll(/([^=; ]+)=([^;]*)/g)];
  request['cookies'] = Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
  request['session'] = { cookie: { path: '/' } };
  request['account'] = accountOf(request);
  requestIds.run({ id }, next);
});

/** A site with what such sites have: security headers, CORS, compression, sessions, logs, limits. */
export function ordinarySite(): Omit<ApplicationOptions, 'cache' | 'setup'> {
  return {
    controllers: [ArticlesController],
    providers: [
      ArticlesService,
      { provide: APP_GUARD, useClass: Throttler },
      { provide: APP_GUARD, useClass: OptionalUser },
      { provide: APP_INTERCEPTOR, useClass: Timing },
      { provide: APP_INTERCEPTOR, useClass: Serializer },
    ],
    adapter: { trustProxy: true },
  };
}

export async function setUpOrdinarySite(app: INestApplication, platform: PlatformName): Promise<void> {
  app.enableCors({ origin: true, credentials: true });
  app.use(helmet());
  const instance = app.getHttpAdapter().getInstance();
  if (platform === 'express') {
    instance.set('trust proxy', true);
    app.use(compression());
  } else await instance.register(compress, { global: true });
  middleware(app, platform);
}
