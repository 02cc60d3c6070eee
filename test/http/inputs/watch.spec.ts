import {
  Controller,
  Get,
  Headers,
  Injectable,
  Module,
  Param,
  Req,
  Res,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  type NestInterceptor,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import express from 'express';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Observable } from 'rxjs';
import {
  CacheResponse,
  CacheService,
  RestflowCacheModule,
  watchRequests,
  type RestflowCacheOptions,
} from '../../../lib/index.js';
import {
  gate,
  platforms,
  send,
  start,
  type PlatformName,
  type TestApplication,
} from '../support/application.js';

type AnyRequest = Record<string, any>;

let handled = 0;
let held: ReturnType<typeof gate> | undefined;

@Injectable()
class LoggingInterceptor implements NestInterceptor {
  readonly lines: string[] = [];
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    this.lines.push(String(context.switchToHttp().getRequest<AnyRequest>()['headers']['user-agent']));
    return next.handle();
  }
}

@Controller()
class Pages {
  constructor(private readonly cache: CacheService) {}

  @Get('tenant') @CacheResponse(60) async tenant(@Headers('x-tenant') tenant: string): Promise<string> {
    await held?.promise;
    return `${tenant} ${++handled}`;
  }
  @Get('member') @CacheResponse(60) member(@Req() request: AnyRequest): string {
    return `${request['time']} ${++handled}`;
  }
  @Get('logged') @CacheResponse(60) @UseInterceptors(LoggingInterceptor) logged(): number {
    return ++handled;
  }
  @Get('cloned') @CacheResponse(60) cloned(@Headers() headers: object): object {
    return { ...structuredClone({ headers }), handled: ++handled };
  }
  @Get('many/:name') @CacheResponse(60) many(
    @Param('name') name: string,
    @Headers('x-many') many: string,
  ): string {
    return `${name} ${many} ${++handled}`;
  }
  @Get('wide') @CacheResponse(60) wide(@Req() { headers }: AnyRequest): string {
    return `${'abcdefghi'
      .split('')
      .map((one) => headers[`x-${one}`])
      .join()} ${++handled}`;
  }
  @Get('by-hand') byHand(@Req() { headers }: AnyRequest): Promise<string> {
    return this.cache.getOrSet('by hand', async () => `${headers['x-tenant']} ${++handled}`);
  }
  @Get('plain') @CacheResponse(60) plain(): number {
    return ++handled;
  }
  @Get('typed') @CacheResponse(60) typed(@Res({ passthrough: true }) response: AnyRequest): string {
    return `${response['getHeader']('x-left')} ${++handled}`;
  }
}

/** As middleware of the application, on both platforms. */
const before =
  (platform: PlatformName, run: (request: AnyRequest, response: AnyRequest) => void) =>
  (app: INestApplication): void => {
    if (platform === 'express')
      app.use((request: AnyRequest, response: AnyRequest, next: () => void) => {
        run(request, response);
        next();
      });
    else
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('preHandler', async (request: AnyRequest, reply: AnyRequest) => run(request, reply));
  };

describe.each(platforms)('the watch over requests on %s', (platform) => {
  let app: TestApplication;
  const serve = async (
    cache: RestflowCacheOptions = {},
    setup: (app: INestApplication) => void = () => undefined,
  ): Promise<void> => {
    app = await start(platform, { controllers: [Pages], cache, setup });
  };
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<string> => {
    const { cache, body } = await app.get(path, headers);
    return `${cache} ${body}`;
  };
  beforeEach(() => {
    handled = 0;
    held = undefined;
  });
  afterEach(() => app.close());

  it('makes variants of a header that the load reads, and tells outer caches', async () => {
    await serve();
    expect(await ask('/tenant', { 'x-tenant': 'a' })).toBe('MISS a 1');
    expect(await ask('/tenant', { 'x-tenant': 'b' })).toBe('MISS b 2');
    const hit = await app.get('/tenant', { 'x-tenant': 'a' });
    expect([hit.cache, hit.body, hit.headers['vary']]).toEqual(['HIT', 'a 1', 'x-tenant']);
    expect(app.lines.filter((line) => line.includes('Pages.tenant vary by'))).toHaveLength(1);
  });

  it('lets go of requests that wait for a load which reads another value than they sent', async () => {
    held = gate();
    await serve();
    const answers = ['a', 'b', 'a'].map((tenant) => ask('/tenant', { 'x-tenant': tenant }));
    await app.held(3);
    held.open();
    expect((await Promise.all(answers)).map((answer) => answer.split(' ')[1])).toEqual(['a', 'b', 'a']);
    expect(handled).toBe(2);
  });

  it('takes a header that is ignored for none', async () => {
    await serve({ ignoreHeaders: ['X-Tenant'] });
    expect(await ask('/tenant', { 'x-tenant': 'a' })).toBe('MISS a 1');
    expect(await ask('/tenant', { 'x-tenant': 'b' })).toBe('HIT a 1');
  });

  it('makes variants of plain values that middleware leaves, which are private for outer caches', async () => {
    await serve(
      {},
      before(platform, (request) => void (request['time'] = request['headers']['user-agent'])),
    );
    expect(await ask('/member', { 'user-agent': 'a' })).toBe('MISS a 1');
    expect(await ask('/member', { 'user-agent': 'b' })).toBe('MISS b 2');
    for (const turn of [1, 2]) {
      const { body, headers } = await app.get('/member', { 'user-agent': 'a' });
      expect([turn, body, headers['cache-control']]).toEqual([turn, 'a 1', 'private']);
    }
  });

  it('stores nothing that was made of an object which middleware left', async () => {
    await serve(
      {},
      before(platform, (request) => void (request['time'] = new Date(0))),
    );
    await ask('/member');
    expect((await ask('/member')).startsWith('MISS')).toBe(true);
    expect(app.complaints.join()).toMatch(/Pages\.member.*request\.time.*ignoreProperties: \['time'\]/);
  });

  it('takes a member that is ignored for none', async () => {
    await serve(
      { ignoreProperties: ['time'] },
      before(platform, (request) => void (request['time'] = request['headers']['user-agent'])),
    );
    expect(await ask('/member', { 'user-agent': 'a' })).toBe('MISS a 1');
    expect(await ask('/member', { 'user-agent': 'b' })).toBe('HIT a 1');
  });

  it('makes variants of response headers that middleware sets', async () => {
    const leave = before(platform, (request, response) => {
      response['header']('x-left', request['headers']['user-agent']);
    });
    await serve({}, leave);
    expect(await ask('/typed', { 'user-agent': 'a' })).toBe('MISS a 1');
    expect(await ask('/typed', { 'user-agent': 'b' })).toBe('MISS b 2');
    expect(await ask('/typed', { 'user-agent': 'a' })).toBe('HIT a 1');
  });

  it('leaves the reads of an interceptor that only logs uncounted', async () => {
    await serve({ unwatched: [LoggingInterceptor] });
    expect(await ask('/logged', { 'user-agent': 'a' })).toBe('MISS 1');
    expect(await ask('/logged', { 'user-agent': 'b' })).toBe('HIT 1');
  });

  it('keeps headers fit for structuredClone(), before and within the load', async () => {
    await serve(
      {},
      before(platform, (request) => void structuredClone(request['headers'])),
    );
    const { status, cache, body } = await app.get('/cloned', { 'x-tenant': 'a' });
    expect([status, cache, JSON.parse(body).headers['x-tenant']]).toEqual([200, 'MISS', 'a']);
    expect((await app.get('/cloned', { 'x-tenant': 'a' })).cache).toBe('MISS');
  });

  it('stores no more variants than are read', async () => {
    await serve();
    for (let turn = 0; turn < 101; turn++) await ask('/many/x', { 'x-many': String(turn) });
    expect((await ask('/many/x', { 'x-many': '7' })).startsWith('HIT')).toBe(true);
    for (let turn = 0; turn < 101; turn++) await ask('/many/y', { 'x-many': String(turn) });
    expect((await ask('/many/y', { 'x-many': '100' })).startsWith('MISS')).toBe(true);
    expect(app.complaints.join()).toContain('stored and never read');
  });

  it('stores nothing that varies by more inputs than a key holds', async () => {
    await serve();
    await ask('/wide');
    expect((await ask('/wide')).startsWith('MISS')).toBe(true);
    expect(app.complaints.join()).toContain('too many inputs');
  });

  it('keeps values of getOrSet from being shared that were made of a header', async () => {
    await serve();
    expect((await app.get('/by-hand', { 'x-tenant': 'a' })).body).toBe('a 1');
    expect((await app.get('/by-hand', { 'x-tenant': 'b' })).body).toBe('b 2');
    expect(app.complaints.join()).toContain('the request header x-tenant');
  });

  it('does not trust what middleware makes of headers that it replaces as a whole', async () => {
    const replace = before(platform, (request) => {
      const message = request['raw'] ?? request;
      message.headers = { ...message.headers };
    });
    await serve({}, replace);
    expect([await ask('/plain'), await ask('/plain')]).toEqual(['BYPASS 1', 'BYPASS 2']);
    expect(app.complaints.join()).toContain('replaced request.headers');
  });
});

@Module({
  imports: [RestflowCacheModule.forRoot({ setCacheHeaders: true, dataSources: false })],
  controllers: [Pages],
})
class Inner {}

describe('an application that is mounted in another one', () => {
  it.each([
    [false, ['BYPASS 1', 'BYPASS 2']],
    [true, ['MISS 1', 'HIT 1']],
  ])('is cached only where the outer one is watched: %s', async (isWatched, expected) => {
    handled = 0;
    const [outer, inner] = [express(), express()];
    if (isWatched) watchRequests(outer);
    outer.use('/api', inner);
    const app = await NestFactory.create(Inner, new ExpressAdapter(inner), { logger: false });
    await app.init();
    const server = outer.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const answers: string[] = [];
      for (let turn = 0; turn < 2; turn++) {
        const { cache, body } = await send((server.address() as AddressInfo).port, '/api/plain');
        answers.push(`${cache} ${body}`);
      }
      expect(answers).toEqual(expected);
    } finally {
      server.close();
      await app.close();
    }
  });
});
