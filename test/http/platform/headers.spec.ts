import { Controller, Get, Header, Res } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type Middleware, platforms, start, type TestApp } from './support/apps.js';
import { essence, fetchRaw } from './support/wire.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  removeHeader(name: string): void;
  setHeader(name: string, value: unknown): void;
  raw?: AnyResponse;
}

let requests = 0;
const live: Middleware = (_request, response: AnyResponse, next) => {
  response.setHeader('X-Request-Id', String(++requests));
  response.setHeader('Vary', 'Origin, X-Live');
  response.setHeader('X-Dropped', 'by middleware');
  response.setHeader('X-Overridden', 'by middleware');
  response.setHeader('Set-Cookie', `visit=${requests}`);
  next();
};

@Controller()
class Headers {
  @Get('plain') @Header('X-Fixed', 'declared') plain(@Res({ passthrough: true }) response: AnyResponse) {
    response.header('X-Added', 'by handler');
    response.header('x-overridden', 'by handler');
    response.removeHeader('X-Dropped');
    return { ok: true };
  }
  @Get('vary') vary(@Res({ passthrough: true }) response: AnyResponse) {
    response.header('Vary', 'Origin, X-Live, Accept-Language, Accept, accept');
    return { ok: true };
  }
  @Get('vary-all') varyAll(@Res({ passthrough: true }) response: AnyResponse) {
    response.header('Vary', '*');
    return { ok: true };
  }
  @Get('hop') hop(@Res({ passthrough: true }) response: AnyResponse) {
    response.header('Connection', 'close, X-Per-Connection');
    response.header('X-Per-Connection', '1');
    response.header('Keep-Alive', 'timeout=9');
    response.header('Proxy-Authenticate', 'Basic');
    response.header('Date', 'Thu, 01 Jan 1970 00:00:00 GMT');
    response.header('X-Kept', '1');
    return { ok: true };
  }
  @Get('lists') lists(@Res({ passthrough: true }) response: AnyResponse) {
    (response.raw ?? response).setHeader('Link', ['</a>; rel=next', '</b>; rel=prev']);
    (response.raw ?? response).setHeader('X-Number', 7);
    return { ok: true };
  }
  @Get('cookie') cookie(@Res({ passthrough: true }) response: AnyResponse) {
    response.header('Set-Cookie', 'session=secret');
    return { ok: true };
  }
}

describe.each(platforms)('recorded headers on %s', (platform) => {
  let app: TestApp;
  afterEach(() => app.close());

  const record = async (path: string, middleware: readonly Middleware[] = [live]) => {
    app = await start(platform, Headers, { middleware });
    const miss = await fetchRaw(app.port, path);
    const [recording] = await app.recorder.settled(1);
    return { miss, recording, hit: await fetchRaw(app.port, path) };
  };
  const names = (headers: readonly (readonly [string, unknown])[] = []) =>
    headers.map(([name]) => name.toLowerCase());

  it('are only those that the handler added or changed; the others come from the live request', async () => {
    const { miss, hit, recording } = await record('/plain');
    const recorded = recording?.response;
    expect(
      names(recorded?.headers)
        .filter((name) => name !== 'etag')
        .sort(),
    ).toEqual(['content-type', 'x-added', 'x-overridden']);
    expect(recorded?.removed).toEqual(['x-dropped']);
    expect(hit.get('x-request-id')).toBe(String(Number(miss.get('x-request-id')) + 1));
    expect(hit.get('set-cookie')).toBe(`visit=${hit.get('x-request-id')}`);
    expect(hit.get('x-fixed')).toBe('declared');
    expect(hit.get('x-overridden')).toBe('by handler');
    expect(hit.get('x-dropped')).toBeUndefined();
  });

  it('keep the spelling of the handler where the platform does', async () => {
    const { recording } = await record('/plain');
    const spelling = recording?.response?.headers.map(([name]) => name) ?? [];
    expect(spelling).toContain(platform === 'express' ? 'X-Added' : 'x-added');
  });

  it('hold the members that were appended to Vary, and append them to the live one', async () => {
    const { hit, recording } = await record('/vary');
    expect(recording?.response?.vary).toEqual(['Accept-Language', 'Accept']);
    expect(hit.get('vary')).toBe('Origin, X-Live, Accept-Language, Accept');
  });

  it('say that a response varies on everything', async () => {
    const { hit, recording } = await record('/vary-all');
    expect(recording?.response?.vary).toEqual(['*']);
    expect(hit.get('vary')).toBe('*');
  });

  it('hold the Vary that the handler alone made, as it is spelt', async () => {
    const { hit } = await record('/vary', []);
    expect(hit.get('vary')).toBe('Origin, X-Live, Accept-Language, Accept, accept');
  });

  it('never hold headers of the connection, the framing or the moment', async () => {
    const { recording } = await record('/hop');
    expect(
      names(recording?.response?.headers)
        .filter((name) => name !== 'etag')
        .sort(),
    ).toEqual(['content-type', 'x-kept']);
  });

  it('keep the values of a repeated header apart', async () => {
    const { miss, hit } = await record('/lists', []);
    expect(hit.headers.filter(([name]) => name === 'link')).toHaveLength(2);
    expect(essence(hit)).toEqual(essence(miss));
  });

  it('never hold a cookie: a response that sets one is refused', async () => {
    const { recording } = await record('/cookie');
    expect(recording).toEqual({ refusal: 'set-cookie', status: 200 });
    expect(app.recorder.recordings).toHaveLength(2);
  });

  it('do not count a cookie that middleware sets, which each request gets of its own', async () => {
    const { recording } = await record('/plain');
    expect(recording?.refusal).toBeUndefined();
  });

  it('are frozen, to be shared by every replay', async () => {
    const { recording } = await record('/plain');
    const { headers, removed, vary } = recording!.response!;
    expect([recording!.response, headers, headers[0], removed, vary].every(Object.isFrozen)).toBe(true);
  });
});
