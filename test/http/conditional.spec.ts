import { Controller, Get, Header, HttpCode, Req, Res, StreamableFile } from '@nestjs/common';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse } from '../../lib/index.js';
import { platforms, start, type Answer, type TestApplication } from './support/application.js';

interface AnyRequest {
  headers: Record<string, string | undefined>;
}
interface AnyResponse {
  send(body: unknown): void;
  status(code: number): AnyResponse;
}

let handled = 0;
let seen: (string | undefined)[] = [];
const MODIFIED = 'Thu, 01 Jan 2026 00:00:00 GMT';

@Controller()
class Conditional {
  @Get('json') @CacheResponse(60) @Header('Last-Modified', MODIFIED) json(
    @Req() request: AnyRequest,
  ): unknown {
    seen = [request.headers['if-none-match'], request.headers['if-modified-since']];
    return { handled: ++handled };
  }
  @Get('own') @CacheResponse(60) @Header('ETag', '"own"') own(): string {
    return `own ${++handled}`;
  }
  @Get('weak') @CacheResponse(60) @Header('ETag', 'W/"weak"') weak(): string {
    return `weak ${++handled}`;
  }
  @Get('stream') @CacheResponse(60) stream(): StreamableFile {
    handled++;
    return new StreamableFile(Readable.from([Buffer.from('st'), Buffer.from('ream')]));
  }
  @Get('by-hand') @CacheResponse(60) byHand(@Res() response: AnyResponse): void {
    response.status(200).send(`by hand ${++handled}`);
  }
  @Get('uncached') @CacheResponse(60) @Header('Cache-Control', 'no-store') uncached(): string {
    handled++;
    return 'uncached';
  }
  @Get('left') @CacheResponse({ ttl: 60, conditional: 'handler' }) left(
    @Req() request: AnyRequest,
    @Res({ passthrough: true }) response: AnyResponse,
  ): string | undefined {
    handled++;
    if (request.headers['if-none-match'] !== '"two"') return 'left';
    response.status(304);
    return undefined;
  }
  @Get('accepted') @CacheResponse({ ttl: 60, statuses: [202] }) @HttpCode(202) accepted(): string {
    return `accepted ${++handled}`;
  }
}

const strong = (body: string): RegExp => {
  const digest = createHash('sha1').update(body).digest('base64').slice(0, 27);
  return new RegExp(`^"[^"]*${digest.replace(/[+/]/g, '.')}"$`);
};

describe.each(platforms)('conditions on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    seen = [];
    app = await start(platform, { controllers: [Conditional] });
  });
  afterEach(() => app.close());

  const expect304 = (answer: Answer, etag: unknown): void => {
    expect([answer.status, answer.body]).toEqual([304, '']);
    expect(answer.headers['etag']).toBe(etag);
    for (const name of ['content-type', 'content-length', 'transfer-encoding'])
      expect(answer.headers[name]).toBeUndefined();
  };

  it.each(['json', 'by-hand'])('the ETag is strong, and one on the miss and on hits: %s', async (path) => {
    const miss = await app.get(`/${path}`);
    const hit = await app.get(`/${path}`);
    expect(miss.headers['etag']).toMatch(strong(miss.body));
    expect([hit.cache, hit.headers['etag']]).toEqual(['HIT', miss.headers['etag']]);
  });

  it("are the handler's to judge with conditional: 'handler', past the cache", async () => {
    expect((await app.get('/left')).cache).toBe('MISS');
    expect(await app.get('/left', { 'if-none-match': '"two"' })).toMatchObject({
      status: 304,
      cache: 'BYPASS',
    });
    expect(await app.get('/left', { 'if-none-match': '"one"' })).toMatchObject({
      status: 200,
      cache: 'BYPASS',
    });
    expect((await app.get('/left')).cache).toBe('HIT');
    expect(handled).toBe(3);
  });

  it('of a stream the ETag is known from the first hit', async () => {
    await app.get('/stream');
    const hit = await app.get('/stream');
    expect([hit.cache, hit.body]).toEqual(['HIT', 'stream']);
    expect(hit.headers['etag']).toMatch(strong('stream'));
    expect304(
      await app.get('/stream', { 'if-none-match': String(hit.headers['etag']) }),
      hit.headers['etag'],
    );
  });

  it.each([
    ['own', '"own"'],
    ['weak', 'W/"weak"'],
  ])("the handler's own ETag is kept: %s", async (path, etag) => {
    for (const turn of ['MISS', 'HIT']) {
      const answer = await app.get(`/${path}`);
      expect([answer.cache, answer.headers['etag']]).toEqual([turn, etag]);
    }
    expect304(await app.get(`/${path}`, { 'if-none-match': `W/"else", ${etag}` }), etag);
  });

  it('a miss with a condition that holds is answered 304 and stored whole; the handler never sees the condition', async () => {
    const { headers } = await app.get('/json');
    await app.cache.clear();
    handled = 0;
    expect304(await app.get('/json', { 'if-none-match': String(headers['etag']) }), headers['etag']);
    expect([handled, seen]).toEqual([1, [undefined, undefined]]);
    const hit = await app.get('/json');
    expect([hit.status, hit.cache, hit.body]).toEqual([200, 'HIT', '{"handled":1}']);
  });

  it('a hit answers 304 to a condition that holds', async () => {
    const { headers } = await app.get('/json');
    const etag = String(headers['etag']);
    for (const condition of [etag, `W/${etag}`, `"else", ${etag}`, '*']) {
      const answer = await app.get('/json', { 'if-none-match': condition });
      expect304(answer, etag);
      expect([answer.cache, answer.headers['last-modified']]).toEqual(['HIT', MODIFIED]);
    }
    expect(handled).toBe(1);
  });

  it('a hit answers whole to a condition that does not hold', async () => {
    await app.get('/json');
    for (const condition of ['"else"', 'else', '', 'W/"else", "other"'])
      expect([condition, (await app.get('/json', { 'if-none-match': condition })).status]).toEqual([
        condition,
        200,
      ]);
    expect(handled).toBe(1);
  });

  it.each([
    [{ 'if-modified-since': MODIFIED }, 304],
    [{ 'if-modified-since': 'Fri, 02 Jan 2026 00:00:00 GMT' }, 304],
    [{ 'if-modified-since': 'Wed, 31 Dec 2025 00:00:00 GMT' }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-modified-since': '2026-01-01' }, 200],
    [{ 'if-modified-since': MODIFIED, 'if-none-match': '"else"' }, 200],
  ])('on a miss and on a hit %j is answered %i', async (conditions, status) => {
    for (let turn = 0; turn < 2; turn++) expect((await app.get('/json', conditions)).status).toBe(status);
    expect([handled, seen]).toEqual([1, [undefined, undefined]]);
  });

  it('an answer that is not stored is compared all the same', async () => {
    const { headers } = await app.get('/uncached');
    const again = await app.get('/uncached', { 'if-none-match': String(headers['etag']) });
    expect([again.status, again.body, handled]).toEqual([304, '', 2]);
  });

  it('no condition makes another status than 200 a 304', async () => {
    const { headers } = await app.get('/accepted');
    const hit = await app.get('/accepted', { 'if-none-match': '*' });
    expect([hit.status, hit.cache, hit.body]).toEqual([202, 'HIT', 'accepted 1']);
    expect(hit.headers['etag']).toBe(headers['etag']);
  });

  it('HEAD is answered 304 from the entry too', async () => {
    const { headers } = await app.get('/json');
    const head = await app.get('/json', {
      method: 'HEAD',
      headers: { 'if-none-match': String(headers['etag']) },
    });
    expect([head.status, head.cache]).toEqual([304, 'HIT']);
  });

  it.each([
    ['own', { 'if-none-match': '"own"' }],
    ['json', { 'if-modified-since': MODIFIED }],
    ['weak', { 'if-none-match': '"other", "weak"' }],
  ])('a HEAD that misses is answered 304 as a GET would be: %s', async (path, headers) => {
    const head = await app.get(`/${path}`, { method: 'HEAD', headers });
    expect([head.status, head.cache, handled]).toEqual([304, 'MISS', 1]);
    expect(seen.filter(Boolean)).toEqual([]);
    const other = await app.get(`/${path}`, { method: 'HEAD', headers: { 'if-none-match': '"x"' } });
    expect(other.status).toBe(200);
  });

  it.each(['own', 'by-hand', 'json', 'accepted'])(
    'a HEAD that misses has the tag of the GET: %s',
    async (path) => {
      const head = await app.get(`/${path}`, { method: 'HEAD' });
      handled = 0;
      const { headers } = await app.get(`/${path}`);
      // Express leaves the body out, and its own tag of it, a weak one, stands.
      expect(String(head.headers['etag']).replace(/^W\//, '')).toBe(headers['etag']);
    },
  );

  it('a tag that a HEAD or a bypass was sent with is known by the entry', async () => {
    const head = await app.get('/json', { method: 'HEAD' });
    await app.cache.clear();
    handled = 0;
    await app.get('/json');
    if (head.headers['etag'] === undefined) return;
    expect((await app.get('/json', { 'if-none-match': String(head.headers['etag']) })).status).toBe(304);
  });
});
