import {
  Controller,
  Get,
  Headers,
  Req,
  Res,
  Session,
  StreamableFile,
  UseGuards,
  type INestApplication,
} from '@nestjs/common';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  ArgsKeyField,
  CacheResponse,
  CookiesKeyField,
  HeadersKeyField,
  RequestValueKeyField,
  ResponseCacheKeyConstructor,
} from '../../lib/index.js';
import { platforms, start, type PlatformName, type TestApplication } from './support/application.js';
import { sessions } from './support/sessions.js';
import { PerToken, PerUser, UserGuard } from './support/users.js';

interface AnyRequest {
  rawHeaders?: string[];
  headersDistinct?: Record<string, string[] | undefined>;
  user?: { id: string };
  session?: { secret?: string; user?: unknown };
  cookies?: Record<string, string>;
  signedCookies?: Record<string, string>;
  headers: Record<string, string>;
  raw?: AnyRequest;
}

interface AnyResponse {
  send(body: unknown): void;
}

class PerCookie extends ResponseCacheKeyConstructor {
  sid = new CookiesKeyField('sid', { identity: true });
}

let handled = 0;
const who = ({ headers }: AnyRequest): string =>
  `${headers['x-user'] ?? headers['x-api-key'] ?? 'nobody'} ${++handled}`;

@Controller()
@UseGuards(UserGuard)
class Pages {
  @Get('public') @CacheResponse(60) public(): string {
    return `public ${++handled}`;
  }
  @Get('shared') @CacheResponse({ ttl: 60, shared: true }) shared(@Req() request: AnyRequest): string {
    return `shared ${request.user === undefined ? '' : ''}${++handled}`;
  }
  @Get('per-user')
  @CacheResponse({ ttl: 60, keyConstructor: PerUser, cacheControl: true })
  perUser(@Req() request: AnyRequest): string {
    return `${request.user?.id} ${++handled}`;
  }
  @Get('per-token')
  @CacheResponse({ ttl: 60, keyConstructor: PerToken })
  perToken(@Headers('authorization') token: string): string {
    return `${token} ${++handled}`;
  }
  @Get('per-cookie')
  @CacheResponse({ ttl: 60, keyConstructor: PerCookie })
  perCookie(@Req() request: AnyRequest): string {
    return `${request.headers['cookie']} ${++handled}`;
  }
  @Get('reads-user') @CacheResponse(60) readsUser(@Req() request: AnyRequest): string {
    return `${request.user?.id} ${++handled}`;
  }
  @Get('reads-session')
  @CacheResponse({ ttl: 60, cacheControl: true })
  readsSession(@Session() session: AnyRequest['session']): string {
    return `${session?.secret} ${++handled}`;
  }
  @Get('reads-cookies') @CacheResponse(60) readsCookies(@Req() request: AnyRequest): string {
    return `${request.cookies?.['sid']} ${++handled}`;
  }
  @Get('reads-signed-cookies') @CacheResponse(60) readsSignedCookies(@Req() request: AnyRequest): string {
    return `${String(request.signedCookies)} ${++handled}`;
  }
  @Get('reads-cookie-header') @CacheResponse(60) readsCookieHeader(
    @Headers('cookie') cookie: string,
  ): string {
    return `${cookie} ${++handled}`;
  }
  @Get('copies-headers') @CacheResponse(60) copiesHeaders(@Headers() headers: object): string {
    return JSON.stringify({ ...headers, handled: ++handled });
  }
  @Get('reads-raw-headers') @CacheResponse(60) readsRawHeaders(@Req() request: AnyRequest): string {
    return `${(request.raw ?? request).rawHeaders?.join()} ${++handled}`;
  }
  @Get('reads-distinct-headers') @CacheResponse(60) readsDistinct(@Req() request: AnyRequest): string {
    return `${(request.raw ?? request).headersDistinct?.['cookie']?.join()} ${++handled}`;
  }
  @Get('theme')
  @CacheResponse({ ttl: 60, keyConstructor: { theme: new CookiesKeyField(['theme', 'size']) } })
  theme(@Req() { cookies }: AnyRequest): string {
    return `${cookies?.['theme']} ${'size' in cookies! ? cookies['size'] : ''} ${++handled}`;
  }
  @Get('theme-by-path')
  @CacheResponse({ ttl: 60, keyConstructor: { theme: new RequestValueKeyField('cookies.theme') } })
  themeByPath(@Req() { cookies }: AnyRequest): string {
    return `${cookies?.['theme']} ${++handled}`;
  }
  @Get('all-cookies')
  @CacheResponse({ ttl: 60, keyConstructor: { all: new RequestValueKeyField('cookies') } })
  allCookies(@Req() { cookies }: AnyRequest): string {
    return JSON.stringify([cookies, ++handled]);
  }
  @Get('cookie-header')
  @CacheResponse({ ttl: 60, keyConstructor: { cookie: new HeadersKeyField('Cookie') } })
  cookieHeader(@Req() { headers, cookies }: AnyRequest): string {
    return `${headers['cookie']} ${cookies?.['theme']} ${++handled}`;
  }
  @Get('cookie-argument')
  @CacheResponse({ ttl: 60, keyConstructor: { cookie: new ArgsKeyField('cookie') } })
  cookieArgument(@Headers('cookie') cookie: string): string {
    return `${cookie} ${++handled}`;
  }
  @Get('cookie-refined')
  @CacheResponse({
    ttl: 60,
    keyConstructor: {
      cookie: new ArgsKeyField('cookie', { normalizer: (text) => String(text).slice(0, 3) }),
    },
  })
  cookieRefined(@Headers('cookie') cookie: string): string {
    return `${cookie} ${++handled}`;
  }
  @Get('theme-and-more')
  @CacheResponse({ ttl: 60, keyConstructor: { theme: new CookiesKeyField('theme') } })
  themeAndMore(@Req() { cookies }: AnyRequest): string {
    return `${cookies?.['theme']} ${cookies?.['sid']} ${++handled}`;
  }
  @Get('theme-and-all')
  @CacheResponse({ ttl: 60, keyConstructor: { theme: new CookiesKeyField('theme') } })
  themeAndAll(@Req() { cookies }: AnyRequest): string {
    return `${JSON.stringify(cookies)} ${++handled}`;
  }
  @Get('theme-and-absent')
  @CacheResponse({ ttl: 60, keyConstructor: { theme: new CookiesKeyField('theme') } })
  themeAndAbsent(@Req() { cookies }: AnyRequest): string {
    return `${'vip' in cookies! ? 'a vip' : 'nobody'} ${++handled}`;
  }
  @Get('reads-late') @CacheResponse(60) readsLate(@Req() request: AnyRequest): StreamableFile {
    const parts = function* (): Generator<Buffer> {
      yield Buffer.from(`${++handled} `);
      yield Buffer.from(String(request.user?.id));
    };
    return new StreamableFile(Readable.from(parts()));
  }
  @Get('by-hand') @CacheResponse(60) byHand(@Res() response: AnyResponse): void {
    response.send(`by hand ${++handled}`);
  }
  @Get('unknown') @CacheResponse(60) unknown(@Req() request: AnyRequest): string {
    return who(request);
  }
}

/** Taken for no credentials here, so that what handlers read of them is what counts. */
const COOKIES = ['sid', 'theme', 'size'];

const CREDENTIALS: [string, Record<string, string>][] = [
  ['Authorization', { authorization: 'Bearer a' }],
  ['x-api-key', { 'x-api-key': 'a' }],
  ['request.user, set by a guard', { 'x-user': 'ada' }],
  ['a user in the session', { cookie: 'sid=logged-in' }],
];

/** As cookie-parser and @fastify/cookie leave them. */
function cookies(app: INestApplication, platform: PlatformName): void {
  const parse = (request: AnyRequest): void => {
    const pairs = (request.headers['cookie'] ?? '').split(/; */).filter(Boolean);
    request.cookies = Object.fromEntries(pairs.map((pair) => pair.split('=') as [string, string]));
  };
  if (platform === 'express') {
    app.use((request: AnyRequest, _response: object, next: () => void) => {
      parse(request);
      next();
    });
    return;
  }
  const fastify = app.getHttpAdapter().getInstance() as {
    decorateRequest(name: string, value: null): void;
    addHook(name: string, hook: (request: AnyRequest) => Promise<void>): void;
  };
  fastify.decorateRequest('cookies', null);
  fastify.addHook('onRequest', async (request) => parse(request));
}

/** A request of the same platform twice; the bodies, and how often the handler ran. */
async function twice(app: TestApplication, path: string, first: object, second = first): Promise<string[]> {
  const one = await app.get(path, first as Record<string, string>);
  const two = await app.get(path, second as Record<string, string>);
  return [one.cache!, two.cache!, one.body, two.body];
}

describe.each(platforms)('privacy on %s', (platform: PlatformName) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    app = await start(platform, {
      controllers: [Pages],
      cache: { ignoreCookies: COOKIES },
      setup: (app) => sessions(app, platform),
    });
  });
  afterEach(() => app.close());

  it.each(CREDENTIALS)('a request with %s bypasses the cache', async (_, headers) => {
    await app.get('/public');
    expect(await twice(app, '/public', headers)).toEqual(['BYPASS', 'BYPASS', 'public 2', 'public 3']);
    expect((await app.get('/public')).body).toBe('public 1');
    expect(app.complaints.join()).toContain('shared: true');
  });

  it.each(CREDENTIALS)('a request with %s is cached where the route is shared', async (_, headers) => {
    expect(await twice(app, '/shared', {}, headers)).toEqual(['MISS', 'HIT', 'shared 1', 'shared 1']);
  });

  it('a key that holds the user serves each user their own', async () => {
    expect(await twice(app, '/per-user', { 'x-user': 'ada' })).toEqual(['MISS', 'HIT', 'ada 1', 'ada 1']);
    expect(await twice(app, '/per-user', { 'x-user': 'bob' })).toEqual(['MISS', 'HIT', 'bob 2', 'bob 2']);
  });

  it('credentials that no guard turned into a user bypass a key that holds the user', async () => {
    const [ada, bob] = [{ authorization: 'Bearer ada' }, { authorization: 'Bearer bob' }];
    expect(await twice(app, '/per-user', ada, bob)).toEqual([
      'BYPASS',
      'BYPASS',
      'undefined 1',
      'undefined 2',
    ]);
    expect(app.complaints.join()).toContain('whose credentials its key does not see');
  });

  it('an answer whose key holds the user is private to outer caches', async () => {
    for (let turn = 0; turn < 2; turn++) {
      const answer = await app.get('/per-user', { 'x-user': 'ada' });
      expect(answer.headers['cache-control']).toBe('private, max-age=60');
    }
  });

  it('a key that holds the Authorization header serves each token its own', async () => {
    const [a, b] = [{ authorization: 'Bearer a' }, { authorization: 'Bearer b' }];
    expect(await twice(app, '/per-token', a)).toEqual(['MISS', 'HIT', 'Bearer a 1', 'Bearer a 1']);
    expect(await twice(app, '/per-token', b)).toEqual(['MISS', 'HIT', 'Bearer b 2', 'Bearer b 2']);
  });

  it('a key that holds a cookie as identity serves each cookie its own', async () => {
    expect(await twice(app, '/per-cookie', { cookie: 'sid=a' })).toEqual([
      'MISS',
      'HIT',
      'sid=a 1',
      'sid=a 1',
    ]);
    expect((await app.get('/per-cookie', { cookie: 'sid=b' })).body).toBe('sid=b 2');
  });

  it.each([
    'reads-session',
    'reads-cookies',
    'reads-cookie-header',
    'copies-headers',
    'reads-raw-headers',
    'reads-distinct-headers',
    'cookie-refined',
    'theme-and-more',
    'theme-and-all',
    'theme-and-absent',
  ])('what a handler reads of the user keeps its answer from being stored: %s', async (path) => {
    const [one, two] = await twice(app, `/${path}`, { cookie: 'sid=a' }, { cookie: 'sid=b' });
    expect([one, two, handled]).toEqual(['MISS', 'MISS', 2]);
    expect(app.complaints.join()).toMatch(/not stored.*(keyConstructor|shared: true|by name)/);
  });

  it.each(['reads-user', 'reads-signed-cookies', 'reads-late'])(
    'a missing member of a request may be read: %s',
    async (path) => {
      const [one, two] = await twice(app, `/${path}`, { cookie: 'sid=a' }, { cookie: 'sid=b' });
      expect([one, two]).toEqual(['MISS', 'HIT']);
    },
  );

  it.each(['theme', 'theme-by-path', 'all-cookies', 'cookie-header', 'cookie-argument'])(
    'cookies that the key holds may be read, and choose: %s',
    async (path) => {
      await app.close();
      app = await start(platform, {
        controllers: [Pages],
        cache: { ignoreCookies: COOKIES },
        setup: (app) => cookies(app, platform),
      });
      const [dark, light] = [{ cookie: 'theme=dark' }, { cookie: 'theme=light' }];
      const [one, two, first, second] = await twice(app, `/${path}`, dark);
      expect([one, two, second]).toEqual(['MISS', 'HIT', first]);
      const other = await app.get(`/${path}`, light);
      expect([other.cache, other.body.includes('light')]).toEqual(['MISS', true]);
      expect(app.complaints).toEqual([]);
    },
  );

  it.each([
    ['reads-cookies', '@VaryOnCookie()'],
    ['reads-cookie-header', '@VaryOnCookie()'],
    ['reads-raw-headers', 'read those by name'],
    ['theme-and-more', `new CookiesKeyField('name')`],
    ['reads-session', `new RequestValueKeyField('session')`],
  ])('the log says what would have an answer stored: %s', async (path, line) => {
    await app.get(`/${path}`, { cookie: 'sid=a; theme=dark' });
    expect(app.complaints.join()).toContain(line);
  });

  it.each(['reads-raw-headers', 'reads-distinct-headers'])(
    'an answer made from all headers is served to no other client: %s',
    async (path) => {
      const [one, two] = await twice(app, `/${path}`, { 'x-other': '1' });
      expect([one, two]).toEqual(['MISS', 'MISS']);
    },
  );

  it('a session behind an accessor is watched like any other', async () => {
    await app.close();
    app = await start(platform, {
      controllers: [Pages],
      cache: { ignoreCookies: COOKIES },
      setup: (app) => sessions(app, platform, true),
    });
    const answers = await twice(app, '/reads-session', { cookie: 'sid=a' }, { cookie: 'sid=b' });
    expect(answers).toEqual(['MISS', 'MISS', 'secret of a 1', 'secret of b 2']);
    expect(await twice(app, '/public', { cookie: 'sid=a' })).toEqual(['MISS', 'HIT', 'public 3', 'public 3']);
  });

  it('an answer refused for what its handler read promises no lifetime to outer caches', async () => {
    const answer = await app.get('/reads-session', { cookie: 'sid=a' });
    expect([answer.headers['cache-control'], answer.headers['expires']]).toEqual([undefined, undefined]);
    expect(answer.headers['x-cache-reset-at']).toBeUndefined();
  });

  it.each(['public', 'by-hand'])(
    'session middleware that reads the session itself does not keep answers from being stored: %s',
    async (path) => {
      const [one, two] = await twice(app, `/${path}`, { cookie: 'sid=anonymous' });
      expect([one, two]).toEqual(['MISS', 'HIT']);
      expect(app.complaints).toEqual([]);
    },
  );

  it('isAuthenticated replaces the default, and its errors bypass the cache', async () => {
    await app.close();
    const isAuthenticated = ({ headers }: AnyRequest): boolean => {
      if (headers['x-broken'] !== undefined) throw new Error('no idea');
      return headers['x-member'] !== undefined;
    };
    app = await start(platform, { controllers: [Pages], cache: { isAuthenticated } });
    expect(await twice(app, '/public', { authorization: 'Bearer a' })).toEqual([
      'MISS',
      'HIT',
      'public 1',
      'public 1',
    ]);
    expect((await app.get('/public', { 'x-member': '1' })).cache).toBe('BYPASS');
    expect((await app.get('/public', { 'x-broken': '1' })).cache).toBe('BYPASS');
  });

  it('a store of one user never answers another, whatever the order of requests', async () => {
    const users = ['ada', 'bob', undefined];
    const paths = ['/public', '/per-user', '/reads-user', '/unknown', '/reads-late'];
    const requests = Array.from({ length: 150 }, (_, i) => ({
      path: paths[i % 5]!,
      user: users[(i * 7) % 3],
    }));
    await Promise.all(
      requests.map(async ({ path, user }) => {
        const { body } = await app.get(path, user === undefined ? {} : { 'x-user': user });
        for (const other of ['ada', 'bob']) if (other !== user) expect(body).not.toContain(other);
      }),
    );
  });
});
