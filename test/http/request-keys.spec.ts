import {
  Controller,
  Get,
  Module,
  Param,
  Query,
  Req,
  Version,
  VersioningType,
  VERSION_NEUTRAL,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, RouteParamsKeyField } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

let handled = 0;

interface AnyRequest {
  url: string;
  host: string;
  protocol: string;
  headers: Record<string, string>;
}

@Controller()
class Keys {
  @Get('query') @CacheResponse(60) query(@Query() query: object): unknown {
    return { query, handled: ++handled };
  }
  @Get('items/:id') @CacheResponse(60) item(@Param('id') id: string): unknown {
    return { id, handled: ++handled };
  }
  @Get('all/:kind/:id')
  @CacheResponse({ ttl: 60, keyConstructor: { params: new RouteParamsKeyField('*') } })
  all(@Param() params: object): unknown {
    return { params, handled: ++handled };
  }
  @Get(['one', 'two', 'three/:id']) @CacheResponse(60) several(@Req() request: AnyRequest): unknown {
    return { url: request.url, handled: ++handled };
  }
  @Get('links') @CacheResponse(60) links(@Req() request: AnyRequest): string {
    return `${request.protocol}://${request.host}/links ${++handled}`;
  }
}

@Controller('mounted')
class Mounted {
  @Get() @CacheResponse(60) find(@Req() request: AnyRequest): unknown {
    return { url: request.url, handled: ++handled };
  }
}

@Controller('versioned')
class Versioned {
  @Get() @Version(['1', '2', VERSION_NEUTRAL]) @CacheResponse(60) find(@Req() request: AnyRequest): unknown {
    return { url: request.url, version: request.headers['x-version'], handled: ++handled };
  }
}

@Module({ controllers: [Mounted] })
class MountedModule {}

describe.each(platforms)('the key of a request on %s', (platform) => {
  let app: TestApplication;
  afterEach(() => app.close());

  /** Whether two requests have one answer; each answer is told apart by what the handler counted. */
  const oneAnswer = async (
    first: string,
    second: string,
    ...headers: Record<string, string>[]
  ): Promise<boolean> => {
    handled = 0;
    await app.cache.clear();
    const one = await app.get(first, headers[0] ?? {});
    const two = await app.get(second, headers[1] ?? {});
    expect([one.status, two.status, one.cache]).toEqual([200, 200, 'MISS']);
    expect(two.cache).toBe(one.body === two.body ? 'HIT' : 'MISS');
    return one.body === two.body;
  };
  const startKeys = async (options: Parameters<typeof start>[1] = {}): Promise<void> => {
    app = await start(platform, { controllers: [Keys, Versioned], ...options });
  };

  it.each([
    ['/query?a=1&b=2', '/query?b=2&a=1', true],
    ['/query?tag=a&tag=b', '/query?tag=b&tag=a', false],
    ['/query?tag=a%20b', '/query?tag=a+b', true],
    ['/query', '/query?', true],
    ['/query?a=1', '/query?a=2', false],
    ['/query?a=1', '/query?A=1', false],
    ['/query?a=1', '/query?a=1&b=', false],
    ['/query?a=b%26c=d', '/query?a=b&c=d', false],
    ['/query?tag=a,b', '/query?tag=a&tag=b', false],
    ['/query?tag=a', '/query?tag=a&tag=b', false],
    ['/query?a=null', '/query?a', false],
    ['/query?a=%C3%A9', '/query?a=e%CC%81', false],
    ['/items/1', '/items/2', false],
    ['/items/a%2Fb', '/items/a_b', false],
    ['/items/A', '/items/a', false],
    ['/items/1', '/items/01', false],
    ['/one', '/two', false],
    ['/three/1', '/three/2', false],
    [`/query?a=${'x'.repeat(2_000)}1`, `/query?a=${'x'.repeat(2_000)}2`, false],
  ])('%s and %s have one answer: %s', async (first, second, expected) => {
    await startKeys();
    expect(await oneAnswer(first, second)).toBe(expected);
  });

  it('holds all route parameters with RouteParamsKeyField', async () => {
    await startKeys();
    expect(await oneAnswer('/all/pen/1', '/all/pen/1')).toBe(true);
    expect(await oneAnswer('/all/pen/1', '/all/pen/2')).toBe(false);
  });

  it('holds the host', async () => {
    await startKeys();
    expect(await oneAnswer('/query', '/query', { host: 'a.example' }, { host: 'b.example' })).toBe(false);
    expect(await oneAnswer('/query', '/query', { host: 'a.example' }, { host: 'A.EXAMPLE' })).toBe(true);
    expect(await oneAnswer('/query', '/query', { host: 'a.example' }, { host: 'a.example:8080' })).toBe(
      false,
    );
  });

  it('holds the host and scheme that a trusted proxy forwards, so that nobody writes into the links of others', async () => {
    const forged = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' };
    await startKeys({
      adapter: { trustProxy: true },
      setup: (app) =>
        void (app.getHttpAdapter().getInstance() as { set?(...args: unknown[]): void }).set?.(
          'trust proxy',
          true,
        ),
    });
    const poisoned = await app.get('/links', forged);
    expect(poisoned.body).toContain('https://evil.example');
    expect((await app.get('/links')).body).not.toContain('evil');
    expect((await app.get('/links', forged)).cache).toBe('HIT');
  });

  it('holds a parameter in the global prefix', async () => {
    await startKeys({ setup: (app) => void app.setGlobalPrefix('tenants/:tenant') });
    expect(await oneAnswer('/tenants/a/query', '/tenants/b/query')).toBe(false);
    expect(await oneAnswer('/tenants/a/items/1', '/tenants/b/items/1')).toBe(false);
    expect(await oneAnswer('/tenants/a/query', '/tenants/a/query')).toBe(true);
  });

  it('holds the parameters of a mounted module', async () => {
    const routes = RouterModule.register([{ path: 'shops/:shop', module: MountedModule }]);
    await startKeys({ imports: [MountedModule, routes], controllers: [Keys] });
    expect(await oneAnswer('/shops/a/mounted', '/shops/b/mounted')).toBe(false);
    expect(await oneAnswer('/shops/a/mounted', '/shops/a/mounted')).toBe(true);
  });

  it('holds the version in the URL', async () => {
    await startKeys({ setup: (app) => void app.enableVersioning({ type: VersioningType.URI }) });
    expect(await oneAnswer('/v1/versioned', '/v2/versioned')).toBe(false);
    expect(await oneAnswer('/v1/versioned', '/versioned')).toBe(false);
    expect(await oneAnswer('/v1/versioned', '/v1/versioned')).toBe(true);
  });

  it('holds the version in a header', async () => {
    await startKeys({
      setup: (app) => void app.enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }),
    });
    expect(await oneAnswer('/versioned', '/versioned', { 'x-version': '1' }, { 'x-version': '2' })).toBe(
      false,
    );
    expect(await oneAnswer('/versioned', '/versioned', { 'x-version': '1' }, { 'x-version': '1' })).toBe(
      true,
    );
  });

  it('holds the version that a custom extractor finds', async () => {
    const extractor = (request: unknown): string => (request as AnyRequest).headers['x-version'] ?? '1';
    await startKeys({
      setup: (app) => void app.enableVersioning({ type: VersioningType.CUSTOM, extractor }),
    });
    expect(await oneAnswer('/versioned', '/versioned', { 'x-version': '1' }, { 'x-version': '2' })).toBe(
      false,
    );
  });
});
