import { Body, Controller, Get, Header, Post, Req, Res } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Keyv } from 'keyv';
import { cacheManagerStore, CacheResponse, memoryStore } from '../../lib/index.js';
import { platforms, start, until, type TestApplication } from './support/application.js';

interface AnyRequest {
  headers: Record<string, string | undefined>;
}

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  status(code: number): AnyResponse;
}

let handled = 0;
let asked: (string | undefined)[] = [];
let failing = false;

@Controller()
class Pages {
  @Get('page')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60, stale-while-revalidate=30, stale-if-error=300')
  page(@Req() request: AnyRequest, @Res({ passthrough: true }) response: AnyResponse): string | undefined {
    handled++;
    asked.push(request.headers['if-none-match']);
    if (failing) throw new Error('the database is gone');
    response.header('ETag', '"one"').header('X-Handled', String(handled));
    if (request.headers['if-none-match'] !== '"one"') return `page ${handled}`;
    response.status(304);
    return undefined;
  }

  @Get('silent') @CacheResponse({ freshness: 'headers' }) silent(): string {
    return `silent ${++handled}`;
  }

  @Get('search') @CacheResponse({ freshness: 'headers' }) @Header('Cache-Control', 'max-age=60') search(
    @Body() body: { for?: string } | undefined,
  ): string {
    return `found ${body?.for ?? 'all'} ${++handled}`;
  }

  @Post('page') change(): string {
    return 'changed';
  }
}

const stores = { memory: () => memoryStore(), 'cache-manager': () => cacheManagerStore(new Keyv()) };

describe.each(platforms)("a handler with freshness: 'headers' on %s", (platform) => {
  describe.each(Object.entries(stores))('in the %s store', (_name, store) => {
    let app: TestApplication;
    beforeEach(async () => {
      handled = 0;
      asked = [];
      failing = false;
      app = await start(platform, { controllers: [Pages], cache: { store: store(), setCacheHeaders: true } });
    });
    afterEach(() => app.close());

    it('is fresh for as long as it says', async () => {
      expect(await app.get('/page')).toMatchObject({ status: 200, body: 'page 1', cache: 'MISS' });
      app.clock.advance(59);
      const hit = await app.get('/page');
      expect(hit).toMatchObject({ status: 200, body: 'page 1', cache: 'HIT' });
      expect(hit.headers).toMatchObject({ age: '59', etag: '"one"', 'x-handled': '1' });
      expect(hit.headers['x-cache-reset-at']).toBe('2026-01-01T00:01:00.000Z');
    });

    it('is as old as a request lets it be', async () => {
      await app.get('/page');
      app.clock.advance(10);
      expect((await app.get('/page', { 'cache-control': 'max-age=10' })).cache).toBe('HIT');
      expect((await app.get('/page', { 'cache-control': 'max-age=9' })).cache).toBe('REFRESH');
      expect((await app.get('/page', { 'cache-control': 'max-age=0' })).cache).toBe('REFRESH');
    });

    it('leaves no 504 to caches outside', async () => {
      const { status, headers } = await app.get('/page', { 'cache-control': 'only-if-cached' });
      expect([status, headers['cache-control']]).toEqual([504, 'no-store']);
    });

    it('gets its own validator, and its 304 is answered with the stored response', async () => {
      await app.get('/page');
      app.clock.advance(91);
      const fresh = await app.get('/page', { 'if-none-match': '"other"' });
      expect(fresh).toMatchObject({ status: 200, body: 'page 1', cache: 'REFRESH' });
      expect(fresh.headers).toMatchObject({ age: '0', 'x-handled': '2' });
      expect(asked).toEqual([undefined, '"one"']);
      app.clock.advance(59);
      expect(await app.get('/page')).toMatchObject({ body: 'page 1', cache: 'HIT' });
    });

    it.each<[string, Record<string, string>, string]>([
      ['', {}, 'page 1'],
      [' that wants a part', { range: 'bytes=0-3', 'if-range': '"one"' }, 'page'],
    ])('is asked behind the back of the client%s while it may be stale', async (_what, headers, body) => {
      await app.get('/page');
      app.clock.advance(61);
      expect(await app.get('/page', { headers })).toMatchObject({ body, cache: 'STALE' });
      await until(() => handled === 2);
      for (let turn = 0; turn < 50 && (await app.get('/page')).cache !== 'HIT'; turn++);
      expect((await app.get('/page')).headers).toMatchObject({ age: '0', 'x-handled': '2' });
      expect(asked).toEqual([undefined, '"one"']);
    });

    it('is replaced by the stored response when it throws', async () => {
      await app.get('/page');
      app.clock.advance(100);
      failing = true;
      expect(await app.get('/page')).toMatchObject({ status: 200, body: 'page 1', cache: 'STALE' });
      app.clock.advance(300);
      expect(await app.get('/page')).toMatchObject({ status: 500 });
    });

    it('is not stored where it says nothing, and no validator but its own is sent', async () => {
      for (const turn of [1, 2]) {
        const answer = await app.get('/silent');
        expect([answer.body, answer.cache]).toEqual([`silent ${turn}`, 'MISS']);
        expect(answer.headers['cache-control']).toBeUndefined();
      }
    });

    it('is asked by requests with bodies, which its key does not hold, and keeps nothing of the answers', async () => {
      const body = JSON.stringify({ for: 'mine' });
      const headers = { 'content-type': 'application/json', 'content-length': String(body.length) };
      for (const turn of [1, 2])
        expect((await app.get('/search', { method: 'GET', headers, body })).body).toMatch(`${turn}`);
      expect(await app.get('/search')).toMatchObject({ body: 'found all 3', cache: 'MISS' });
      const forwarded = await app.get('/search', { method: 'GET', headers, body });
      expect(forwarded.headers['cache-status']).toBe('restflow; fwd=bypass');
      expect(await app.get('/search')).toMatchObject({ body: 'found all 3', cache: 'HIT' });
    });

    it('is dropped by an unsafe request to its URI, and by hand', async () => {
      await app.get('/page');
      await app.get('/page', { method: 'POST' });
      expect(await app.get('/page')).toMatchObject({ body: 'page 2', cache: 'MISS' });
      await app.cache.invalidateTags([`uri:127.0.0.1:${app.port}/page`]);
      expect(await app.get('/page')).toMatchObject({ body: 'page 3', cache: 'MISS' });
    });
  });
});

describe("freshness: 'headers'", () => {
  it.each([{ ttl: 60 }, { statuses: [200] }, { vary: ['a'] }, { cacheControl: true }, { shared: true }])(
    'excludes %j',
    (options) => {
      const [name] = Object.keys(options);
      const decorate = CacheResponse({ freshness: 'headers', ...options });
      const descriptor = { value: () => undefined };
      expect(() => decorate(Pages.prototype, 'other', descriptor)).toThrow(
        new RegExp(`Pages.other .*${name}`),
      );
    },
  );

  it('is one of two', () => {
    const decorate = CacheResponse({ freshness: 'max-age' as 'ttl' });
    expect(() => decorate(Pages.prototype, 'other', { value: () => undefined })).toThrow(
      /'ttl' .* or 'headers'/,
    );
  });
});
