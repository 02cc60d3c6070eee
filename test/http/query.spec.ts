import { Controller, Get, Query } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, type CacheResponseOptions, ConstantKeyField } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

let handled = 0;

@Controller()
class Lists {
  @Get('named') @CacheResponse({ query: ['page', 'tag'] }) named(@Query() query: object): unknown {
    return { ...query, handled: ++handled };
  }
  @Get('ignoring') @CacheResponse({ query: { ignore: ['utm_*', 'fb.clid'] } }) ignoring(
    @Query() query: object,
  ): unknown {
    return { ...query, handled: ++handled };
  }
  @Get('all') @CacheResponse({ query: '*' }) all(@Query() query: object): unknown {
    return { ...query, handled: ++handled };
  }
  @Get('none') @CacheResponse({ query: [] }) none(@Query() query: object): unknown {
    return { ...query, handled: ++handled };
  }
}

describe.each(platforms)('query on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    app = await start(platform, { controllers: [Lists] });
  });
  afterEach(() => app.close());

  it.each([
    ['/named?page=1&tag=a&tag=b', '/named?utm_source=x&tag=a&tag=b&page=1', { page: '1', tag: ['a', 'b'] }],
    ['/named', '/named?other=1', {}],
    ['/ignoring?page=1', '/ignoring?page=1&utm_source=x&utm_=y&fb.clid=z', { page: '1' }],
    ['/none', '/none?page=2', {}],
  ])('%s and %s are one', async (first, second, query) => {
    expect(JSON.parse((await app.get(first)).body)).toEqual({ ...query, handled: 1 });
    expect(await app.get(second)).toMatchObject({ cache: 'HIT' });
  });

  it.each([
    ['/named?page=1', '/named?page=2'],
    ['/ignoring?utm=1', '/ignoring?utm=2'],
    ['/ignoring?fbXclid=1', '/ignoring?fbXclid=2'],
    ['/all?a=1', '/all?a=2'],
  ])('%s and %s are two', async (first, second) => {
    await app.get(first);
    expect(await app.get(second)).toMatchObject({ cache: 'MISS' });
  });

  it.each([
    '/ignoring?page=1&utm%5Fsource=x',
    '/ignoring?utm_source=x&page=1&utm_source=y',
    '/ignoring?page=1&utm_',
    '/ignoring?%66b.clid=1&page=1',
  ])('%s is one with what counts of it, however it is spelt', async (path) => {
    await app.get('/ignoring?page=1');
    expect(await app.get(path)).toMatchObject({ cache: 'HIT' });
  });

  it('a parameter that does not count never reaches the handler of a HEAD', async () => {
    const length = async (path: string): Promise<unknown> =>
      (await app.get(path, { method: 'HEAD' })).headers['content-length'];
    expect(await length('/ignoring?page=1&utm_source=x')).toBe(await length('/ignoring?page=1'));
  });

  it('a parameter that does not count never reaches the handler', async () => {
    expect(JSON.parse((await app.get('/named?page=1&evil=1')).body)).toEqual({ page: '1', handled: 1 });
    expect(JSON.parse((await app.get('/ignoring?utm_a=1&b=2')).body)).toEqual({ b: '2', handled: 2 });
  });
});

it.each([
  { query: 'page' },
  { query: [''] },
  { query: {} },
  { query: { ignore: 'utm_*' } },
  { query: ['page'], keyConstructor: { one: new ConstantKeyField('one', '1') } },
])('query refuses %j', (options) => {
  const decorate = CacheResponse(options as CacheResponseOptions);
  expect(() => decorate(Lists.prototype, 'other', { value: () => undefined })).toThrow(/Lists.other/);
});
