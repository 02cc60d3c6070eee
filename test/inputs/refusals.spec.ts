import {
  Controller,
  Get,
  Headers,
  Injectable,
  Ip,
  Param,
  Req,
  Res,
  Scope,
  type INestApplication,
} from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  RequestValueKeyField,
  ResponseCacheKeyConstructor,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import {
  platforms,
  start,
  type PlatformName,
  type RequestOptions,
  type TestApplication,
} from '../http/support/application.js';
import { inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

const context = new AsyncLocalStorage<string>();
let handled = 0;

class ByUser extends ResponseCacheKeyConstructor {
  user = new RequestValueKeyField('user.id', { identity: true });
}

@Controller()
class Pages {
  @Get('plain') @CacheResponse(60) plain(): number {
    return ++handled;
  }
  @Get('by-user') @CacheResponse({ ttl: 60, keyConstructor: ByUser }) byUser(): number {
    return ++handled;
  }
  @Get('all-headers') @CacheResponse(60) allHeaders(@Headers() headers: object): string {
    return `${Object.keys(headers).length} ${++handled}`;
  }
  @Get('ignored-cookie') @CacheResponse(60) ignoredCookie(@Headers('cookie') cookie: string): string {
    return `${cookie} ${++handled}`;
  }
  @Get('account') @CacheResponse(60) account(@Req() request: AnyRequest): string {
    return `${request['account']?.name} ${++handled}`;
  }
  @Get('address') @CacheResponse(60) address(@Ip() ip: string): string {
    return `${ip} ${++handled}`;
  }
  @Get('connection') @CacheResponse(60) connection(@Req() request: AnyRequest): string {
    return `${(request['raw'] ?? request).socket.visitor} ${++handled}`;
  }
  @Get('context') @CacheResponse(60) context(): string {
    return `${context.getStore()} ${++handled}`;
  }
  @Get('nonce') @CacheResponse(60) nonce(): string {
    return `<script nonce="abcdefghijkl"> ${++handled}`;
  }
  @Get('set-cookie') @CacheResponse(60) setCookie(@Res({ passthrough: true }) response: AnyRequest): number {
    response['header']('Set-Cookie', 'a=1');
    return ++handled;
  }
  @Get('wide/:id') @CacheResponse(60) wide(@Param('id') id: string, @Req() { headers }: AnyRequest): string {
    return `${id} ${[...'abcdefghi'].map((name) => headers[`x-${name}`]).join()} ${++handled}`;
  }
}

@Injectable({ scope: Scope.REQUEST })
class Scoped {}

@Controller()
class ScopedPages {
  constructor(readonly scoped: Scoped) {}
  @Get('scoped') @CacheResponse(60) scopedPage(): number {
    return ++handled;
  }
}

interface Row {
  readonly kind: string;
  readonly path: string;
  readonly request?: RequestOptions;
  readonly cache?: RestflowCacheOptions;
  readonly front?: (request: AnyRequest, response: AnyRequest, next: () => void) => void;
  /** In the log: the method, what was read, and the line to write. */
  readonly told: RegExp;
  /** Detail in Cache-Status for an explained answer. */
  readonly detail: string;
}

const leaves =
  (leave: (request: AnyRequest, response: AnyRequest) => void): Row['front'] =>
  (request, response, next) => {
    leave(request, response);
    next();
  };

/** Each refusal that protects one visitor from another's answer. */
const ROWS: readonly Row[] = [
  {
    kind: 'authenticated',
    path: '/plain',
    request: { headers: { authorization: 'Bearer a' } },
    told: /Pages\.plain bypasses the cache for authenticated requests.*shared: true.*keyConstructor.*RequestValueKeyField\('user\.id'\)/,
    detail: 'authenticated',
  },
  {
    kind: 'unidentified',
    path: '/by-user',
    request: { headers: { authorization: 'Bearer a' } },
    told: /Pages\.byUser bypasses the cache.*credentials.*request\.user\.id/,
    detail: 'unidentified',
  },
  {
    kind: 'cookie',
    path: '/plain',
    request: { headers: { cookie: 'sid=secret' } },
    told: /Pages\.plain bypasses the cache.*'sid'.*ignoreCookies: \['sid'\].*@VaryOnCookie\(\).*CookiesKeyField.*shared: true/,
    detail: 'cookie',
  },
  {
    kind: 'body',
    path: '/plain',
    request: { headers: { 'content-length': '2', 'content-type': 'application/json' }, body: '{}' },
    told: /Pages\.plain.*body.*BodyKeyField\(\)/,
    detail: 'body',
  },
  {
    kind: 'unwatched',
    path: '/plain',
    front: leaves((request) => {
      const { headers } = request;
      Object.defineProperty(request['raw'] ?? request, 'headers', {
        value: { ...headers },
        configurable: true,
      });
    }),
    told: /Pages\.plain bypasses the cache.*replaced request\.headers.*single headers/,
    detail: 'unwatched',
  },
  {
    kind: 'input',
    path: '/all-headers',
    told: /Pages\.allHeaders.*all request headers at once.*by name/,
    detail: 'load',
  },
  {
    kind: 'input',
    path: '/ignored-cookie',
    request: { headers: { cookie: '_ga=1' } },
    told: /Pages\.ignoredCookie.*the request header cookie.*@VaryOnCookie\(\).*CookiesKeyField.*shared: true/,
    detail: 'load',
  },
  {
    kind: 'input',
    path: '/account',
    front: leaves((request) => (request['account'] = { name: 'ada' })),
    told: /Pages\.account.*request\.account.*RequestValueKeyField\('account'\).*ignoreProperties: \['account'\].*shared: true/,
    detail: 'load',
  },
  {
    kind: 'input',
    path: '/address',
    told: /Pages\.address.*address of the client.*RequestValueKeyField\('ip'\).*shared: true/,
    detail: 'load',
  },
  {
    kind: 'input',
    path: '/connection',
    front: leaves((request) => ((request['raw'] ?? request).socket.visitor = 'ada')),
    told: /Pages\.connection.*socket\.visitor.*ignoreProperties: \['socket\.visitor'\].*shared: true/,
    detail: 'load',
  },
  {
    kind: 'input',
    path: '/context',
    front: (_request, _response, next) => context.run('ada', next),
    told: /Pages\.context.*AsyncLocalStorage.*keyContext/,
    detail: 'load',
  },
  {
    kind: 'scoped',
    path: '/scoped',
    told: /^No answer of ScopedPages\.scopedPage is stored.*request-scoped.*shared: true.*keyContext/,
    detail: 'load',
  },
  {
    kind: 'nonce',
    path: '/nonce',
    front: leaves((_request, response) => {
      response[response['header'] === undefined ? 'setHeader' : 'header'](
        'Content-Security-Policy',
        `script-src 'nonce-abcdefghijkl'`,
      );
    }),
    told: /Pages\.nonce.*repeats a nonce.*hashes/,
    detail: 'nonce',
  },
  {
    kind: 'set-cookie',
    path: '/set-cookie',
    told: /Pages\.setCookie.*sets a cookie/,
    detail: 'set-cookie',
  },
  {
    kind: 'variants',
    path: '/wide/1',
    told: /Pages\.wide.*too many inputs.*ignoreHeaders/,
    detail: 'load',
  },
];

const safety = readFileSync(join(import.meta.dirname, '../../docs/safety.md'), 'utf8');

/** What the page says that the log says; an ellipsis stands for what is left out. */
function documented(kind: string): readonly string[] {
  const [, text = ''] = new RegExp(`^\\| \`${kind}\` +\\| \`([^\`]+)\``, 'm').exec(safety) ?? [];
  expect(text).not.toBe('');
  return text.split('…').map((part) => part.trim());
}

describe.each(platforms)(
  'a refusal on %s is logged once, counted and explained',
  (platform: PlatformName) => {
    let app: TestApplication;
    afterEach(() => app.close());

    it.each(ROWS.map((row): [string, string, Row] => [row.kind, row.path, row]))(
      '%s at %s',
      async (_kind, _path, row) => {
        const { kind, path, request = {}, front, told, detail } = row;
        app = await start(platform, {
          controllers: [Pages, ScopedPages],
          providers: [Scoped],
          cache: { explain: true, ...row.cache },
          setup: (nest: INestApplication) => front && inFront(front)(nest, platform),
        });
        const answers = [];
        for (let time = 0; time < 3; time++) answers.push(await app.get(path, request));
        expect(new Set(answers.map(({ body }) => body)).size).toBe(3);
        expect(answers.map(({ cache }) => cache)).not.toContain('HIT');

        expect(app.complaints.filter((line) => told.test(line))).toHaveLength(1);
        expect(app.complaints.join('\n')).not.toContain('secret');
        if (kind !== 'input' || path === '/account')
          for (const text of documented(kind)) expect(app.complaints.join('\n')).toContain(text);
        const [metrics] = app.cache
          .metrics()
          .methods.filter(({ refusals }) => Object.keys(refusals).length > 0);
        expect(metrics?.refusals).toEqual({ [kind]: 3 });
        expect(answers[2]!.headers['cache-status']).toMatch(`detail=${detail}`);
      },
    );
  },
);
