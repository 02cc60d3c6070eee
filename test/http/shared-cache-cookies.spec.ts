import { Controller, Get, Header, Req } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

interface AnyRequest {
  headers: Record<string, string | undefined>;
}

const greeting = ({ headers }: AnyRequest): string => `hello ${headers['cookie'] ?? 'stranger'}`;

@Controller()
class Pages {
  @Get('page') @CacheResponse({ freshness: 'headers' }) @Header('Cache-Control', 'max-age=60') page(
    @Req() request: AnyRequest,
  ): string {
    return greeting(request);
  }

  @Get('public')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'public, max-age=60')
  publicPage(@Req() request: AnyRequest): string {
    return greeting(request);
  }

  @Get('varied')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60')
  @Header('Vary', 'Cookie')
  varied(@Req() request: AnyRequest): string {
    return greeting(request);
  }
}

describe.each(platforms)("cookies with freshness: 'headers' on %s", (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    app = await start(platform, { controllers: [Pages], cache: { setCacheHeaders: true } });
  });
  afterEach(() => app.close());

  const get = async (path: string, cookie?: string): Promise<unknown[]> => {
    const headers: Record<string, string> = cookie === undefined ? {} : { cookie };
    const { body, headers: sent } = await app.get(path, { headers });
    return [body, sent['x-cache-status']];
  };

  it('are credentials: what was made for one user reaches nobody else', async () => {
    expect(await get('/page', 'sid=anna')).toEqual(['hello sid=anna', 'MISS']);
    expect(await get('/page', 'sid=ben')).toEqual(['hello sid=ben', 'MISS']);
    expect(await get('/page')).toEqual(['hello stranger', 'MISS']);
    expect(await get('/page')).toEqual(['hello stranger', 'HIT']);
  });

  it('that are ignored tell nobody apart', async () => {
    expect((await get('/page', '_ga=1'))[1]).toBe('MISS');
    expect((await get('/page', '_ga=2'))[1]).toBe('HIT');
  });

  it('do not count where the answer is public', async () => {
    expect((await get('/public', 'sid=anna'))[1]).toBe('MISS');
    expect((await get('/public', 'sid=ben'))[1]).toBe('HIT');
  });

  it('choose among answers that vary by them', async () => {
    for (const name of ['anna', 'ben']) {
      expect(await get('/varied', `sid=${name}`)).toEqual([`hello sid=${name}`, 'MISS']);
      expect(await get('/varied', `sid=${name}`)).toEqual([`hello sid=${name}`, 'HIT']);
    }
  });
});
