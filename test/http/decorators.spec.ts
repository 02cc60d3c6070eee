import {
  Controller,
  Get,
  Headers,
  NotFoundException,
  Query,
  Req,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { take, timeout, type Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheControl, CacheResponse, Vary, VaryOnCookie } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

let handled = 0;

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

function answer(how: string | undefined): number {
  handled++;
  if (how === 'throws') throw new Error('it failed');
  if (how === 'misses') throw new NotFoundException();
  return handled;
}

/** Waits for one value, or gives up. */
class GivesUp implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(timeout(50), take(1));
  }
}

@Controller()
class Blog {
  // Django: vary_on_headers('User-Agent', 'Accept-Language') on PostDetailView.
  @Get('post')
  @CacheResponse('30m')
  @Vary('User-Agent', 'Accept-Language')
  post(@Headers('accept-language') language: string): string {
    return `${language} ${++handled}`;
  }
  // Django: vary_on_cookie on personalized_content, which reads request.COOKIES.
  @Get('personal') @VaryOnCookie() @CacheResponse('10m') personal(
    @Req() request: { headers: Record<string, string>; cookies?: object },
  ): string {
    return `${request.headers['cookie']} ${String(request.cookies)} ${++handled}`;
  }
  @Get('both') @CacheResponse(60) @Vary('X-One') @VaryOnCookie() both(): number {
    return ++handled;
  }
  @Get('short')
  @CacheResponse('1h')
  @CacheControl({ public: true, maxAge: '90500ms', staleIfError: 60, mustRevalidate: false })
  short(): number {
    return ++handled;
  }
  @Get('failing')
  @CacheControl({ public: true, maxAge: '5m', staleIfError: 60 })
  failing(@Query('how') how?: string): number {
    return answer(how);
  }
  @Get('failing-cached')
  @CacheResponse({ ttl: '1h', statuses: [200, 404] })
  @CacheControl({ public: true, maxAge: '5m' })
  failingCached(@Query('how') how?: string): number {
    return answer(how);
  }
  @Get('failing-private')
  @CacheControl({ private: true, maxAge: '5m' })
  failingPrivate(@Query('how') how?: string): number {
    return answer(how);
  }
  @Get('failing-late')
  @UseInterceptors(new GivesUp())
  @CacheControl({ maxAge: '5m' })
  failingLate(@Query('how') how?: string): Promise<number> | number {
    return how === 'late' ? new Promise(() => undefined) : answer(how);
  }
  @Get('failing-by-hand')
  @CacheControl({ maxAge: '5m' })
  byHand(@Res({ passthrough: true }) response: AnyResponse): number {
    response.header('Cache-Control', 'no-store');
    return answer('throws');
  }
  @Get('own') @CacheResponse('1h') @CacheControl({ private: true, maxAge: '5m' }) own(): number {
    return ++handled;
  }
}

describe.each(platforms)('decorators of handlers on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    app = await start(platform, { controllers: [Blog] });
  });
  afterEach(() => app.close());

  it('@Vary gives each value an answer of its own, and says so', async () => {
    for (const language of ['de', 'en']) {
      const ask = { 'accept-language': language, 'user-agent': 'test' };
      const [miss, hit] = [await app.get('/post', ask), await app.get('/post', ask)];
      expect([miss.cache, hit.cache, hit.body.slice(0, 2)]).toEqual(['MISS', 'HIT', language]);
      for (const { headers } of [miss, hit]) expect(headers['vary']).toBe('accept-language, user-agent');
    }
  });

  it('@VaryOnCookie lets a handler read cookies, and keeps what it says apart', async () => {
    for (const cookie of ['theme=dark', 'theme=light']) {
      await app.get('/personal', { cookie });
      const hit = await app.get('/personal', { cookie });
      expect([hit.cache, hit.body.startsWith(cookie)]).toEqual(['HIT', true]);
    }
  });

  it('both may stand on one handler', async () => {
    await app.get('/both', { 'x-one': '1', cookie: 'a=1' });
    expect((await app.get('/both', { 'x-one': '1', cookie: 'a=2' })).cache).toBe('MISS');
    const hit = await app.get('/both', { 'x-one': '1', cookie: 'a=1' });
    expect([hit.cache, hit.headers['vary']]).toEqual(['HIT', 'cookie, x-one']);
  });

  it('@CacheControl is sent, shortens the life here, and hits say their age', async () => {
    const value = 'public, max-age=90, stale-if-error=60';
    const miss = await app.get('/short');
    expect([miss.cache, miss.headers['cache-control'], miss.headers['age']]).toEqual([
      'MISS',
      value,
      undefined,
    ]);
    app.clock.advance(80);
    const hit = await app.get('/short');
    expect([hit.cache, hit.headers['cache-control'], hit.headers['age']]).toEqual(['HIT', value, '80']);
    app.clock.advance(11);
    expect((await app.get('/short')).cache).toBe('MISS');
  });

  it.each([
    ['/failing', 200, 'public, max-age=300, stale-if-error=60'],
    ['/failing?how=throws', 500, undefined],
    ['/failing?how=misses', 404, undefined],
    ['/failing-cached', 200, 'public, max-age=300'],
    ['/failing-cached?how=misses', 404, undefined],
    ['/failing-cached?how=throws', 500, undefined],
    ['/failing-private?how=throws', 500, 'private'],
    ['/failing-late', 200, 'max-age=300'],
    ['/failing-late?how=late', 500, undefined],
    ['/failing-by-hand', 500, 'no-store'],
  ])('@CacheControl lends no lifetime to what is thrown: %s', async (path, status, cacheControl) => {
    for (let turn = 0; turn < 2; turn++) {
      const answered = await app.get(path);
      expect([answered.status, answered.headers['cache-control']]).toEqual([status, cacheControl]);
    }
  });

  it('@CacheControl({ private: true }) keeps an answer out of here', async () => {
    for (const turn of ['1', '2']) {
      const { body, headers } = await app.get('/own');
      expect([body, headers['cache-control']]).toEqual([turn, 'private, max-age=300']);
    }
  });
});

describe('wrong decorators', () => {
  const on = (decorate: MethodDecorator) => () =>
    decorate(Blog.prototype, 'other', { value: () => undefined });

  it.each([
    [CacheControl({ maxage: 1 } as object), /unknown option maxage/],
    [CacheControl({ public: true, private: true }), /Blog\.other: public and private exclude each other/],
    [CacheControl({ maxAge: '5 minutes' as '5m' }), /maxAge of .*not a duration/],
    [CacheControl({ maxAge: null }), /maxAge of .* is null/],
    [CacheControl({ public: 'yes' as never }), /Blog\.other: public is 'yes'/],
    [CacheControl({}), /has no directive/],
    [Vary('a b'), /@Vary\(\) on Blog\.other holds "a b"/],
    [Vary('*'), /holds "\*"/],
  ])('are refused: %#', (decorator, message) => {
    expect(on(decorator)).toThrow(message);
  });
});
