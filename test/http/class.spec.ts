import { Controller, Get, Post, Sse } from '@nestjs/common';
import { EMPTY, type Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, NoCache } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

let handled = 0;

class Base {
  @Get('inherited') inherited(): number {
    return ++handled;
  }
  @Get('decorated') @CacheResponse(600) decorated(): number {
    return ++handled;
  }
  @Get('inherited-never') @NoCache() inheritedNever(): number {
    return ++handled;
  }
  @Get('overridden') @CacheResponse(600) overridden(): number {
    return ++handled;
  }
}

@Controller('other')
class Other extends Base {}

@Controller()
@CacheResponse(60)
class Pages extends Base {
  @Get('page') page(): number {
    return ++handled;
  }
  @Get('long') @CacheResponse(600) long(): number {
    return ++handled;
  }
  @Get('never') @NoCache() never(): number {
    return ++handled;
  }
  @Get('overridden') override overridden(): number {
    return ++handled;
  }
  @Post('page') change(): number {
    return ++handled;
  }
  @Sse('events') events(): Observable<never> {
    return EMPTY;
  }
  helper(): number {
    return this.page();
  }
}

@Controller('sub')
class Sub extends Pages {
  @Get('long') override long(): number {
    return ++handled;
  }
}

describe.each(platforms)('@CacheResponse on a controller on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    app = await start(platform, { controllers: [Pages, Sub, Other] });
  });
  afterEach(() => app.close());

  it('stands for the handlers that say nothing themselves', async () => {
    expect(await app.get('/page')).toMatchObject({ cache: 'MISS' });
    expect(await app.get('/page')).toMatchObject({ cache: 'HIT', body: '1' });
    expect((await app.get('/page', { method: 'POST' })).body).toBe('2');
  });

  it('gives way to the decorator of a handler', async () => {
    for (const path of ['/page', '/long']) await app.get(path);
    app.clock.advance(61);
    expect(await app.get('/page')).toMatchObject({ cache: 'MISS' });
    expect(await app.get('/long')).toMatchObject({ cache: 'HIT' });
  });

  it('gives way to @NoCache()', async () => {
    for (const turn of ['1', '2'])
      expect(await app.get('/never')).toMatchObject({ body: turn, cache: undefined });
  });

  it('stands for handlers that a base class declares, of this controller alone', async () => {
    for (const turn of ['MISS', 'HIT'])
      expect(await app.get('/inherited')).toMatchObject({ cache: turn, body: '1' });
    for (const turn of ['2', '3'])
      expect(await app.get('/other/inherited')).toMatchObject({ body: turn, cache: undefined });
    await app.cache.for(Pages, 'inherited').invalidateAll();
    expect(await app.get('/inherited')).toMatchObject({ cache: 'MISS' });
  });

  it('gives way to the decorators of a base class and to overrides', async () => {
    for (const path of ['/decorated', '/inherited-never', '/overridden']) await app.get(path);
    app.clock.advance(61);
    expect(await app.get('/decorated')).toMatchObject({ cache: 'HIT' });
    expect(await app.get('/inherited-never')).toMatchObject({ cache: undefined });
    expect(await app.get('/overridden')).toMatchObject({ cache: 'MISS' });
  });

  it('comes with the class to controllers that extend it, which may say otherwise', async () => {
    for (const turn of ['MISS', 'HIT']) expect(await app.get('/sub/page')).toMatchObject({ cache: turn });
    for (const path of ['/sub/inherited', '/page']) await app.get(path);
    app.clock.advance(61);
    expect(await app.get('/sub/inherited')).toMatchObject({ cache: 'MISS' });
    for (const turn of [1, 2]) expect(await app.get(`/sub/long?${turn}`)).toMatchObject({ cache: undefined });
  });

  it('lets its handlers be dropped by hand', async () => {
    await app.get('/page');
    await app.cache.for(Pages, 'page').invalidateAll();
    expect(await app.get('/page')).toMatchObject({ cache: 'MISS' });
  });
});

it('@CacheResponse on a controller has no name', () => {
  expect(() => CacheResponse({ name: 'pages' })(Pages)).toThrow(/on Pages has a name/);
});
