import { All, Controller, Get, Header, Headers, HttpCode, Post, Query, Res } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse } from '../../lib/index.js';
import { gate, platforms, start, type TestApplication } from './support/application.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  status(code: number): AnyResponse;
}

let handled = 0;
let held = gate();

@Controller()
class Pages {
  @Get('page') @CacheResponse(60) page(): number {
    return ++handled;
  }
  @Post('page') @HttpCode(200) change(): number {
    return ++handled;
  }
  @All('any') @CacheResponse(60) any(): number {
    return ++handled;
  }
  @Get('endless') @CacheResponse(null) endless(): number {
    return ++handled;
  }
  @Get('varied') @CacheResponse(60) @Header('Vary', 'X-One') varied(@Headers('x-one') one: string): string {
    return `${one} ${++handled}`;
  }
  @Get('private') @CacheResponse(60) @Header('Cache-Control', 'private') own(): number {
    return ++handled;
  }
  @Get('upstream') @CacheResponse(60) upstream(@Res({ passthrough: true }) response: AnyResponse): number {
    response.header('Cache-Status', 'origin; hit');
    return ++handled;
  }
  @Get('slow') @CacheResponse(60) async slow(): Promise<number> {
    handled++;
    await held.promise;
    return handled;
  }
  @Get('silent') @CacheResponse({ ttl: 60, setCacheHeaders: false }) silent(): number {
    return ++handled;
  }
  @Get('shared') @CacheResponse({ freshness: 'headers' }) shared(
    @Query('fails') fails: string | undefined,
    @Headers('if-none-match') condition: string | undefined,
    @Res({ passthrough: true }) response: AnyResponse,
  ): number | undefined {
    response.header('ETag', '"a"').header('Cache-Control', 'max-age=60, stale-if-error=600');
    if (condition !== undefined) response.status(fails === undefined ? 304 : 503);
    return condition === undefined ? ++handled : undefined;
  }
}

describe.each(platforms)('Cache-Status on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    held = gate();
    app = await start(platform, { controllers: [Pages] });
  });
  afterEach(() => app.close());
  const status = async (path: string, headers = {}): Promise<unknown> =>
    (await app.get(path, { headers })).headers['cache-status'];

  it('names misses, hits, stale and dropped responses', async () => {
    expect(await status('/page')).toBe('restflow; fwd=uri-miss; stored');
    expect(await status('/page')).toBe('restflow; hit; ttl=60');
    app.clock.advance(61);
    expect(await status('/page')).toMatch(/^restflow; fwd=(stale|uri-miss); stored$/);
  });

  it('names the reason of a bypass', async () => {
    expect(await status('/page', { authorization: 'Bearer x' })).toBe('restflow; fwd=bypass');
    expect(await status('/page', { range: 'bytes=0-1' })).toBe('restflow; fwd=bypass');
    await status('/page');
    expect(await status('/page', { range: 'bytes=0-0' })).toBe('restflow; hit; ttl=60');
    const posted = await app.get('/any', { method: 'POST' });
    expect(posted.headers['cache-status']).toBe('restflow; fwd=method');
    expect(await status('/private')).toBe('restflow; fwd=uri-miss');
    expect(await status('/silent')).toBeUndefined();
  });

  it('counts the seconds that remain', async () => {
    await app.get('/page');
    app.clock.advance(9.5);
    expect(await status('/page')).toBe('restflow; hit; ttl=50');
    app.clock.advance(0.6);
    expect(await status('/page')).toBe('restflow; hit; ttl=49');
    await app.get('/endless');
    expect(await status('/endless')).toBe('restflow; hit');
  });

  it("names the reason of a bypass, with freshness: 'headers'", async () => {
    expect(await status('/shared', { 'cache-control': 'only-if-cached' })).toBe(
      'restflow; detail=only-if-cached',
    );
    expect(await status('/shared', { 'cache-control': 'no-store' })).toBe('restflow; fwd=request');
    expect(await status('/shared', { 'if-match': '"b"' })).toBe('restflow; fwd=bypass');
    expect(await status('/shared', { range: 'bytes=0-1' })).toBe('restflow; fwd=bypass');
    expect(await status('/shared', { authorization: 'Bearer x' })).toBe('restflow; fwd=uri-miss');
  });

  it('tells a missing variant from a missing URI', async () => {
    expect(await status('/varied', { 'x-one': '1' })).toBe('restflow; fwd=uri-miss; stored');
    expect(await status('/varied', { 'x-one': '2' })).toBe('restflow; fwd=vary-miss; stored');
    expect(await status('/varied', { 'x-one': '1' })).toBe('restflow; hit; ttl=60');
  });

  it('names requests answered with the answer to another', async () => {
    const answers = Promise.all([status('/slow'), status('/slow'), status('/slow')]);
    await app.held(3);
    held.open();
    expect((await answers).sort()).toEqual([
      'restflow; fwd=uri-miss; collapsed',
      'restflow; fwd=uri-miss; collapsed',
      'restflow; fwd=uri-miss; stored',
    ]);
  });

  it('follows the member of a cache nearer to the origin', async () => {
    expect(await status('/upstream')).toBe('origin; hit, restflow; fwd=uri-miss; stored');
    expect(await status('/upstream')).toBe('origin; hit, restflow; hit; ttl=60');
  });

  it("names the result of a validation, with freshness: 'headers'", async () => {
    expect(await status('/shared')).toBe('restflow; fwd=uri-miss; stored');
    app.clock.advance(10);
    expect(await status('/shared')).toBe('restflow; hit; ttl=50');
    expect(await status('/shared', { 'cache-control': 'max-stale' })).toBe('restflow; hit; ttl=50');
    expect(await status('/shared', { 'cache-control': 'no-cache' })).toBe(
      'restflow; fwd=request; fwd-status=304; ttl=60',
    );
    app.clock.advance(61);
    expect(await status('/shared', { 'cache-control': 'max-stale' })).toBe('restflow; hit; ttl=-1');
    expect(await status('/shared')).toBe('restflow; fwd=stale; fwd-status=304; ttl=60');
  });

  it('says that a stale response replaced an error', async () => {
    await app.get('/shared?fails=1');
    app.clock.advance(70);
    expect(await status('/shared?fails=1')).toBe('restflow; fwd=stale; fwd-status=503; ttl=-10');
  });
});
