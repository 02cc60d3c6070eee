import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiResponse, DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, documentCacheHeaders } from '../../lib/index.js';
import { platforms, start, type TestApplication } from '../http/support/application.js';

@Controller('pages')
class Pages {
  @Get('plain') @CacheResponse(60) plain(): string {
    return 'plain';
  }
  @Get('silent') @CacheResponse({ ttl: 60, setCacheHeaders: false }) silent(): string {
    return 'silent';
  }
  @Get('described')
  @CacheResponse(60)
  @ApiResponse({ status: 200, description: 'Ours', headers: { ETag: { description: 'Ours' } } })
  @ApiResponse({ status: 304, description: 'Ours too' })
  described(): string {
    return 'described';
  }
  @Post('searched') @HttpCode(200) @CacheResponse({ ttl: 60, methods: ['POST'] }) searched(): string {
    return 'searched';
  }
  @Get('live') live(): string {
    return 'live';
  }
}

let running: TestApplication | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

describe.each(platforms)('documentCacheHeaders() on %s', (platform) => {
  it('describes 304 and the headers of cached handlers alone, and keeps what is described', async () => {
    running = await start(platform, { controllers: [Pages] });
    const document = SwaggerModule.createDocument(running.app, new DocumentBuilder().build());
    expect(documentCacheHeaders(document, { setCacheHeaders: true })).toBe(document);
    const of = (path: string, method: 'get' | 'post' = 'get') =>
      document.paths[`/pages/${path}`]![method]!.responses;
    const names = (path: string, method?: 'post') =>
      Object.fromEntries(
        Object.entries(of(path, method)).map(([status, response]) => [
          status,
          Object.keys((response as { headers?: object }).headers ?? {}),
        ]),
      );
    const told = ['X-Cache-Status', 'X-Cached-At', 'X-Cache-Reset-At', 'Cache-Status'];
    expect(names('plain')).toEqual({ 200: ['ETag', ...told], 304: ['ETag', ...told] });
    expect(names('silent')).toEqual({ 200: ['ETag'], 304: ['ETag'] });
    expect(names('searched', 'post')).toEqual({ 200: told });
    expect(names('live')).toEqual({ 200: [] });
    expect(of('described')).toMatchObject({
      200: { description: 'Ours', headers: { ETag: { description: 'Ours' } } },
      304: { description: 'Ours too' },
    });
    expect(JSON.stringify(document)).not.toContain('x-restflow');
    // What the document promises is what goes out.
    const { headers } = await running.get('/pages/plain');
    for (const name of ['ETag', ...told])
      expect([name, headers[name.toLowerCase()]]).toEqual([name, expect.any(String)]);
  });
});
