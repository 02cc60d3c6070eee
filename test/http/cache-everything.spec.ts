import {
  All,
  Controller,
  createParamDecorator,
  Get,
  Header,
  Headers,
  Ip,
  Module,
  Param,
  Post,
  Put,
  Redirect,
  Req,
  Session,
  Sse,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { EMPTY, type Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  type CacheEverythingOptions,
  InvalidatesCache,
  NoCache,
  QueryParamsKeyField,
  RequestValueKeyField,
  RestflowCacheModule,
  VaryOnCookie,
} from '../../lib/index.js';
import { platforms, start, type ApplicationOptions, type TestApplication } from './support/application.js';

interface AnyRequest {
  headers: Record<string, string | undefined>;
  user?: { id: string };
}

let handled = 0;

class Base {
  @Get('inherited') inherited(): number {
    return ++handled;
  }
}

const Tenant = createParamDecorator((_data: unknown, context: ExecutionContext) =>
  String(context.switchToHttp().getRequest<AnyRequest>().headers['x-tenant']),
);

@Controller()
class Pages extends Base {
  @Get('page/:id') page(@Param('id') id: string): string {
    return `${id} ${++handled}`;
  }
  @Get('long') @CacheResponse(600) long(): number {
    return ++handled;
  }
  @Get('never') @NoCache() never(): number {
    return ++handled;
  }
  @Get('welcome') @VaryOnCookie() welcome(@Req() { headers }: AnyRequest): string {
    return `${headers['cookie']} ${++handled}`;
  }
  @Get('language') language(@Headers('Accept-Language') language: string): string {
    return `${language} ${++handled}`;
  }
  @Get('address') address(@Ip() ip: string): string {
    return `${ip} ${++handled}`;
  }
  @Get('visits') visits(@Session() session: unknown): string {
    return `${String(session)} ${++handled}`;
  }
  @Get('echo') echo(@Headers() headers: Record<string, string>): string {
    return `${headers['x-one']} ${++handled}`;
  }
  @Get('mine') mine(@Req() { user }: AnyRequest): string {
    return `${user?.id} ${++handled}`;
  }
  @Get('tenant') tenant(@Tenant() tenant: string): string {
    return `${tenant} ${++handled}`;
  }
  @Get('own') @Header('Cache-Control', 'private') own(): number {
    return ++handled;
  }
  @Get('moved') @Redirect('/long', 302) moved(): void {
    handled++;
  }
  @All('all') all(): number {
    return ++handled;
  }
  @Sse('events') events(): Observable<never> {
    return EMPTY;
  }
  @Post('page/:id') write(): number {
    return ++handled;
  }
  @Put('refresh') @InvalidatesCache({ of: () => Pages, method: 'page' }) refresh(): string {
    return 'refreshed';
  }
}

@Controller('admin')
class Admin {
  @Get() home(): number {
    return ++handled;
  }
  @Get('users/:id') user(): number {
    return ++handled;
  }
}

@Controller('fresh')
@NoCache()
class Fresh {
  @Get() home(): number {
    return ++handled;
  }
  @Get('cached') @CacheResponse(60) cached(): number {
    return ++handled;
  }
}

@Controller('classy')
@CacheResponse(600)
class Classy {
  @Get() home(): number {
    return ++handled;
  }
}

const TwinOfAdmin = (() => {
  @Controller('twin')
  class Admin {
    @Get() home(): number {
      return ++handled;
    }
  }
  return Admin;
})();

describe.each(platforms)('cacheEverything on %s', (platform) => {
  let app: TestApplication;
  const boot = async (
    options: CacheEverythingOptions = { ttl: 60 },
    controllers: (new (...args: never[]) => object)[] = [Pages, Admin, Fresh, Classy],
    more: Partial<ApplicationOptions> = {},
  ): Promise<void> => {
    app = await start(platform, { controllers, cache: { cacheEverything: options }, ...more });
  };
  beforeEach(() => {
    handled = 0;
  });
  afterEach(() => app?.close());
  const asks = async (path: string, headers = {}): Promise<unknown[]> => [
    (await app.get(path, { headers })).cache,
    (await app.get(path, { headers })).cache,
  ];

  it.each(['/page/1', '/inherited', '/admin', '/language'])(
    'caches %s, which nobody decorated',
    async (path) => {
      await boot();
      expect(await asks(path)).toEqual(['MISS', 'HIT']);
      app.clock.advance(61);
      expect((await app.get(path)).cache).toBe('MISS');
    },
  );

  it('lets the nearest decorator win', async () => {
    await boot();
    for (const path of ['/long', '/classy', '/fresh/cached'])
      expect(await asks(path)).toEqual(['MISS', 'HIT']);
    app.clock.advance(61);
    expect((await app.get('/long')).cache).toBe('HIT');
    expect((await app.get('/classy')).cache).toBe('HIT');
    for (const path of ['/never', '/fresh']) expect(await asks(path)).toEqual([undefined, undefined]);
  });

  it.each(['/all', '/events'])('leaves %s alone', async (path) => {
    await boot();
    expect((await app.get(path)).cache).toBeUndefined();
  });

  it.each(['/address', '/visits', '/echo', '/tenant'])(
    'leaves %s alone, whose answer is one client’s, and says so',
    async (path) => {
      await boot();
      expect((await app.get(path)).cache).toBeUndefined();
      expect(app.complaints.join('\n')).toMatch(
        /Pages\.address is not cached by cacheEverything: it takes @Ip\(\)/,
      );
    },
  );

  it('answers only GET and HEAD', async () => {
    await boot();
    await app.get('/page/1');
    expect(await app.get('/page/1', { method: 'HEAD' })).toMatchObject({ cache: 'HIT', body: '' });
    expect(await app.get('/page/1', { method: 'POST' })).toMatchObject({ cache: undefined, body: '2' });
    expect((await app.get('/page/1')).cache).toBe('MISS');
  });

  it.each(['/own', '/moved'])('stores nothing of %s', async (path) => {
    await boot();
    expect(await asks(path)).toEqual(['MISS', 'MISS']);
  });

  it.each([{ authorization: 'Bearer x' }, { 'x-api-key': 'x' }, { cookie: 'sid=1' }])(
    'shares nothing with a request with %j',
    async (headers) => {
      await boot();
      expect(await asks('/page/1', headers)).toEqual(['BYPASS', 'BYPASS']);
      expect(await asks('/page/1')).toEqual(['MISS', 'HIT']);
      expect(await asks('/page/1', headers)).toEqual(['BYPASS', 'BYPASS']);
    },
  );

  it('logs once the advice for requests with cookies', async () => {
    await boot();
    await asks('/admin', { cookie: 'a=1' });
    expect(app.complaints.filter((line) => /Admin\.home .*cookies.*@VaryOnCookie/.test(line))).toHaveLength(
      1,
    );
  });

  it('shares by cookie where the handler says that cookies count', async () => {
    await boot();
    for (const cookie of ['a=1', 'a=2']) expect(await asks('/welcome', { cookie })).toEqual(['MISS', 'HIT']);
    expect((await app.get('/welcome', { headers: { cookie: 'a=1' } })).body).toBe('a=1 1');
    expect((await app.get('/welcome')).body).toBe('undefined 3');
  });

  it('shares by cookie if vary names it', async () => {
    await boot({ ttl: 60, vary: ['Cookie'] });
    for (const cookie of ['a=1', 'a=2']) expect(await asks('/page/1', { cookie })).toEqual(['MISS', 'HIT']);
  });

  it('gives each user an answer of their own where the key reads the user', async () => {
    const keyConstructor = {
      user: new RequestValueKeyField('user.id'),
      query: new QueryParamsKeyField('*'),
      id: new RequestValueKeyField('params.id'),
    };
    const setup = (nest: INestApplication): unknown =>
      nest.useGlobalGuards({
        canActivate: (context) => {
          const request = context.switchToHttp().getRequest<AnyRequest>();
          const id = request.headers['authorization'];
          if (id !== undefined) request.user = { id };
          return true;
        },
      });
    await boot({ ttl: 60, keyConstructor }, [Pages], { setup: (nest) => void setup(nest) });
    for (const authorization of ['one', 'two']) {
      expect(await asks('/mine', { authorization, cookie: 'sid=1' })).toEqual(['MISS', 'HIT']);
      expect((await app.get('/mine', { headers: { authorization } })).body).toMatch(
        new RegExp(`^${authorization}`),
      );
    }
    expect(await asks('/mine', { cookie: 'sid=1' })).toEqual(['BYPASS', 'BYPASS']);
  });

  it('keeps apart requests by headers that a handler reads', async () => {
    await boot();
    for (const language of ['de', 'en']) {
      const { body, headers } = await app.get('/language', { headers: { 'accept-language': language } });
      expect([body.slice(0, 2), headers['vary']]).toEqual([language, 'accept-language']);
    }
  });

  it.each(['/admin', '/admin/', '/ADMIN/users/1', '/admin/users/%31'])(
    'leaves %s out, which is excluded',
    async (path) => {
      await boot({ ttl: 60, exclude: ['/Admin/*', '/page/secret-*'] });
      for (const answer of await asks(path)) expect(['BYPASS', undefined]).toContain(answer);
      expect(await asks('/page/1')).toEqual(['MISS', 'HIT']);
      expect(await asks('/page/secret-1')).toEqual(['BYPASS', 'BYPASS']);
      expect(await asks('/page/%73ecret-1')).toEqual(['BYPASS', 'BYPASS']);
      expect(await asks('/page/1?x=/admin/')).toEqual(['MISS', 'HIT']);
    },
  );

  it('leaves controllers out', async () => {
    await boot({ ttl: 60, exclude: [Admin] });
    expect(await asks('/admin')).toEqual([undefined, undefined]);
  });

  it('lets its handlers be dropped by hand and by other handlers', async () => {
    await boot();
    await app.get('/page/1');
    await app.cache.for(Pages, 'page').deleteByPrefix({ id: 1 });
    expect(await asks('/page/1')).toEqual(['MISS', 'HIT']);
    await app.get('/refresh', { method: 'PUT' });
    expect((await app.get('/page/1')).cache).toBe('MISS');
    expect(() => app.cache.for(Pages, 'never')).toThrow(/Pages\.never is not cached/);
  });

  it('logs at boot the handlers that it caches', async () => {
    await boot({ ttl: 60 }, [Admin]);
    expect(app.lines).toContain('cacheEverything caches 2 handlers: Admin.home, Admin.user');
    expect(app.complaints).toEqual([]);
  });

  it('caches one of two classes of one name, and says so', async () => {
    await boot({ ttl: 60 }, [Admin, TwinOfAdmin]);
    expect(await asks('/admin')).toEqual(['MISS', 'HIT']);
    expect(await asks('/twin')).toEqual([undefined, undefined]);
    expect(app.complaints.join()).toMatch(
      /Admin\.home is not cached by cacheEverything: another class called Admin/,
    );
  });

  it('uses the ttl of the module if it has none', async () => {
    await boot({});
    await app.get('/page/1');
    app.clock.advance(3599);
    expect((await app.get('/page/1')).cache).toBe('HIT');
    app.clock.advance(2);
    expect((await app.get('/page/1')).cache).toBe('MISS');
  });
});

// Fastify takes no route twice.
it('caches a controller that two modules name once', async () => {
  @Module({ controllers: [Admin] })
  class Twice {}
  const cache = { cacheEverything: { ttl: 60 } };
  const app = await start('express', { controllers: [Admin], imports: [Twice], cache });
  expect(app.lines).toContain('cacheEverything caches 2 handlers: Admin.home, Admin.user');
  expect(app.complaints).toEqual([]);
  await app.close();
});

it('caches only decorated handlers when it is off', async () => {
  const app = await start('express', { controllers: [Admin, Classy] });
  expect((await app.get('/admin')).cache).toBeUndefined();
  expect((await app.get('/classy')).cache).toBe('MISS');
  await app.close();
});

it.each([
  [true],
  [{ ttl: '60' }],
  [{ exclude: '/admin' }],
  [{ exclude: ['admin'] }],
  [{ shared: true }],
  [{ methods: ['POST'] }],
  [{ name: 'all' }],
  [{ vary: ['not a header'] }],
])('cacheEverything refuses %j', (cacheEverything) => {
  expect(() => RestflowCacheModule.forRoot({ cacheEverything } as never)).toThrow(
    /cacheEverything of RestflowCacheModule/,
  );
});

it('a class does not have @CacheResponse and @NoCache, but may extend one that has the other', () => {
  expect(() => CacheResponse(60)(Fresh)).toThrow(/Fresh has @CacheResponse\(\) and @NoCache\(\)/);
  expect(() => CacheResponse(60)(class extends Fresh {})).not.toThrow();
});
