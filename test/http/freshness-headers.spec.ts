import { Controller, Get, Header, NotFoundException, Query, Redirect, Res } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, invalidates, setResponseCacheHeaders, type ResponseView } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

class Entity {
  id!: number;
}

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

let handled = 0;
const RULES = [invalidates(Entity, { scope: 'all' })];

@Controller()
class Freshness {
  @Get('plain') @CacheResponse(60) plain(): number {
    return ++handled;
  }
  @Get('silent') @CacheResponse({ ttl: 60, setCacheHeaders: false }) silent(): number {
    return ++handled;
  }
  @Get('rules') @CacheResponse({ ttl: 60, invalidatesOn: RULES, statuses: [200, 301, 404] }) rules(
    @Query('missing') missing?: string,
  ): number {
    handled++;
    if (missing !== undefined) throw new NotFoundException();
    return handled;
  }
  @Get('rules-moved')
  @CacheResponse({ ttl: 60, invalidatesOn: RULES })
  @Redirect('/rules', 301)
  moved(): void {
    handled++;
  }
  @Get('rules-own')
  @CacheResponse({ ttl: 60, invalidatesOn: RULES })
  @Header('Cache-Control', 'max-age=5')
  own(): number {
    return ++handled;
  }
  @Get('forwarded') @CacheResponse(60) forwarded(
    @Query('age') age: string,
    @Query('life') life: string | undefined,
    @Res({ passthrough: true }) response: AnyResponse,
  ): number {
    response.header('Age', age);
    if (life !== undefined) response.header('Cache-Control', `max-age=${life}`);
    return ++handled;
  }
  @Get('page') @CacheResponse({ ttl: 60, cacheControl: true }) page(): number {
    return ++handled;
  }
  @Get('page-own')
  @CacheResponse({ ttl: 60, cacheControl: true })
  @Header('Cache-Control', 'max-age=5')
  pageOwn(): number {
    return ++handled;
  }
  @Get('page-if')
  @CacheResponse({
    ttl: 60,
    cacheControl: true,
    cacheIf: ({ body }: ResponseView) => body.toString() !== '1',
  })
  pageIf(): number {
    return ++handled;
  }
  @Get('forever') @CacheResponse({ ttl: null, cacheControl: true }) forever(): number {
    return ++handled;
  }
  @Get('for-ages') @CacheResponse({ ttl: '999999999999999d', cacheControl: true }) forAges(): number {
    return ++handled;
  }
  @Get('by-hand') byHand(@Res({ passthrough: true }) response: AnyResponse): string {
    setResponseCacheHeaders(response, {
      cacheStatus: 'HIT',
      cachedAt: '2026-01-01T00:00:00.000Z',
      resetAt: null,
    });
    setResponseCacheHeaders(response, {});
    setResponseCacheHeaders(response, null);
    return 'by hand';
  }
  @Get('max-age') @CacheResponse(60) maxAge(
    @Query('value') value: string,
    @Res({ passthrough: true }) response: AnyResponse,
  ): number {
    response.header('Cache-Control', value);
    return ++handled;
  }
}

describe.each(platforms)('what answers say about their age on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    app = await start(platform, { controllers: [Freshness] });
  });
  afterEach(() => app.close());

  it('X-Cache-Status, X-Cached-At and X-Cache-Reset-At are one on the miss and on hits', async () => {
    const times = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z'];
    for (const turn of ['MISS', 'HIT']) {
      const { headers } = await app.get('/plain');
      expect([headers['x-cache-status'], headers['x-cached-at'], headers['x-cache-reset-at']]).toEqual([
        turn,
        ...times,
      ]);
      app.clock.advance(10);
    }
  });

  it('no X-Cache header is sent if the route disables them', async () => {
    for (let turn = 0; turn < 2; turn++) {
      const { headers } = await app.get('/silent');
      expect(Object.keys(headers).filter((name) => /^(x-)?cache-status|^x-cache/.test(name))).toEqual([]);
    }
    expect(handled).toBe(1);
  });

  it('setResponseCacheHeaders writes the given fields and skips missing ones', async () => {
    const { headers } = await app.get('/by-hand');
    expect([headers['x-cache-status'], headers['x-cached-at'], headers['x-cache-reset-at']]).toEqual([
      'HIT',
      '2026-01-01T00:00:00.000Z',
      undefined,
    ]);
  });

  it.each(['/rules', '/rules?missing=1', '/rules-moved'])(
    'a route with rules has outer caches ask: %s',
    async (path) => {
      for (const turn of ['MISS', 'HIT']) {
        const answer = await app.get(path);
        expect([answer.cache, answer.headers['cache-control']]).toEqual([turn, 'no-cache']);
      }
    },
  );

  it("the handler's own Cache-Control goes before", async () => {
    for (const path of ['/rules-own', '/page-own'])
      for (const turn of ['MISS', 'HIT']) {
        const answer = await app.get(path);
        expect([answer.cache, answer.headers['cache-control']]).toEqual([turn, 'max-age=5']);
        expect(answer.headers['x-cache-reset-at']).toBe('2026-01-01T00:00:05.000Z');
      }
  });

  it('a route without rules sends no Cache-Control', async () => {
    for (let turn = 0; turn < 2; turn++)
      expect((await app.get('/plain')).headers['cache-control']).toBeUndefined();
  });

  it('cacheControl: true sends the life that remains, as cache_page does', async () => {
    const miss = await app.get('/page');
    expect([miss.headers['cache-control'], miss.headers['expires']]).toEqual([
      'max-age=60',
      'Thu, 01 Jan 2026 00:01:00 GMT',
    ]);
    app.clock.advance(15);
    const hit = await app.get('/page');
    expect(hit.cache).toBe('HIT');
    expect(hit.headers['expires']).toBe('Thu, 01 Jan 2026 00:01:00 GMT');
    const remaining =
      Number(/max-age=(\d+)/.exec(String(hit.headers['cache-control']))?.[1]) - Number(hit.headers['age']);
    expect(remaining).toBe(45);
  });

  it('a lifetime beyond the last possible date is sent as none', async () => {
    for (const status of ['MISS', 'HIT']) {
      const { headers } = await app.get('/for-ages');
      expect(headers['x-cache-status']).toBe(status);
      expect(headers['x-cached-at']).toMatch(/Z$/);
      expect([headers['x-cache-reset-at'], headers['expires'], headers['cache-control']]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }
  });

  it('an answer that was old when it was given goes on from there', async () => {
    const path = '/forwarded?age=17&life=50';
    expect((await app.get(path)).headers['age']).toBe('17');
    app.clock.advance(5);
    const hit = await app.get(path);
    expect([hit.cache, hit.headers['age']]).toEqual(['HIT', '22']);
    app.clock.advance(28);
    expect((await app.get(path)).cache).toBe('MISS');
    for (let turn = 0; turn < 2; turn++)
      expect((await app.get('/forwarded?age=50&life=50')).cache).toBe('MISS');
    expect(app.complaints.join()).toContain('max-age=50 and Age: 50');
  });

  it.each([
    ['17', '27'],
    ['soon', '10'],
  ])('an Age without a lifetime goes on as well: %s', async (age, later) => {
    await app.get(`/forwarded?age=${age}`);
    app.clock.advance(10);
    const hit = await app.get(`/forwarded?age=${age}`);
    expect([hit.cache, hit.headers['age']]).toEqual(['HIT', later]);
  });

  it('cacheControl: true sends no lifetime for answers without one, or that may not be stored', async () => {
    expect((await app.get('/forever')).headers['cache-control']).toBeUndefined();
    handled = 0;
    const first = await app.get('/page-if');
    expect([first.body, first.headers['cache-control'], first.headers['x-cached-at']]).toEqual([
      '1',
      undefined,
      undefined,
    ]);
    await app.get('/page-if');
    expect((await app.get('/page-if')).headers['cache-control']).toMatch(/^max-age=\d+$/);
  });

  it.each<[string, number | 'never']>([
    ['max-age=5', 5],
    ['max-age=5, s-maxage=10', 10],
    ['S-MaxAge="10"', 10],
    ['max-age=600', 60],
    ['public, max-age=5, max-age=50', 5],
    ['max-age=x', 'never'],
    ['max-age=0', 'never'],
    ['max-age=99999999999999999999', 60],
    ['must-revalidate', 60],
    ['no-store', 'never'],
    ['private', 'never'],
    ['private="x-user"', 'never'],
    ['no-cache', 'never'],
    ['NO-STORE', 'never'],
    ['max-age=60, no-store', 'never'],
    ['x-no-store', 60],
  ])('Cache-Control: %s of the handler leaves %s seconds', async (value, seconds) => {
    const path = `/max-age?value=${encodeURIComponent(value)}`;
    await app.get(path);
    if (seconds === 'never') return expect((await app.get(path)).cache).toBe('MISS');
    app.clock.advance(seconds - 1);
    expect((await app.get(path)).cache).toBe('HIT');
    app.clock.advance(1);
    expect((await app.get(path)).cache).toBe('MISS');
  });
});
