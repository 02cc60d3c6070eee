import { Controller, Get, Header, Param, Put, Query } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { connect, type ClientHttp2Session } from 'node:http2';
import { CacheResponse, CookiesKeyField, ResponseCacheKeyConstructor, Vary } from '../../lib/index.js';
import { systemClock } from '../../lib/common/time.js';
import { parseTargeted } from '../../lib/http/headers/targeted-cache-control.js';
import { isExplainToken } from '../../lib/http/explain.js';
import {
  deltaSeconds,
  listedFields,
  parseCacheControl,
  parseHttpDate,
} from '../../lib/http/headers/cache-control.js';
import { appendVary, varyMembers } from '../../lib/http/headers/vary.js';
import { cookieNames, ignoredCookies } from '../../lib/http/inputs/cookies.js';
import { requestDirectives } from '../../lib/http/request/directives.js';
import { isNotModified, mayHavePart } from '../../lib/http/request/preconditions.js';
import { createMessage, sendInProcess } from '../../lib/http/rewarm/in-process-request.js';
import { bodyTypeOf } from '../../lib/http/route/cacheable-methods.js';
import { excludedPaths, QueryFilter } from '../../lib/http/route/query-filter.js';
import { uriTag } from '../../lib/http/route/stored-uris.js';

import { wildcardMatcher } from '../../lib/http/route/wildcard.js';
import { coarseValue } from '../../lib/keys/coarse.js';
import { readAll } from '../../lib/keys/fields/request-parts.js';
import { encodeValue } from '../../lib/keys/index.js';
import { growthOf, MOST_GROWTH } from '../support/growth.js';
import { platforms, start, until, type PlatformName, type TestApplication } from './support/application.js';

jest.setTimeout(300_000);

const filled = (unit: string) => (size: number) => unit.repeat(Math.floor(size / unit.length));
const between = (start: string, unit: string, end: string) => (size: number) =>
  start + filled(unit)(size) + end;

/** Texts in which regular expressions and careless loops look for an end again and again. */
const TEXTS: Readonly<Record<string, (size: number) => string>> = {
  spaces: between('a', ' ', 'b'),
  tabs: between('a', '\t', 'b'),
  quotes: filled('"'),
  'escaped quotes': between('"', '\\"', ''),
  backslashes: between('"', '\\', ''),
  commas: filled(','),
  'commas and spaces': filled(' , '),
  members: filled('a,'),
  'quoted members': filled('a="b,c",'),
  'repeated no-cache': filled('no-cache="a",'),
  'malformed no-store': filled('no-store;,'),
  digits: filled('9'),
  'zeros after a point': between('0.', '0', '1'),
  semicolons: filled('; '),
  'repeated pairs': filled('a=b; '),
  'distinct pairs': (size) => Array.from({ length: size / 8 }, (_, i) => `c${i}=1;`).join(''),
  'weak validators': filled('W/"a", '),
  'beginnings of weak validators': filled('W/'),
  parentheses: filled('('),
  'a list of spaces': between('a=( ', ' ', '!'),
  'a list of members': between('a=(', 'b ', '!'),
  parameters: between('a', ';b=c', '!'),
  slashes: filled('/'),
  hyphens: filled('-'),
  'percent signs': filled('%'),
  'escaped characters': filled('%20'),
  ampersands: filled('a=1&'),
  stars: filled('*a'),
};

/** Beyond Latin-1, in which Node reads heads: only what was percent-encoded holds them. */
const DECODED_TEXTS: typeof TEXTS = {
  marks: filled('a\u0301'),
  ligatures: filled('\ufdfa'),
  'lone surrogates': filled('\ud800'),
};

const isIgnored = ignoredCookies(['promo', 'ab_*'], 'test');
const queryFilter = QueryFilter.of({ ignore: ['utm_*', '*a*b*c*'] }, 'test')!;
const isExcluded = excludedPaths(['/admin/*', '/*a*b*c*/'])!;
const fits = wildcardMatcher('*a*a*a*b');
const noPath = { routePath: () => '' } as never;

/** Everything that takes apart what a client, or an upstream, sent. */
const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  'Cache-Control': (text) => deltaSeconds(parseCacheControl(text), 'max-age'),
  'the fields that no-cache lists': (text) =>
    listedFields(parseCacheControl(`no-cache="${text}"`), 'no-cache'),
  'Cache-Control of a request': (text) => requestDirectives({ 'cache-control': text }),
  Pragma: (text) => requestDirectives({ pragma: text }),
  'CDN-Cache-Control': parseTargeted,
  'HTTP dates': parseHttpDate,
  'If-Modified-Since': (text) => ({ path: '/plain', headers: { 'if-modified-since': text } }),
  'Accept-Language that the answer varies by': (text) => ({
    path: '/varying',
    headers: { 'accept-language': text },
  }),
  'X-Forwarded-Host': (text) => ({ path: '/plain', headers: { 'x-forwarded-host': text } }),
  'a query with brackets': (text) => ({
    path: `/plain?a[]=1&${encodeURIComponent(text.slice(0, text.length / 3))
      .replaceAll('%3D', '[]=')
      .replaceAll('%3B', '&')}`,
  }),
  'If-None-Match': (text) =>
    isNotModified(
      { ifNoneMatch: text, ifModifiedSince: undefined },
      { etag: '"x"', lastModified: undefined },
    ),
  Range: (text) => mayHavePart({ method: 'GET', headers: { range: text } }),
  Vary: varyMembers,
  'the Vary of a hit': (text) => appendVary('origin', [text]),
  'names of cookies': (text) => [...cookieNames(text)].filter(isIgnored),
  cookies: (text) => readAll({ headers: { cookie: text } } as never, 'cookies'),
  'the query of a URL': (text) => readAll({ url: `/?${text}`, headers: {} } as never, 'query'),
  'names of query parameters': (text) => queryFilter.of({ [text]: 1 }),
  'excluded paths': (text) => isExcluded({ url: `/${text}`, headers: {} } as never, noPath),
  wildcards: fits,
  'the type of a body': (text) => bodyTypeOf({ method: 'POST', headers: { 'content-type': text } }),
  'tokens that ask for explanations': (text) => isExplainToken('x'.repeat(32), text, 0),
  'tags of URIs': (text) => uriTag('a.test', `/${text}`),
  'texts in keys': encodeValue,
  'texts in tags': coarseValue,
};

/** Those that read what was decoded. */
const DECODED = new Set(['names of query parameters', 'wildcards', 'texts in keys', 'texts in tags']);

describe('the time that a parser takes grows with the length of its text alone', () => {
  it.each(Object.keys(PARSERS))('%s', async (parser) => {
    const slow: string[] = [];
    const texts = DECODED.has(parser) ? { ...TEXTS, ...DECODED_TEXTS } : TEXTS;
    for (const [text, make] of Object.entries(texts)) {
      const growth = await growthOf((size) => {
        const given = make(size);
        return () => PARSERS[parser]!(given);
      });
      if (growth >= MOST_GROWTH) slow.push(`${text}: ${growth.toFixed(1)}`);
    }
    expect(slow).toEqual([]);
  });
});

class CookieKey extends ResponseCacheKeyConstructor {
  cookies = new CookiesKeyField(['a', 'c1']);
}

@Controller()
class Pages {
  @Get('varying') @Vary('x-chooses', 'accept-language') @CacheResponse(600) varying(): string {
    return 'varying';
  }

  @Get('plain') @Header('ETag', '"plain"') @CacheResponse(600) plain(): string {
    return 'plain';
  }

  @Get('by-cookie') @CacheResponse({ ttl: 600, keyConstructor: CookieKey }) byCookie(): string {
    return 'by cookie';
  }

  @Get('headers')
  @Header('Cache-Control', 'max-age=600')
  @CacheResponse({ freshness: 'headers' })
  byHeaders(): string {
    return 'by headers';
  }

  @Get('asked') @CacheResponse({ ttl: 600, honourRequestDirectives: true }) asked(): string {
    return 'asked';
  }

  @Get('listed') @CacheResponse({ ttl: 600, query: ['a', 'b*c*d'] }) listed(@Query() query: object): object {
    return Object.keys(query);
  }
}

@Controller('deep')
class Deep {
  @Get(':from-:to') @CacheResponse(600) get(@Param('from') from: string): string {
    return from;
  }

  @Put(':from-:to') change(): string {
    return 'changed';
  }
}

interface WireRequest {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Requests that reach each parser of what clients send. */
const REQUESTS: Readonly<Record<string, (text: string) => WireRequest>> = {
  'a header that the answer varies by': (text) => ({ path: '/varying', headers: { 'x-chooses': text } }),
  'Accept-Encoding with Range and If-Range': (text) => ({
    path: '/plain',
    headers: { range: 'bytes=0-1', 'if-range': '"plain"', 'accept-encoding': text },
  }),
  Range: (text) => ({ path: '/plain', headers: { range: `bytes=${text}` } }),
  'If-Range': (text) => ({ path: '/plain', headers: { range: 'bytes=0-1', 'if-range': text } }),
  'If-None-Match': (text) => ({ path: '/plain', headers: { 'if-none-match': text } }),
  'Cache-Control of a route by its headers': (text) => ({
    path: '/headers',
    headers: { 'cache-control': text },
  }),
  'Cache-Control that is obeyed': (text) => ({ path: '/asked', headers: { 'cache-control': text } }),
  Pragma: (text) => ({ path: '/headers', headers: { pragma: text } }),
  Cookie: (text) => ({ path: '/plain', headers: { cookie: text } }),
  'the query': (text) => ({
    path: `/listed?${encodeURIComponent(text.slice(0, text.length / 3))
      .replaceAll('%3D', '=')
      .replaceAll('%3B', '&')}`,
  }),
  'Cookie in the key': (text) => ({ path: '/by-cookie', headers: { cookie: text } }),
};

/** Texts that may stand in a header. */
const ON_THE_WIRE = [
  'spaces',
  'escaped quotes',
  'quotes',
  'members',
  'commas and spaces',
  'repeated no-cache',
  'semicolons',
  'repeated pairs',
  'digits',
  'weak validators',
] as const;

/** HTTP/1.1 servers bound a head to 16 kB unless told otherwise: it is given to the server as if it had come. */
function inProcess(app: TestApplication): (request: WireRequest) => Promise<number> {
  return ({ path, headers = {} }) => {
    const all = { host: 'a.test', ...headers };
    const peer = { remoteAddress: '192.0.2.1' };
    const message = createMessage({ url: path, headers: all, rawHeaders: Object.entries(all).flat(), peer });
    Object.assign(message.headers, all);
    return sendInProcess(app.app.getHttpServer() as NodeJS.EventEmitter, message, systemClock);
  };
}

function overHttp2(session: ClientHttp2Session): (request: WireRequest) => Promise<number> {
  return ({ path, headers = {} }) =>
    new Promise((resolve, reject) => {
      const stream = session.request({ ':path': path, ...headers });
      let status = 0;
      stream.on('response', (head) => (status = Number(head[':status'])));
      stream.on('error', reject);
      stream.on('end', () => resolve(status));
      stream.resume();
    });
}

const running: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of running.splice(0).reverse()) await close();
});

async function boot(platform: PlatformName, adapter: object = {}): Promise<TestApplication> {
  const app = await start(platform, { controllers: [Pages], adapter, cache: { keyLimit: false } });
  running.push(() => app.close());
  return app;
}

async function expectLinear(send: (request: WireRequest) => Promise<number>): Promise<void> {
  const slow: string[] = [];
  for (const [name, request] of Object.entries(REQUESTS)) {
    // A part is taken from what is stored.
    await send({ path: request('').path });
    for (const text of ON_THE_WIRE) {
      const growth = await growthOf((size) => {
        // HTTP/2 drops a header that ends in white space.
        const given = request(TEXTS[text]!(size - 1_024).trimEnd());
        return async () => expect(await send(given)).not.toBe(0);
      });
      if (growth >= MOST_GROWTH) slow.push(`${name}, ${text}: ${growth.toFixed(1)}`);
    }
  }
  expect(slow).toEqual([]);
}

describe('the time of a request grows with its length alone', () => {
  it.each(platforms)('on %s', async (platform) => {
    await expectLinear(inProcess(await boot(platform)));
  });

  it('over HTTP/2', async () => {
    const app = await boot('fastify', { http2: true, http2SessionTimeout: 600_000 });
    const session = connect(`http://127.0.0.1:${app.port}`, { settings: { maxHeaderListSize: 1 << 20 } });
    running.push(async () => session.destroy());
    await until(() => !session.connecting);
    await expectLinear(overHttp2(session));
  });
});

it.each(platforms)(
  'a path that is too long to be taken apart is dropped when it changes, on %s',
  async (platform) => {
    const app = await start(platform, {
      controllers: [Deep],
      adapter: { routerOptions: { maxParamLength: 10_000 } },
    });
    running.push(() => app.close());
    const path = `/deep/${'a'.repeat(3_000)}-b`;
    await app.get(path);
    expect(await app.get(path)).toMatchObject({ status: 200, cache: 'HIT' });
    expect((await app.get(path, { method: 'PUT' })).status).toBe(200);
    expect(await app.get(path)).toMatchObject({ status: 200, cache: 'MISS' });
  },
);
