import { Controller, Get, Header, Param, Query, Req, Res } from '@nestjs/common';
import { gzipSync, gunzipSync } from 'node:zlib';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

interface AnyRequest {
  url: string;
  headers: Record<string, string | undefined>;
}
interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  setHeader?(name: string, value: string): void;
}

let handled = 0;
let requests = 0;

@Controller()
class Target {
  @Get('page') @CacheResponse(60) page(): object {
    return { handled: ++handled };
  }
  @Get('items/:id') @CacheResponse(60) item(@Param('id') id: string, @Query() query: object): object {
    return { id, query, handled: ++handled };
  }
  @Get('echo') @CacheResponse(60) echo(
    @Query('value') value: string,
    @Res({ passthrough: true }) response: AnyResponse,
  ): object {
    response.header('X-Echo', value);
    return { handled: ++handled };
  }
  @Get('gzip') @CacheResponse(60) @Header('Vary', 'Accept-Encoding') gzip(
    @Req() request: AnyRequest,
    @Res({ passthrough: true }) response: AnyResponse,
  ): unknown {
    handled++;
    response.header('Content-Type', 'text/plain');
    if (!/gzip/.test(request.headers['accept-encoding'] ?? '')) return 'plain text';
    response.header('Content-Encoding', 'gzip');
    return new Uint8Array(gzipSync('plain text')).toString();
  }
  @Get('gzip-behind-middleware') @CacheResponse(60) gzipBehind(
    @Req() request: AnyRequest,
    @Res({ passthrough: true }) response: AnyResponse,
  ): string {
    if (!/gzip/.test(request.headers['accept-encoding'] ?? '')) return 'plain';
    response.header('Content-Encoding', 'x-gzip');
    return 'encoded';
  }
  @Get('me/:page') @CacheResponse(60) me(@Req() { headers }: AnyRequest): object {
    return { me: headers['authorization'] ?? headers['cookie'], handled: ++handled };
  }
  @Get('cors-by-hand') @CacheResponse(60) @Header('Vary', 'Origin') cors(
    @Req() request: AnyRequest,
    @Res({ passthrough: true }) response: AnyResponse,
  ): object {
    if (request.headers['origin'] !== undefined)
      response.header('Access-Control-Allow-Origin', request.headers['origin']);
    return { handled: ++handled };
  }
}

/** What every request gets of its own. */
function requestId(
  _request: object,
  response: { setHeader(name: string, value: string): void },
  next: () => void,
): void {
  response.setHeader('X-Request-Id', String(++requests));
  next();
}

function varying(
  _request: object,
  response: { setHeader(name: string, value: string): void },
  next: () => void,
): void {
  response.setHeader('Vary', 'Accept-Encoding');
  next();
}

/** Writes a request as it is, and reads what comes until the connection ends. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => resolve(answer));
    socket.on('close', () => resolve(answer));
  });
}

describe.each(platforms)('a hostile client on %s', (platform) => {
  let app: TestApplication;
  afterEach(() => app.close());
  const boot = async (setup?: Parameters<typeof start>[1]['setup'], adapter: object = {}): Promise<void> => {
    handled = requests = 0;
    app = await start(platform, { controllers: [Target], adapter, ...(setup && { setup }) });
  };

  it('gets the CORS headers of its own origin, not those of who came before', async () => {
    await boot((app) => void app.enableCors({ origin: [/\.example$/], credentials: true }));
    const allowed = async (origin?: string) => {
      const { cache, headers } = await app.get('/page', origin === undefined ? {} : { origin });
      return [cache, headers['access-control-allow-origin']];
    };
    expect(await allowed('https://a.example')).toEqual(['MISS', 'https://a.example']);
    expect(await allowed('https://b.example')).toEqual(['HIT', 'https://b.example']);
    expect(await allowed()).toEqual(['HIT', undefined]);
    expect(await allowed('https://evil.test')).toEqual(['HIT', undefined]);
  });

  it('gets CORS headers that the handler sets for its own origin alone', async () => {
    await boot();
    const a = await app.get('/cors-by-hand', { origin: 'https://a.example' });
    const b = await app.get('/cors-by-hand', { origin: 'https://b.example' });
    expect([a.headers['access-control-allow-origin'], b.headers['access-control-allow-origin']]).toEqual([
      'https://a.example',
      'https://b.example',
    ]);
  });

  it('cannot have one page answered for another where a header rewrites the URL', async () => {
    const rewritten = ({ url, headers }: AnyRequest): string => headers['x-original-url'] ?? url;
    await boot(
      (app) =>
        void app.use((request: AnyRequest, _response: object, next: () => void) => {
          if (platform === 'express') request.url = rewritten(request);
          next();
        }),
      { rewriteUrl: rewritten },
    );
    const forged = await app.get('/items/a?q=1', { 'x-original-url': '/items/evil?q=2' });
    expect(JSON.parse(forged.body)).toMatchObject({ id: 'evil', query: { q: '2' } });
    const honest = await app.get('/items/a?q=1');
    expect([honest.cache, JSON.parse(honest.body)]).toMatchObject(['MISS', { id: 'a', query: { q: '1' } }]);
    const evil = await app.get('/items/evil?q=2');
    expect([evil.cache, JSON.parse(evil.body)]).toMatchObject(['MISS', { id: 'evil', query: { q: '2' } }]);
  });

  it.each(['authorization', 'cookie'])(
    'finds nothing of a victim with %s who was led to a path that looks like a static file',
    async (name) => {
      await boot();
      const victim = () => app.get('/me/x.css', { [name]: 'sid=victim' });
      expect((await victim()).body).toContain('victim');
      for (let turn = 0; turn < 2; turn++) expect((await app.get('/me/x.css')).body).not.toContain('victim');
      expect((await victim()).body).toContain('victim');
    },
  );

  it('gets a request id of its own', async () => {
    await boot((app) => void app.use(requestId));
    expect((await app.get('/page')).headers['x-request-id']).toBe('1');
    const hit = await app.get('/page');
    expect([hit.cache, hit.headers['x-request-id']]).toEqual(['HIT', '2']);
  });

  it('gets compressed bytes only if it asked for them', async () => {
    await boot();
    const encodings = ['gzip', undefined, 'gzip', 'identity', 'br'];
    for (const encoding of encodings) {
      const { headers, body } = await app.get(
        '/gzip',
        encoding === undefined ? {} : { 'accept-encoding': encoding },
      );
      expect(headers['content-encoding']).toBe(encoding === 'gzip' ? 'gzip' : undefined);
      const text =
        encoding === 'gzip' ? gunzipSync(Uint8Array.from(body.split(',').map(Number))).toString() : body;
      expect(text).toBe('plain text');
    }
    expect(handled).toBeLessThanOrEqual(4);
  });

  it('gets encoded bytes only if it accepts them, though middleware set the Vary', async () => {
    await boot((app) => void app.use(varying));
    expect((await app.get('/gzip-behind-middleware', { 'accept-encoding': 'gzip' })).body).toBe('encoded');
    expect((await app.get('/gzip-behind-middleware')).body).toBe('plain');
    expect((await app.get('/gzip-behind-middleware', { 'accept-encoding': 'gzip' })).cache).toBe('HIT');
  });

  it('cannot split a response: no header with a line end is sent or stored', async () => {
    await boot();
    const value = encodeURIComponent('x\r\nSet-Cookie: evil=1');
    for (let turn = 0; turn < 2; turn++) {
      const answer = await app.get(`/echo?value=${value}`);
      expect([answer.status, answer.headers['set-cookie'], answer.cache === 'HIT']).toEqual([
        500,
        undefined,
        false,
      ]);
    }
    expect((await app.get('/echo?value=ok')).headers['x-echo']).toBe('ok');
  });

  it.each([
    '/items/%00',
    '/items/..%2F..%2Fetc',
    '/items/%F0%9F%98%80',
    '/items/a?__proto__=1&constructor=2&toString=3',
    '/items/a?a[b]=1&a[__proto__][c]=2',
    `/items/a?${Array.from({ length: 900 }, (_, i) => `k${i}=${i}`).join('&')}`,
    `/items/${'x'.repeat(90)}?q=${'%F0%9F%98%80'.repeat(500)}`,
    '/items/a?a=%ED%A0%80',
    '/items/a?=&&=1&a&a=',
  ])('is answered twice alike for a strange request: %s', async (path) => {
    await boot();
    const [first, second] = [await app.get(path), await app.get(path)];
    expect(first.status).toBe(200);
    expect([second.status, second.cache, second.body]).toEqual([200, 'HIT', first.body]);
  });

  it('with a URL or a header of a megabyte is turned away, and others are served', async () => {
    await boot();
    const long = 'x'.repeat(1024 * 1024);
    for (const text of [
      `GET /page?${long} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /page HTTP/1.1\r\nHost: x\r\nX-Long: ${long}\r\n\r\n`,
    ])
      expect(await raw(app.port, text)).not.toMatch(/^HTTP\/1.1 (?:200|500)/);
    expect((await app.get('/page')).status).toBe(200);
  });

  it('with a hundred headers or a Host that is too long is served, and fills nothing', async () => {
    await boot();
    const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'y'.repeat(50)]));
    expect((await app.get('/page', headers)).cache).toBe('MISS');
    expect((await app.get('/page', { host: 'h'.repeat(4_000) })).cache).toBe('BYPASS');
  });

  it('that makes up origins makes no entry for each', async () => {
    await boot((app) => void app.enableCors({ origin: true }));
    for (let i = 0; i < 20; i++) await app.get('/page', { origin: `https://${i}.example` });
    expect(handled).toBe(1);
  });
});
