import { All, Body, Controller, Get, HttpCode, Post, Put, Query, QueryMethod, Req } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  ArgsKeyField,
  BodyKeyField,
  CacheResponse,
  type CacheResponseOptions,
  QueryParamsKeyField,
  RequestValueKeyField,
} from '../../lib/index.js';
import { platforms, start, type RequestOptions, type TestApplication } from './support/application.js';

let handled = 0;
const told = (value: unknown): string => `${JSON.stringify(value)} ${++handled}`;

@Controller()
class Searches {
  @Post('search') @HttpCode(200) @CacheResponse({ ttl: 60, methods: ['POST'] }) search(
    @Body() body: unknown,
    @Query('page') page: string,
  ): string {
    return told([body, page]);
  }
  @Get('search') @CacheResponse(60) form(): string {
    return told('form');
  }
  @Put('search') reindex(): string {
    return told('reindexed');
  }
  @QueryMethod('query') @CacheResponse({ ttl: 60, methods: ['QUERY'] }) query(@Body() body: unknown): string {
    return told(body);
  }
  @All('all') @HttpCode(200) @CacheResponse({ ttl: 60, methods: ['GET', 'POST'] }) all(
    @Req() { method, body }: { method: string; body?: unknown },
  ): string {
    return told([method, body]);
  }
  @Post('some')
  @HttpCode(200)
  @CacheResponse({ methods: ['POST'], keyConstructor: { filter: new BodyKeyField(['query', 'variables']) } })
  some(@Body() body: unknown): string {
    return told(body);
  }
  @Post('unlisted') @HttpCode(200) unlisted(@Body() body: unknown): string {
    return told(body);
  }
  @Get('plain') @CacheResponse(60) plain(@Req() { body }: { body?: unknown }): string {
    return told(body);
  }
}

const json = (value: unknown, method = 'POST'): RequestOptions => {
  const body = JSON.stringify(value);
  return {
    method,
    body,
    headers: { 'content-type': 'application/json', 'content-length': `${Buffer.byteLength(body)}` },
  };
};

describe.each(platforms)('methods on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    app = await start(platform, {
      controllers: [Searches],
      setup: (nest) => {
        if (platform === 'express') (nest as NestExpressApplication).useBodyParser('text');
      },
    });
  });
  afterEach(() => app.close());
  const cached = async (path: string, options: RequestOptions): Promise<unknown> =>
    (await app.get(path, options)).cache;

  it('answers a POST from the answer to one with the same body', async () => {
    const first = await app.get('/search', json({ text: 'a', tags: [1, 2] }));
    expect(first).toMatchObject({ cache: 'MISS', status: 200 });
    const second = await app.get('/search', json({ tags: [1, 2], text: 'a' }));
    expect(second).toMatchObject({ cache: 'HIT', body: first.body });
  });

  it('answers a QUERY from the answer to one with the same body', async () => {
    const first = await app.get('/query', json({ text: 'a' }, 'QUERY'));
    expect(first).toMatchObject({ cache: 'MISS', status: 200 });
    expect(await app.get('/query', json({ text: 'a' }, 'QUERY'))).toMatchObject({
      cache: 'HIT',
      body: first.body,
    });
    expect(await cached('/query', json({ text: 'b' }, 'QUERY'))).toBe('MISS');
  });

  it.each<[string, string, RequestOptions, string, RequestOptions]>([
    ['bodies', '/search', json({ text: 'a' }), '/search', json({ text: 'b' })],
    ['types within bodies', '/search', json({ id: 1 }), '/search', json({ id: '1' })],
    ['orders of lists', '/search', json([1, 2]), '/search', json([2, 1])],
    ['queries', '/search?page=1', json({}), '/search?page=2', json({})],
    ['methods', '/all', json({}), '/all', { method: 'GET' }],
    [
      'types of the body',
      '/search',
      { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain', 'content-length': '2' } },
      '/search',
      {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'text/plain;format=flowed', 'content-length': '2' },
      },
    ],
  ])('keeps %s apart', async (_what, path, options, other, others) => {
    expect([await cached(path, options), await cached(other, others)]).toEqual(['MISS', 'MISS']);
    expect([await cached(path, options), await cached(other, others)]).toEqual(['HIT', 'HIT']);
  });

  it('takes one spelling of a type for another', async () => {
    const asked = json({ text: 'a' });
    await app.get('/search', asked);
    asked.headers!['content-type'] = 'Application/JSON';
    expect(await cached('/search', asked)).toBe('HIT');
  });

  it('goes by the members of the body that a field names', async () => {
    await app.get('/some', json({ query: 'q', variables: { a: 1 }, trace: 1 }));
    expect(await cached('/some', json({ query: 'q', variables: { a: 1 }, trace: 2 }))).toBe('HIT');
    expect(await cached('/some', json({ query: 'q', variables: { a: 2 } }))).toBe('MISS');
  });

  it('caches no method that is not named', async () => {
    for (const path of ['/unlisted', '/all'])
      for (const method of path === '/all' ? ['PATCH', 'DELETE', 'OPTIONS'] : ['POST']) {
        const answers = [await app.get(path, json({}, method)), await app.get(path, json({}, method))];
        expect(answers.map(({ cache }) => cache === 'HIT')).toEqual([false, false]);
        expect(answers[0]!.body).not.toBe(answers[1]!.body);
      }
    expect((await app.get('/all', json({}, 'PATCH'))).headers['cache-status']).toBe('restflow; fwd=method');
  });

  it('lets HEAD go with GET alone', async () => {
    await app.get('/all', json({}));
    expect(await cached('/all', { method: 'HEAD' })).toBe('MISS');
    await app.get('/all');
    expect(await cached('/all', { method: 'HEAD' })).toBe('HIT');
  });

  it('drops nothing by a POST that it caches', async () => {
    await app.get('/search', json({ text: 'a' }));
    await app.get('/search');
    await app.get('/search', json({ text: 'b' }));
    expect(await cached('/search', json({ text: 'a' }))).toBe('HIT');
    expect((await app.get('/search')).cache).toBe('HIT');
  });

  it('drops what a PUT to the same URI changed, whatever the body was', async () => {
    for (const text of ['a', 'b']) await app.get('/search', json({ text }));
    await app.get('/search', { method: 'PUT' });
    for (const text of ['a', 'b']) expect(await cached('/search', json({ text }))).toBe('MISS');
  });

  it('stores nothing for a body that its key does not hold, and says what to write', async () => {
    const asked = json({ name: 'mallory' }, 'GET');
    const { headers, cache } = await app.get('/plain', asked);
    expect([cache, headers['cache-status']]).toEqual(['BYPASS', 'restflow; fwd=bypass']);
    expect((await app.get('/plain')).cache).toBe('MISS');
    expect(await cached('/plain', asked)).toBe('BYPASS');
    expect(app.complaints.join('\n')).toMatch(/Searches\.plain was not cached: .*new BodyKeyField\(\)/);
    expect(app.complaints).toHaveLength(1);
  });

  it('leaves conditions of a POST to its handler', async () => {
    await app.get('/search', json({}));
    const asked = json({});
    asked.headers!['if-none-match'] = '*';
    expect(await app.get('/search', asked)).toMatchObject({ status: 200, cache: 'BYPASS' });
  });

  it('lets its answers be dropped by a description of the request', async () => {
    const host = `127.0.0.1:${app.port}`;
    const handler = app.cache.for(Searches, 'search');
    await app.get('/search', json({ text: 'a' }));
    const description = { headers: { host }, body: { text: 'a' } };
    expect(await handler.getCachedMetadata(description)).not.toBeNull();
    expect(await handler.getCachedMetadata({ ...description, body: { text: 'b' } })).toBeNull();
    await handler.deleteCache(description);
    expect(await cached('/search', json({ text: 'a' }))).toBe('MISS');
  });
});

it('methods on express does not cache what no parser took', async () => {
  const app = await start('express', { controllers: [Searches] });
  const asked = {
    method: 'POST',
    body: 'a=1',
    headers: { 'content-type': 'application/x-other', 'content-length': '3' },
  };
  for (const turn of [1, 2])
    expect([turn, (await app.get('/search', asked)).cache]).toEqual([turn, 'BYPASS']);
  expect(app.complaints.join()).toMatch(/a body that no parser took/);
  await app.close();
});

describe('a handler', () => {
  const decorated = (options: CacheResponseOptions, decorate = Post('x')): new () => object => {
    @Controller()
    class Wrong {
      @(decorate as MethodDecorator) @CacheResponse(options) find(@Body('name') name: string): string {
        return name;
      }
    }
    return Wrong;
  };
  const boot = async (options: CacheResponseOptions, decorate?: MethodDecorator): Promise<void> =>
    (await start('express', { controllers: [decorated(options, decorate)] })).close();

  it.each<[CacheResponseOptions, MethodDecorator, RegExp]>([
    [
      { methods: ['POST'] },
      Get('x'),
      /Wrong\.find caches POST, which its route does not answer.*Name the method of its route/,
    ],
    [{}, Post('x'), /Wrong\.find caches GET, which its route does not answer.*methods: \['POST'\]/],
    [
      { methods: ['POST'], keyConstructor: { page: new QueryParamsKeyField('page') } },
      Post('x'),
      /Wrong\.find caches POST, but no field.*new BodyKeyField\(\)/,
    ],
    [
      { methods: ['POST'], keyConstructor: () => 'one' },
      Post('x'),
      /no field of its keyConstructor reads the body/,
    ],
  ])('with %p is refused', async (options, decorate, message) => {
    await expect(boot(options, decorate)).rejects.toThrow(message);
  });

  it.each<[CacheResponseOptions['keyConstructor']]>([
    [{ body: new BodyKeyField() }],
    [{ name: new BodyKeyField('name', { partition: true }) }],
    [{ name: new ArgsKeyField('name') }],
    [{ name: new RequestValueKeyField('body.name') }],
  ])('may have a key of %p', async (keyConstructor) => {
    await boot({ methods: ['POST'], keyConstructor });
  });

  it.each([[['DELETE']], [[]], ['POST'], [['post']], [['HEAD']]])('cannot cache %j', (methods) => {
    expect(() => decorated({ methods: methods as never })).toThrow(
      /methods of Wrong\.find is .*HEAD goes with GET/,
    );
  });

  it('has no methods from its class', () => {
    expect(() => CacheResponse({ methods: ['POST'] })(Searches)).toThrow(/on Searches has methods/);
  });
});
