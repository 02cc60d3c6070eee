import {
  Body,
  Controller,
  Get,
  Header,
  HttpCode,
  Post,
  Req,
  Res,
  StreamableFile,
  UseGuards,
} from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import fastifyCompress from '@fastify/compress';
import compression from 'compression';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { CacheResponse, explainToken, RequestValueKeyField } from '../../lib/index.js';
import {
  platforms,
  start,
  until,
  type Answer,
  type ApplicationOptions,
  type PlatformName,
  type RequestOptions,
  type TestApplication,
} from './support/application.js';
import { http2 } from './support/wire.js';

const MODIFIED = 'Wed, 31 Dec 2025 23:00:00 GMT';
const LONG = 'a text that is worth compressing. '.repeat(100);
const ZIPPED = gzipSync(LONG);
const TEN = '0123456789';

let handled = 0;
let asked: (string | undefined)[] = [];
let failing = false;
let allowed = true;

interface AnyRequest {
  headers: Record<string, string | undefined>;
}
interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  status(code: number): AnyResponse;
  send(body: unknown): void;
  hijack?(): void;
  raw?: AnyResponse;
  writeHead(status: number, headers: object): void;
  end(body: string): void;
}

class Door implements CanActivate {
  canActivate(_context: ExecutionContext): boolean {
    return allowed;
  }
}

@Controller()
class Files {
  @Get('ten') @CacheResponse(60) @Header('Last-Modified', MODIFIED) ten(
    @Req() { headers }: AnyRequest,
  ): string {
    asked.push(headers['range']);
    if (failing) throw new Error('the disk is away');
    handled++;
    return TEN;
  }

  @Get('guarded') @UseGuards(Door) @CacheResponse(60) guarded(): string {
    handled++;
    return TEN;
  }

  @Get('stale') @CacheResponse({ ttl: 60, staleWhileRevalidate: 30 }) stale(): string {
    return `${++handled}23456789`;
  }

  @Get('fallback') @CacheResponse({ ttl: 60, staleIfError: 600 }) fallback(
    @Req() { headers }: AnyRequest,
  ): string {
    asked.push(headers['range']);
    if (failing) throw new Error('the disk is away');
    return `${++handled}23456789`;
  }

  @Get('missing') @CacheResponse({ ttl: 60, statuses: [404] }) @HttpCode(404) missing(): string {
    handled++;
    return TEN;
  }

  @Get('empty') @CacheResponse(60) @Header('Content-Type', 'text/plain') empty(): string {
    handled++;
    return '';
  }

  @Get('language') @CacheResponse({ ttl: 60, vary: ['accept-language'] }) language(
    @Req() { headers }: AnyRequest,
  ): string {
    handled++;
    return `${headers['accept-language']}23456789`;
  }

  @Get('mine')
  @CacheResponse({
    ttl: 60,
    keyConstructor: { user: new RequestValueKeyField('headers.authorization', { identity: true }) },
  })
  mine(@Req() { headers }: AnyRequest): string {
    handled++;
    return `${headers['authorization']} owns it`;
  }

  @Post('search') @HttpCode(200) @CacheResponse({ ttl: 60, methods: ['POST'] }) search(
    @Body() body: object,
  ): string {
    handled++;
    return JSON.stringify(body);
  }

  @Get('own') @CacheResponse({ ttl: 60, conditional: 'handler' }) own(): string {
    handled++;
    return TEN;
  }

  @Get('lived')
  @CacheResponse({ ttl: 60, cacheControl: true })
  @Header('CDN-Cache-Control', 'max-age=60')
  lived(): string {
    handled++;
    return TEN;
  }

  @Get('public')
  @CacheResponse(60)
  @Header('Cache-Control', 'public, max-age=60')
  @Header('Expires', MODIFIED)
  public(): string {
    handled++;
    return TEN;
  }

  @Get('by-headers')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60')
  byHeaders(@Res({ passthrough: true }) response: AnyResponse): string {
    handled++;
    response.header('ETag', '"ten"').header('Expires', MODIFIED);
    return TEN;
  }

  @Get('stream') @CacheResponse(60) stream(): StreamableFile {
    handled++;
    return new StreamableFile(Readable.from([Buffer.from('01234'), Buffer.from('56789')]));
  }

  @Get('raw') @CacheResponse(60) raw(@Res() response: AnyResponse): void {
    handled++;
    response.hijack?.();
    (response.raw ?? response).writeHead(200, { 'X-Raw': 'yes', 'Content-Type': 'text/plain' });
    (response.raw ?? response).end(TEN);
  }

  @Get('digests') @CacheResponse(60) digests(@Res({ passthrough: true }) response: AnyResponse): string {
    handled++;
    const digest = (name: string): string => createHash(name).update(TEN).digest('base64');
    response.header('Content-MD5', digest('md5')).header('Content-Digest', `sha-256=:${digest('sha256')}:`);
    response.header('Repr-Digest', `sha-256=:${digest('sha256')}:`);
    return TEN;
  }

  @Get('zipped') @CacheResponse(60) @Header('Content-Type', 'text/plain') zipped(
    @Res() response: AnyResponse,
  ): void {
    handled++;
    response.header('Content-Encoding', 'gzip').send(ZIPPED);
  }

  @Get('long') @CacheResponse(60) long(): object {
    handled++;
    return { LONG };
  }

  @Get('long-by-headers')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60')
  longByHeaders(@Res({ passthrough: true }) response: AnyResponse): object {
    handled++;
    response.header('ETag', '"long"');
    return { LONG };
  }
}

beforeEach(() => {
  handled = 0;
  asked = [];
  failing = false;
  allowed = true;
});

let app: TestApplication;
const boot = async (platform: PlatformName, options: ApplicationOptions = {}): Promise<void> => {
  app = await start(platform, { controllers: [Files], ...options });
};
afterEach(() => app.close());
const get = (path: string, range?: string, headers: Record<string, string> = {}): Promise<Answer> =>
  app.get(path, { headers: { ...(range === undefined ? {} : { range }), ...headers } });
/** What came, from where, and how often the handler ran. */
const told = ({ status, body, cache }: Answer): unknown[] => [status, body, cache, handled];

describe.each(platforms)('a Range request to a route with a lifetime on %s', (platform) => {
  beforeEach(() => boot(platform));

  describe.each(['/ten', '/guarded', '/stream', '/raw'])('with a stored 200 of %s', (path) => {
    it.each([
      ['bytes=0-3', '0123', '0-3'],
      ['bytes=3-', '3456789', '3-9'],
      ['bytes=-2', '89', '8-9'],
      ['bytes=-20', TEN, '0-9'],
      ['bytes=8-20', '89', '8-9'],
      ['bytes=9-9', '9', '9-9'],
      ['BYTES=0-0', '0', '0-0'],
      ['bytes=5-99999999999999999999', '56789', '5-9'],
    ])('is answered with the part that it wants: %s', async (range, text, content) => {
      await get(path);
      const part = await get(path, range);
      expect(told(part)).toEqual([206, text, 'HIT', 1]);
      expect(part.headers).toMatchObject({
        'content-range': `bytes ${content}/10`,
        'content-length': String(text.length),
        'cache-status': 'restflow; hit; ttl=60',
      });
      const whole = await get(path);
      for (const name of ['etag', 'content-type', 'last-modified', 'x-cached-at', 'x-raw'])
        expect([name, part.headers[name]]).toEqual([name, whole.headers[name]]);
      expect(told(whole)).toEqual([200, TEN, 'HIT', 1]);
    });

    it.each(['bytes=10-', 'bytes=10-20', 'bytes=-0', 'bytes=99999999999999999999-'])(
      'is told that there is no such part: %s',
      async (range) => {
        await get(path);
        const none = await get(path, range);
        expect(told(none)).toEqual([416, '', 'HIT', 1]);
        expect(none.headers).toMatchObject({ 'content-range': 'bytes */10', 'content-length': '0' });
        expect(none.headers['etag']).toBeUndefined();
      },
    );

    it.each(['bytes=0-1,3-4', 'bytes=5-2', 'bytes=a-b', 'bytes=', 'bytes=-', 'bytes=0-1,', 'bytes=0x1-2'])(
      'is answered in full where it wants several, or is none: %s',
      async (range) => {
        await get(path);
        const whole = await get(path, range);
        expect(told(whole)).toEqual([200, TEN, 'HIT', 1]);
        expect(whole.headers['content-range']).toBeUndefined();
      },
    );
  });

  it.each(['/lived', '/public', '/by-headers'])(
    'leaves nothing of a 416 to caches outside: %s',
    async (path) => {
      await get(path);
      const { status, headers } = await get(path, 'bytes=10-');
      expect([status, headers['cache-control']]).toEqual([416, 'no-store']);
      for (const name of ['expires', 'cdn-cache-control']) expect(headers[name]).toBeUndefined();
      expect(await get(path)).toMatchObject({ status: 200, cache: 'HIT' });
    },
  );

  it('is answered with the headers that tell a lifetime, as the whole is', async () => {
    await get('/lived');
    app.clock.advance(20);
    const { status, headers } = await get('/lived', 'bytes=0-3');
    expect([status, headers['cache-control'], headers['age']]).toEqual([206, 'max-age=60', '20']);
  });

  describe('with If-Range', () => {
    it('is answered with the part of what the client has, else with the whole', async () => {
      const etag = String((await get('/ten')).headers['etag']);
      const bodies: string[] = [];
      for (const condition of [etag, `W/${etag}`, '"other"', etag.slice(1, -1), '', `${etag}, "other"`, '*'])
        bodies.push((await get('/ten', 'bytes=0-3', { 'if-range': condition })).body);
      expect(bodies).toEqual(['0123', TEN, TEN, TEN, TEN, TEN, TEN]);
      expect(handled).toBe(1);
    });

    it('compares dates where they are as old as strong validators have to be', async () => {
      const part = (condition: string): Promise<Answer> =>
        get('/ten', 'bytes=0-3', { 'if-range': condition });
      await get('/ten');
      expect((await part(MODIFIED)).body).toBe('0123');
      expect((await part('Wed, 31 Dec 2025 23:30:00 GMT')).body).toBe(TEN);
      expect((await part('2025-12-31T23:00:00Z')).body).toBe(TEN);
      await app.cache.clear();
      app.clock.advance(-3600);
      await get('/ten');
      expect((await part(MODIFIED)).body).toBe(TEN);
    });

    it('without Range is nothing', async () => {
      await get('/ten');
      expect(told(await get('/ten', undefined, { 'if-range': '"other"' }))).toEqual([200, TEN, 'HIT', 1]);
    });
  });

  it('is answered 304 first, where its conditions say so', async () => {
    const etag = String((await get('/ten')).headers['etag']);
    expect((await get('/ten', 'bytes=0-3', { 'if-none-match': etag })).status).toBe(304);
    expect((await get('/ten', 'bytes=20-', { 'if-none-match': `W/${etag}` })).status).toBe(304);
    expect((await get('/ten', 'bytes=0-3', { 'if-modified-since': MODIFIED })).status).toBe(304);
    expect(told(await get('/ten', 'bytes=0-3', { 'if-none-match': '"other"' }))).toEqual([
      206,
      '0123',
      'HIT',
      1,
    ]);
  });

  it.each([
    ['/ten', 'bytes=0-3', { 'if-match': '"other"' }],
    ['/ten', 'bytes=0-3', { 'if-unmodified-since': MODIFIED }],
    ['/ten', 'items=0-3', {}],
    ['/own', 'bytes=0-3', { 'if-range': '"other"' }],
    ['/own', 'bytes=0-3', { 'if-none-match': '"other"' }],
  ])('is left to the handler where that alone can judge it: %s %s %j', async (path, range, headers) => {
    await get(path);
    expect(told(await get(path, range, headers))).toEqual([200, TEN, 'BYPASS', 2]);
    expect(told(await get(path))).toEqual([200, TEN, 'HIT', 2]);
  });

  it('gets its part where conditions are left to the handler, and it has none', async () => {
    await get('/own');
    expect(told(await get('/own', 'bytes=0-3'))).toEqual([206, '0123', 'HIT', 1]);
  });

  it('is the same as any for HEAD, which has no parts', async () => {
    const head = (): Promise<Answer> => app.get('/ten', { method: 'HEAD', headers: { range: 'bytes=0-3' } });
    expect(await head()).toMatchObject({ status: 200, cache: 'MISS' });
    await get('/ten');
    for (const answer of [
      await head(),
      await app.get('/ten', { method: 'HEAD', headers: { range: 'bytes=20-' } }),
    ]) {
      expect(answer).toMatchObject({ status: 200, cache: 'HIT', body: '' });
      expect([answer.headers['content-length'], answer.headers['content-range']]).toEqual(['10', undefined]);
    }
  });

  it('that misses goes to the handler as it is, and nothing of the answer is stored', async () => {
    expect(told(await get('/ten', 'bytes=0-3'))).toEqual([200, TEN, 'BYPASS', 1]);
    expect(asked).toEqual(['bytes=0-3']);
    expect(told(await get('/ten'))).toEqual([200, TEN, 'MISS', 2]);
  });

  it('goes to the handler once what is stored is over, or dropped', async () => {
    await get('/ten');
    app.clock.advance(61);
    expect(told(await get('/ten', 'bytes=0-3'))).toEqual([200, TEN, 'BYPASS', 2]);
    await get('/ten');
    await app.cache.for(Files, 'ten').invalidateAll();
    expect(told(await get('/ten', 'bytes=0-3'))).toEqual([200, TEN, 'BYPASS', 4]);
    expect(asked).toEqual([undefined, 'bytes=0-3', undefined, 'bytes=0-3']);
  });

  it('gets a part of what may be stale, which is loaded anew in whole', async () => {
    await get('/stale');
    app.clock.advance(61);
    expect(await get('/stale', 'bytes=0-3')).toMatchObject({ status: 206, body: '1234', cache: 'STALE' });
    await until(() => handled === 2);
    for (let turn = 0; turn < 50 && (await get('/stale')).cache !== 'HIT'; turn++);
    expect(told(await get('/stale', 'bytes=0-3'))).toEqual([206, '2234', 'HIT', 2]);
  });

  it('gets a part of what stands in for a handler that fails, and of what one brings that does not', async () => {
    await get('/fallback');
    app.clock.advance(61);
    failing = true;
    expect(await get('/fallback', 'bytes=0-3')).toMatchObject({ status: 206, body: '1234', cache: 'STALE' });
    failing = false;
    expect(told(await get('/fallback', 'bytes=0-3'))).toEqual([206, '2234', 'MISS', 2]);
    expect(asked).toEqual([undefined, undefined, undefined]);
  });

  it('gets the whole of another status', async () => {
    await get('/missing');
    expect(told(await get('/missing', 'bytes=0-3'))).toEqual([404, TEN, 'HIT', 1]);
    expect(told(await get('/missing', 'bytes=20-'))).toEqual([404, TEN, 'HIT', 1]);
  });

  it('gets nothing of nothing', async () => {
    await get('/empty');
    expect(told(await get('/empty', 'bytes=-5'))).toEqual([200, '', 'HIT', 1]);
    const none = await get('/empty', 'bytes=0-');
    expect([...told(none), none.headers['content-range']]).toEqual([416, '', 'HIT', 1, 'bytes */0']);
  });

  it('gets a part of its own variant', async () => {
    for (const language of ['en', 'de']) await get('/language', undefined, { 'accept-language': language });
    for (const [language, body] of Object.entries({ en: 'en23', de: 'de23' }))
      expect(told(await get('/language', 'bytes=0-3', { 'accept-language': language }))).toEqual([
        206,
        body,
        'HIT',
        2,
      ]);
    expect(told(await get('/language', 'bytes=0-3', { 'accept-language': 'fr' }))).toEqual([
      200,
      'fr23456789',
      'BYPASS',
      3,
    ]);
  });

  it('gets a part of what its own user has, and of nothing where credentials bypass', async () => {
    for (const authorization of ['ann', 'bob']) await get('/mine', undefined, { authorization });
    for (const authorization of ['ann', 'bob'])
      expect(told(await get('/mine', 'bytes=0-7', { authorization }))).toEqual([
        206,
        `${authorization} owns`,
        'HIT',
        2,
      ]);
    expect((await get('/mine', 'bytes=0-7', { authorization: 'eve' })).body).toBe('eve owns it');
    await get('/ten');
    expect(await get('/ten', 'bytes=0-3', { authorization: 'ann' })).toMatchObject({
      status: 200,
      cache: 'BYPASS',
    });
  });

  it('is let in by the guards first', async () => {
    await get('/guarded');
    allowed = false;
    for (const range of ['bytes=0-3', 'bytes=20-', 'bytes=a'])
      expect((await get('/guarded', range)).status).toBe(403);
  });

  it('by another method goes to the handler', async () => {
    const search: RequestOptions = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"a":1}',
    };
    await app.get('/search', search);
    const part = await app.get('/search', { ...search, headers: { ...search.headers, range: 'bytes=0-1' } });
    expect(told(part)).toEqual([200, '{"a":1}', 'BYPASS', 2]);
  });

  it('gets no digest of what is not in it', async () => {
    await get('/digests');
    const [whole, part] = [await get('/digests'), await get('/digests', 'bytes=0-3')];
    for (const name of ['content-md5', 'content-digest']) {
      expect(whole.headers[name]).toBeDefined();
      expect(part.headers[name]).toBeUndefined();
    }
    expect(part.headers['repr-digest']).toBe(whole.headers['repr-digest']);
  });
});

const compressing = (platform: PlatformName): ApplicationOptions => ({
  setup: async (nest) => {
    if (platform === 'express') return void nest.use(compression());
    const fastify = nest.getHttpAdapter().getInstance() as {
      register(plugin: unknown, options: object): Promise<unknown>;
    };
    await fastify.register(fastifyCompress, { global: true });
  },
});

describe.each(platforms)('a part on %s', (platform) => {
  const GZIP = { 'accept-encoding': 'gzip' };
  const text = JSON.stringify({ LONG });

  it.each(['/long', '/long-by-headers'])('is never compressed by what stands below: %s', async (path) => {
    await boot(platform, compressing(platform));
    await get(path, undefined, GZIP);
    const whole = await get(path, undefined, GZIP);
    expect([whole.cache, gunzipSync(whole.bytes).toString()]).toEqual(['HIT', text]);
    const part = await get(path, 'bytes=5-2004', GZIP);
    expect([part.status, part.body]).toEqual([206, text.slice(5, 2005)]);
    expect(part.headers).toMatchObject({
      'content-range': `bytes 5-2004/${text.length}`,
      'content-length': '2000',
    });
    expect(part.headers['content-encoding']).toBeUndefined();
  });

  it.each(['/long', '/long-by-headers'])(
    'is never put behind other bytes that the client may have: %s',
    async (path) => {
      await boot(platform, compressing(platform));
      await get(path);
      const { headers } = await get(path);
      const next = (accepted: string): Promise<Answer> =>
        get(path, 'bytes=20-', { 'if-range': String(headers['etag']), 'accept-encoding': accepted });
      for (const accepted of ['gzip', 'identity, gzip;q=0.5', '*']) {
        const whole = await next(accepted);
        expect(whole.status).toBe(200);
        if (accepted === 'gzip') expect(gunzipSync(whole.bytes).toString()).toBe(text);
      }
      for (const accepted of ['identity', 'identity;q=1, *;q=0', 'gzip;q=0', ''])
        expect([accepted, (await next(accepted)).body]).toEqual([accepted, text.slice(20)]);
    },
  );

  it.each(['/long', '/long-by-headers'])(
    'continues what the client has where nothing below compresses, whatever it accepts: %s',
    async (path) => {
      await boot(platform);
      const { headers } = await get(path, undefined, GZIP);
      const next = await get(path, 'bytes=20-', { 'if-range': String(headers['etag']), ...GZIP });
      expect([next.status, next.body]).toEqual([206, text.slice(20)]);
    },
  );

  it('is one of what the handler encoded, as it is encoded', async () => {
    await boot(platform, compressing(platform));
    await get('/zipped');
    const { headers } = await get('/zipped');
    for (const accepted of ['gzip', 'identity']) {
      const part = await get('/zipped', 'bytes=5-', {
        'if-range': String(headers['etag']),
        'accept-encoding': accepted,
      });
      expect([part.status, part.headers['content-encoding']]).toEqual([206, 'gzip']);
      expect(part.bytes.equals(ZIPPED.subarray(5))).toBe(true);
    }
  });

  it('is explained, and what goes to the handler tells no key', async () => {
    const secret = 'a secret of at least 32 characters';
    await boot(platform, { cache: { explain: { secret }, setCacheHeaders: true } });
    // Tokens are good by the time of day.
    app.clock.advance((Date.now() - app.clock.now()) / 1000);
    const explained = async (range?: string): Promise<Answer> =>
      get('/public', range, { 'x-cache-explain': explainToken(secret) });
    const forwarded = await explained('bytes=0-3');
    expect(forwarded.headers['cache-status']).toBe('restflow; fwd=bypass; detail=range');
    await explained();
    const part = await explained('bytes=0-3');
    expect(part.headers['cache-status']).toMatch(/^restflow; hit; ttl=\d+; key="/);
    expect([part.status, part.headers['cache-control']]).toEqual([206, 'no-store']);
  });
});

describe('a part on HTTP/2', () => {
  it.each(['/ten', '/guarded'])('is the same: %s', async (path) => {
    await boot('fastify', { adapter: { http2: true } });
    const client = http2(app.port);
    try {
      await client.ask({ path });
      const part = await client.ask({ path, lines: ['range: bytes=2-4'] });
      expect([part.status, part.body.toString(), handled]).toEqual([206, '234', 1]);
      expect(Object.fromEntries(part.headers)).toMatchObject({
        'content-range': 'bytes 2-4/10',
        'content-length': '3',
      });
      expect((await client.ask({ path, lines: ['range: bytes=12-'] })).status).toBe(416);
    } finally {
      client.close();
    }
  });
});
