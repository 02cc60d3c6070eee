import { Controller, Get } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  CookiesKeyField,
  VaryOnCookie,
  type RestflowCacheOptions,
} from '../../../lib/index.js';
import { cookieNames, ignoredCookies } from '../../../lib/http/inputs/cookies.js';
import { platforms, start, type TestApplication } from '../support/application.js';

let handled = 0;

@Controller()
class Pages {
  @Get('public') @CacheResponse(60) public(): number {
    return ++handled;
  }
  @Get('shared') @CacheResponse({ ttl: 60, shared: true }) shared(): number {
    return ++handled;
  }
  @Get('varied') @CacheResponse(60) @VaryOnCookie() varied(): number {
    return ++handled;
  }
  @Get('held')
  @CacheResponse({ ttl: 60, keyConstructor: { cookies: new CookiesKeyField(['sid', 'theme']) } })
  held(): number {
    return ++handled;
  }
}

const ANALYTICS = '_ga=GA1.1.1.1; _fbp=fb.1; AWSALB=abc';

describe.each(platforms)('requests with cookies on %s', (platform) => {
  let app: TestApplication;
  const serve = async (cache: RestflowCacheOptions = {}): Promise<void> => {
    handled = 0;
    app = await start(platform, { controllers: [Pages], cache });
  };
  const cacheOf = async (path: string, cookie: string): Promise<string | undefined> =>
    (await app.get(path, { cookie })).cache;
  afterEach(() => app.close());

  it('bypass the cache, and the log names the cookies and no value', async () => {
    await serve();
    await app.get('/public');
    expect(await cacheOf('/public', `${ANALYTICS}; sid=secret`)).toBe('BYPASS');
    expect(app.complaints.join()).toContain(
      `Pages.public bypasses the cache for requests with the cookies 'sid'`,
    );
    expect(app.complaints.join()).not.toMatch(/secret|_ga/);
  });

  it('hit where only analytics scripts and load balancers set them', async () => {
    await serve();
    await app.get('/public');
    expect(await cacheOf('/public', ANALYTICS)).toBe('HIT');
    expect(app.complaints).toEqual([]);
  });

  it('hit where the application ignores them by name', async () => {
    await serve({ ignoreCookies: ['promo', 'ab_*'] });
    await app.get('/public');
    expect(await cacheOf('/public', `promo=1; ab_header=2; ${ANALYTICS}`)).toBe('HIT');
    expect(await cacheOf('/public', 'promo=1; lang=de')).toBe('BYPASS');
  });

  it('hit where the application ignores all but those that it reads', async () => {
    await serve({ ignoreCookies: { allBut: ['sid'] } });
    await app.get('/public');
    expect(await cacheOf('/public', 'anything=1')).toBe('HIT');
    expect(await cacheOf('/public', 'anything=1; sid=a')).toBe('BYPASS');
  });

  it('hit where the answer is the same for all', async () => {
    await serve();
    await app.get('/shared');
    expect(await cacheOf('/shared', 'sid=a')).toBe('HIT');
  });

  it('choose among answers where the key holds each of them', async () => {
    await serve();
    for (const path of ['/varied', '/held']) {
      expect(await cacheOf(path, 'sid=a')).toBe('MISS');
      expect(await cacheOf(path, 'sid=a')).toBe('HIT');
      expect(await cacheOf(path, 'sid=b')).toBe('MISS');
    }
    expect(await cacheOf('/held', 'sid=a; other=1')).toBe('BYPASS');
  });
});

describe('names of cookies', () => {
  it('are read as servers read them', () => {
    expect([...cookieNames('a=1; b = 2;c;; =4;a=5')]).toEqual(['a', 'b', 'c']);
    expect([...cookieNames(['a=1', 'b=2'])]).toEqual(['a', 'b']);
  });

  it('are refused where they are no names', () => {
    for (const option of ['sid', {}, [''], [1], { allBut: 'sid' }, null])
      expect(() => ignoredCookies(option as never, 'the module')).toThrow('ignoreCookies of the module');
  });
});
