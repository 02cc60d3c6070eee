import {
  Controller,
  Get,
  Header,
  HttpCode,
  HttpException,
  HttpStatus,
  NotFoundException,
  Param,
  Query,
  Redirect,
  Res,
  Sse,
  StreamableFile,
} from '@nestjs/common';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { of } from 'rxjs';
import { CacheResponse, type ResponseView, type ValueContext } from '../../lib/index.js';
import { platforms, start, until, type Answer, type TestApplication } from './support/application.js';

interface AnyResponse {
  status(code: number): AnyResponse;
  header(name: string, value: string | string[]): AnyResponse;
  send(body?: unknown): void;
  redirect(...args: unknown[]): void;
}

let handled = 0;
let views: [ResponseView, ValueContext][] = [];

@Controller()
class Storing {
  @Get('status/:code') @CacheResponse(60) status(
    @Param('code') code: string,
    @Res() response: AnyResponse,
  ): void {
    response.status(Number(code)).send(`${++handled}`);
  }
  @Get('widened/:code') @CacheResponse({ ttl: 60, statuses: [200, 204, 404] }) widened(
    @Param('code') code: string,
  ): number {
    handled++;
    if (code === '404') throw new NotFoundException();
    throw new HttpException('', Number(code));
  }
  @Get('created') @CacheResponse({ ttl: 60, statuses: [201] }) @HttpCode(201) created(): number {
    return ++handled;
  }
  @Get('throws/:kind') @CacheResponse(60) throws(@Param('kind') kind: string): void {
    handled++;
    throw kind === 'http' ? new HttpException('no', HttpStatus.BAD_REQUEST) : new Error('secret');
  }
  @Get('cookie') @CacheResponse(60) cookie(@Res({ passthrough: true }) response: AnyResponse): number {
    response.header('Set-Cookie', 'a=1');
    return ++handled;
  }
  @Get('by-hand') @CacheResponse(60) byHand(@Res() response: AnyResponse): void {
    response.header('X-Several', ['a', 'b']).send({ handled: ++handled });
  }
  @Get('redirect') @CacheResponse(60) @Redirect('/elsewhere', 301) redirect(): void {
    handled++;
  }
  @Get('found') @CacheResponse(60) @Redirect('/elsewhere') found(): void {
    handled++;
  }
  @Get('redirect-to') @CacheResponse(60) @Redirect('/nowhere', 301) redirectTo(): object {
    return { url: `/to/${++handled}`, statusCode: 308 };
  }
  @Get('stream') @CacheResponse(60) stream(): StreamableFile {
    handled++;
    const options = { type: 'text/csv', disposition: 'attachment; filename="a.csv"' };
    return new StreamableFile(Readable.from([Buffer.from('a,'), Buffer.from('b')]), options);
  }
  @Get('file') @CacheResponse(60) file(): StreamableFile {
    handled++;
    return new StreamableFile(Buffer.from([0, 1, 2, 255]));
  }
  @Get('empty') @CacheResponse(60) empty(): void {
    handled++;
  }
  @Get('null') @CacheResponse(60) null(): null {
    handled++;
    return null;
  }
  @Get('unicode') @CacheResponse(60) @Header('Content-Type', 'text/plain; charset=utf-8') unicode(): string {
    handled++;
    return 'é € 😀 \u2028';
  }
  @Sse('events') @CacheResponse(60) events() {
    handled++;
    return of({ data: 'x' });
  }
  @Get('large') @CacheResponse({ ttl: 60, maxBodyBytes: 100 }) large(@Query('size') size: string): string {
    handled++;
    return 'x'.repeat(Number(size));
  }
  @Get('bypass')
  @CacheResponse({ ttl: 60, bypass: (request: { headers: object }) => 'x-fresh' in request.headers })
  bypass(): number {
    return ++handled;
  }
  @Get('if')
  @CacheResponse({
    ttl: 60,
    cacheIf: (view: ResponseView, context) => {
      views.push([view, context]);
      return view.headers['x-keep'] === 'yes';
    },
  })
  if(@Query('keep') keep: string, @Res({ passthrough: true }) response: AnyResponse): object {
    response.header('X-Keep', keep);
    return { handled: ++handled };
  }
  @Get('unless') @CacheResponse({ ttl: 60, cacheUnless: async ({ body }) => body.includes('never') }) unless(
    @Query('say') say: string,
  ): string {
    handled++;
    return say;
  }
  @Get('ttl') @CacheResponse({ ttl: (view: ResponseView) => Number(view.headers['x-ttl']) }) ttl(
    @Res({ passthrough: true }) response: AnyResponse,
  ): number {
    response.header('X-Ttl', '7');
    return ++handled;
  }
  @Get('broken-options')
  @CacheResponse({
    ttl: () => -1,
    cacheIf: () => {
      throw new Error('cacheIf is broken');
    },
  })
  brokenOptions(): number {
    return ++handled;
  }
}

const CHANGING =
  /^(?:date|etag|connection|keep-alive|content-length|transfer-encoding|x-cache.*|cache-status)$/;

/** What must not differ between a miss and its hit; the names in Vary are compared without regard to case. */
function essence({ status, headers, body }: Answer): unknown {
  const kept = Object.entries(headers).filter(([name]) => !CHANGING.test(name));
  const comparable = kept.map(([name, value]) => [
    name,
    name === 'vary' ? String(value).toLowerCase() : value,
  ]);
  return { status, headers: comparable.sort(), body };
}

describe.each(platforms)('a stored response on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    views = [];
    app = await start(platform, { controllers: [Storing] });
  });
  afterEach(() => app.close());

  const twice = async (path: string): Promise<[Answer, Answer]> => [await app.get(path), await app.get(path)];

  it.each([
    '/status/200',
    '/status/203',
    '/status/301',
    '/status/308',
    '/created',
    '/by-hand',
    '/redirect',
    '/redirect-to',
    '/stream',
    '/file',
    '/empty',
    '/null',
    '/unicode',
    '/widened/404',
    '/large?size=100',
  ])('%s is, and its hit equals its miss', async (path) => {
    const [miss, hit] = await twice(path);
    expect([miss.cache, hit.cache, handled]).toEqual(['MISS', 'HIT', 1]);
    expect(essence(hit)).toEqual(essence(miss));
    expect(hit.bytes).toEqual(miss.bytes);
    expect(app.complaints).toEqual([]);
  });

  it.each([
    ['/status/201', /status is 201/],
    ['/status/204', /status is 204/],
    ['/status/206', /status is 206/],
    ['/status/302', /status is 302/],
    ['/status/404', /status is 404; statuses: \[404\]/],
    ['/status/500', /status is 500/],
    ['/widened/500', /status is 500/],
    ['/throws/http', /status is 400/],
    ['/throws/error', /status is 500/],
    ['/found', /status is 302/],
    ['/cookie', /sets a cookie/],
    ['/large?size=101', /maxBodyBytes/],
    ['/events', /stream of events/],
  ])('%s is not, and the log says why once', async (path, reason) => {
    const [first, second] = await twice(path);
    expect([first.cache, second.cache, handled]).toEqual(['MISS', 'MISS', 2]);
    expect(second.status).toBe(first.status);
    expect(app.complaints.filter((line) => reason.test(line))).toHaveLength(1);
  });

  it('a cookie of one client is never sent to another', async () => {
    const [, second] = await twice('/cookie');
    expect(second.headers['set-cookie']).toEqual(['a=1']);
    expect((await app.get('/by-hand')).headers['set-cookie']).toBeUndefined();
  });

  it('a request that the bypass option picks neither reads nor stores', async () => {
    await app.get('/bypass');
    expect((await app.get('/bypass', { 'x-fresh': '1' })).cache).toBe('BYPASS');
    expect([(await app.get('/bypass')).body, handled]).toEqual(['1', 2]);
  });

  it('cacheIf and cacheUnless decide on the response', async () => {
    expect((await twice('/if?keep=no')).map(({ cache }) => cache)).toEqual(['MISS', 'MISS']);
    expect((await twice('/if?keep=yes')).map(({ cache }) => cache)).toEqual(['MISS', 'HIT']);
    expect((await twice('/unless?say=never')).map(({ cache }) => cache)).toEqual(['MISS', 'MISS']);
    expect((await twice('/unless?say=ok')).map(({ cache }) => cache)).toEqual(['MISS', 'HIT']);
    const [view, context] = views[0]!;
    expect([view.status, view.body.toString()]).toEqual([200, '{"handled":1}']);
    expect(context.method).toBe('Storing.if');
    expect((context.request as { url: string }).url).toBe('/if?keep=no');
  });

  it('a ttl function decides on the response', async () => {
    await app.get('/ttl');
    app.clock.advance(6.9);
    expect((await app.get('/ttl')).cache).toBe('HIT');
    app.clock.advance(0.2);
    expect((await app.get('/ttl')).cache).toBe('MISS');
  });

  it('options that throw cost the cache, not the answer', async () => {
    const [first, second] = await twice('/broken-options');
    expect([first.status, first.body, second.body]).toEqual([200, '1', '2']);
    await until(() => app.complaints.some((line) => line.includes('cacheIf is broken')));
  });

  it('a cache that is switched off neither reads nor stores until it is switched on', async () => {
    await app.get('/by-hand');
    app.cache.disable();
    expect((await app.get('/by-hand')).cache).toBe('BYPASS');
    expect(handled).toBe(2);
    app.cache.enable();
    expect((await app.get('/by-hand')).body).toBe('{"handled":1}');
  });
});
