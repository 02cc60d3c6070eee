import {
  All,
  BadRequestException,
  Controller,
  Delete,
  Get,
  HttpCode,
  Module,
  Param,
  Post,
  Put,
  Query,
  Redirect,
  Req,
  Res,
  VersioningType,
  type INestApplication,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, RequestValueKeyField, RouteParamsKeyField } from '../../lib/index.js';
import { RoutePattern } from '../../lib/http/route/route-paths.js';
import { platforms, start, type ApplicationOptions, type TestApplication } from './support/application.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

interface WithUser {
  headers: Record<string, string | undefined>;
  user?: { id: string };
}

let handled = 0;
const byUser = new RequestValueKeyField('user.id');

const wordOf = ({ headers }: WithUser): string => {
  if (headers['x-word'] === undefined) throw new Error('no word');
  return headers['x-word'];
};

@Controller('articles')
class Articles {
  @Get() @CacheResponse(60) list(@Query('page') page: string): string {
    return `${page} ${++handled}`;
  }
  @Get(':slug') @CacheResponse({ ttl: 60, vary: ['accept-language'] }) find(
    @Param('slug') slug: string,
  ): string {
    return `${slug} ${++handled}`;
  }
  @Get(':slug/mine')
  @CacheResponse({
    keyConstructor: { user: byUser, route: new RouteParamsKeyField('*', { partition: true }) },
  })
  mine(@Req() request: WithUser): string {
    return `${request.user?.id} ${++handled}`;
  }
  @Post() create(@Res({ passthrough: true }) response: AnyResponse): string {
    response.header('Location', '/articles/created').header('Content-Location', '../articles?page=2');
    return 'created';
  }
  @Post('elsewhere') elsewhere(@Res({ passthrough: true }) response: AnyResponse): string {
    response.header('Location', 'http://other.example/articles/a');
    return 'created';
  }
  @Put(':id') update(): string {
    return 'updated';
  }
  @Delete(':id') @HttpCode(204) remove(): void {}
  @Post(':slug/mine') keep(): string {
    return 'kept';
  }
  @Post(':slug/publish') @Redirect('/articles/a', 303) publish(): void {}
  @Post(':id') fail(): string {
    throw new BadRequestException();
  }
}

@Controller()
class Others {
  @All('all') @CacheResponse(60) all(): number {
    return ++handled;
  }
  @Get('drafts') @CacheResponse({ keyConstructor: { user: byUser } }) drafts(
    @Req() request: WithUser,
  ): string {
    return `${request.user?.id} ${++handled}`;
  }
  @Post('drafts') add(): string {
    return 'added';
  }
  @Get('files/*') @CacheResponse(60) file(): number {
    return ++handled;
  }
  @Put('files/*') upload(): string {
    return 'uploaded';
  }
  @Get('failing') @CacheResponse({ keyConstructor: wordOf }) failing(): number {
    return ++handled;
  }
  @Post('failing') write(): number {
    return ++handled;
  }
}

describe.each(platforms)('an unsafe request on %s', (platform) => {
  let app: TestApplication;
  const boot = async (options: Partial<ApplicationOptions> = {}): Promise<void> => {
    app = await start(platform, { controllers: [Articles, Others], ...options });
  };
  const withUsers = (nest: INestApplication): void => {
    nest.useGlobalGuards({
      canActivate: (context) => {
        const request = context.switchToHttp().getRequest<WithUser>();
        const id = request.headers['x-user'];
        if (id !== undefined) request.user = { id };
        return true;
      },
    });
  };
  beforeEach(() => {
    handled = 0;
  });
  afterEach(() => app?.close());
  const isCached = async (path: string, headers = {}): Promise<boolean> =>
    (await app.get(path, { headers })).cache === 'HIT';

  it('drops the responses of its URI, whatever its route calls the parameter', async () => {
    await boot();
    for (const method of ['PUT', 'DELETE']) {
      await app.get('/articles/a');
      expect(await isCached('/articles/a')).toBe(true);
      await app.get('/articles/a', { method });
      expect(await isCached('/articles/a')).toBe(false);
    }
  });

  it('drops all variants, on all hosts', async () => {
    await boot();
    const asked: Record<string, string>[] = [
      { host: 'a.example' },
      { host: 'a.example', 'accept-language': 'de' },
      {},
    ];
    for (const headers of asked) await app.get('/articles/a', { headers });
    for (const headers of asked) expect(await isCached('/articles/a', headers)).toBe(true);
    await app.get('/articles/a', { method: 'PUT' });
    for (const headers of asked) expect(await isCached('/articles/a', headers)).toBe(false);
  });

  it('drops nothing for other URIs, other queries included', async () => {
    await boot();
    const others = ['/articles', '/articles/b', '/articles/a?page=2'];
    for (const path of others) await app.get(path);
    await app.get('/articles/a', { method: 'PUT' });
    for (const path of others) expect(await isCached(path)).toBe(true);
  });

  it('drops the response with its query', async () => {
    await boot();
    for (const path of ['/articles?page=1', '/articles?page=2']) await app.get(path);
    await app.get('/articles?page=1', { method: 'POST' });
    expect(await isCached('/articles?page=1')).toBe(false);
  });

  it('drops the responses of its Location and Content-Location', async () => {
    await boot();
    const paths = ['/articles', '/articles/created', '/articles?page=2'];
    for (const path of [...paths, '/articles?page=3']) await app.get(path);
    await app.get('/articles', { method: 'POST' });
    for (const path of paths) expect([path, await isCached(path)]).toEqual([path, false]);
    expect(await isCached('/articles?page=3')).toBe(true);
  });

  it('drops the response that it redirects to', async () => {
    await boot();
    await app.get('/articles/a');
    expect(await app.get('/articles/a/publish', { method: 'POST' })).toMatchObject({ status: 303 });
    expect(await isCached('/articles/a')).toBe(false);
  });

  it('drops nothing for a Location on another host', async () => {
    await boot();
    await app.get('/articles/a');
    await app.get('/articles/elsewhere', { method: 'POST' });
    expect(await isCached('/articles/a')).toBe(true);
  });

  it('drops nothing when it fails', async () => {
    await boot();
    await app.get('/articles/a');
    expect(await app.get('/articles/a', { method: 'POST' })).toMatchObject({ status: 400 });
    expect(await isCached('/articles/a')).toBe(true);
  });

  it('drops the answer of the same handler to GET', async () => {
    await boot();
    await app.get('/all');
    expect(await app.get('/all', { method: 'OPTIONS' })).toMatchObject({ cache: 'BYPASS' });
    expect(await isCached('/all')).toBe(true);
    expect(await app.get('/all', { method: 'PATCH' })).toMatchObject({ cache: 'BYPASS' });
    expect(await isCached('/all')).toBe(false);
  });

  it('drops responses below a wildcard', async () => {
    await boot();
    for (const path of ['/files/a/b%20c', '/files/a']) await app.get(path);
    await app.get('/files/a/b%20c', { method: 'PUT' });
    expect(await isCached('/files/a/b%20c')).toBe(false);
    expect(await isCached('/files/a')).toBe(true);
  });

  it("drops its own user's answer, and where the path is a partition everybody's", async () => {
    await boot({ setup: withUsers });
    const users = [{ 'x-user': 'one' }, { 'x-user': 'two' }];
    for (const headers of users)
      for (const path of ['/drafts', '/articles/a/mine']) await app.get(path, { headers });
    for (const path of ['/drafts', '/articles/a/mine'])
      await app.get(path, { method: 'POST', headers: users[0]! });
    expect(await Promise.all(users.map((user) => isCached('/drafts', user)))).toEqual([false, true]);
    expect(await Promise.all(users.map((user) => isCached('/articles/a/mine', user)))).toEqual([
      false,
      false,
    ]);
  });

  it('drops all of a route whose key it cannot make, and says so', async () => {
    await boot();
    const headers = { 'x-word': 'a' };
    await app.get('/failing', { headers });
    expect(await isCached('/failing', headers)).toBe(true);
    await app.get('/failing', { method: 'POST' });
    expect(await isCached('/failing', headers)).toBe(false);
    expect(app.complaints.join()).toMatch(/An unsafe request to what Others\.failing answers made no key/);
  });

  it.each(['/api/v1/shop/articles/a', '/api/v2/shop/articles/a'])(
    'finds %s behind a prefix, a version and the path of a module',
    async (path) => {
      @Controller({ path: 'articles', version: ['1', '2'] })
      class Versioned extends Articles {}
      @Module({ controllers: [Versioned] })
      class Shop {}
      await boot({
        controllers: [],
        imports: [Shop, RouterModule.register([{ path: 'shop', module: Shop }])],
        setup: (nest) => {
          nest.setGlobalPrefix('api');
          nest.enableVersioning({ type: VersioningType.URI });
        },
      });
      await app.get(path);
      expect(await isCached(path)).toBe(true);
      await app.get(path, { method: 'PUT' });
      expect(await isCached(path)).toBe(false);
    },
  );
});

describe('the pattern of a route', () => {
  const pattern = (path: string, names = true): RoutePattern =>
    new RoutePattern({ global: '', version: undefined, modules: [] }, ['/'], [path], names);

  it.each<[string, string, object | undefined]>([
    ['', '/', {}],
    ['a', '/a', {}],
    ['a', '/A/', {}],
    ['a', '/a/b', undefined],
    [':id', '/a%20b', { id: 'a b' }],
    [':id', '/%E0%A4%A', { id: '%E0%A4%A' }],
    [':id', '/a/b', undefined],
    [':from-:to', '/a-b', { from: 'a', to: 'b' }],
    [':id(\\d+)', '/12', { id: '12' }],
    ['a/:id?', '/a', {}],
    ['a/:id?', '/a/1', { id: '1' }],
    ['a{/:id}/b', '/a/b', {}],
    ['a{/:id}/b', '/a/1/b', { id: '1' }],
    ['*rest', '/a/b%2Fc', { rest: ['a', 'b/c'] }],
    ['a/{*path}', '/a/', {}],
    ['a/{*path}', '/a/b/c', { path: ['b', 'c'] }],
    ['a/*', '/a/b', { path: ['b'] }],
    ['a.b+(c)', '/a.b+(c)', {}],
    ['a.b', '/axb', undefined],
    ['m\u00fcnchen', '/m%C3%BCnchen', {}],
  ])('%s takes from %s: %j', (path, from, params) => {
    expect(pattern(path).match(from)).toEqual(params);
  });

  it('calls a wildcard as Fastify does', () => {
    expect(pattern('files/*', false).match('/files/a/b')).toEqual({ '*': 'a/b' });
  });
});
