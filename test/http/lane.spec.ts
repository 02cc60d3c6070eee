import {
  Controller,
  Get,
  Header,
  Headers,
  Param,
  Query,
  UseGuards,
  VersioningType,
  type CanActivate,
  type INestApplication,
} from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, CacheService } from '../../lib/index.js';
import { type Answer, platforms } from './support/application.js';
import { LANE, type LaneApplication, startLane } from './support/lane.js';

let handled = 0;

class Refusing implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@Controller('pages')
class Pages {
  @Get('counted') @CacheResponse({ ttl: 60, fastLane: LANE, tags: ['counted'] }) counted(): unknown {
    return { handled: ++handled };
  }

  @Get('plain') @CacheResponse(60) plain(): unknown {
    return { handled: ++handled };
  }

  @Get('aged') @CacheResponse({ ttl: 60, fastLane: LANE, cacheControl: true }) aged(): unknown {
    return { handled: ++handled };
  }

  @Get('language')
  @CacheResponse({ ttl: 60, fastLane: LANE })
  language(@Headers('accept-language') language: string): unknown {
    return { language, handled: ++handled };
  }

  @Get('shared') @CacheResponse({ ttl: 60, fastLane: LANE, shared: true }) shared(): unknown {
    return { handled: ++handled };
  }

  @Get('guarded') @CacheResponse({ ttl: 60, fastLane: LANE }) @UseGuards(Refusing) guarded(): unknown {
    return { handled: ++handled };
  }

  @Get('declared') @CacheResponse({ ttl: 60, fastLane: LANE }) @Header('x-a', 'b') declared(): unknown {
    return { handled: ++handled };
  }

  @Get('bypassed') @CacheResponse({ ttl: 60, fastLane: LANE, bypass: () => false }) bypassed(): unknown {
    return { handled: ++handled };
  }

  @Get('obeying')
  @CacheResponse({ ttl: 60, fastLane: LANE, honourRequestDirectives: true })
  obeying(): unknown {
    return { handled: ++handled };
  }

  @Get('strict') @CacheResponse({ ttl: 60, fastLane: true }) strict(): unknown {
    return { handled: ++handled };
  }

  @Get('of/:id')
  @CacheResponse({ ttl: 60, fastLane: LANE })
  of(@Param('id') id: string, @Query('page') page?: string): unknown {
    return { id, page, handled: ++handled };
  }
}

describe.each(platforms)('the fast lane on %s', (platform) => {
  let app: LaneApplication;
  const begin = async (options: Parameters<typeof startLane>[1] = {}): Promise<void> => {
    handled = 0;
    app = await startLane(platform, { controllers: [Pages], ...options });
  };
  /** Asks until the lane has learnt the request, if it does. */
  const warm = async (path: string, options: Parameters<LaneApplication['get']>[1] = {}): Promise<Answer> => {
    for (let turn = 0; turn < 3; turn++) await app.get(path, options);
    app.reached();
    return app.get(path, options);
  };
  afterEach(() => app.close());

  it('answers a hit before the framework, as the framework would', async () => {
    await begin();
    await app.get('/pages/counted');
    const ofPipeline = await app.get('/pages/counted');
    const ofLane = await warm('/pages/counted');
    expect(app.reached()).toBe(0);
    const rest = ({ headers: { date: _, ...headers }, status, body }: Answer): unknown => ({
      headers,
      status,
      body,
    });
    expect(rest(ofLane)).toEqual(rest(ofPipeline));
    expect(Object.keys(ofLane.headers)).toEqual(Object.keys(ofPipeline.headers));
    expect(app.complaints.join()).not.toContain('counted');
  });

  it('leaves routes that do not ask for it to the framework', async () => {
    await begin();
    await warm('/pages/plain');
    expect(app.reached()).toBe(1);
  });

  it('counts its hits like others', async () => {
    await begin();
    const hits = (): number => app.cache.metrics().methods.find(({ name }) => name === 'Pages.counted')!.hits;
    await warm('/pages/counted');
    const before = hits();
    await app.get('/pages/counted');
    expect([hits() - before, app.reached()]).toEqual([1, 0]);
  });

  it('answers HEAD without a body, and 304 where a tag or a date matches', async () => {
    await begin();
    const full = await warm('/pages/counted');
    const head = await warm('/pages/counted', { method: 'HEAD' });
    expect([app.reached(), head.status, head.body, head.headers['content-length']]).toEqual([
      0,
      200,
      '',
      full.headers['content-length'],
    ]);
    const etag = String(full.headers['etag']);
    for (const tags of [etag, `W/${etag}`, `"x", W/"y", ${etag}`, '*']) {
      const fresh = await warm('/pages/counted', { 'if-none-match': tags });
      expect([fresh.status, fresh.body, fresh.headers['etag'], app.reached()]).toEqual([304, '', etag, 0]);
    }
    const changed = await warm('/pages/counted', { 'if-none-match': '"other"' });
    expect([changed.status, app.reached()]).toEqual([200, 0]);
  });

  it('tells the age and the remaining lifetime at each hit', async () => {
    await begin();
    await warm('/pages/aged');
    app.clock.advance(7);
    const hit = await app.get('/pages/aged');
    expect([hit.headers['age'], hit.headers['cache-status'], app.reached()]).toEqual([
      '7',
      'restflow; hit; ttl=53',
      0,
    ]);
  });

  it('serves nothing past its lifetime', async () => {
    await begin();
    await warm('/pages/counted');
    app.clock.advance(61);
    expect([(await app.get('/pages/counted')).body, app.reached()]).toEqual(['{"handled":2}', 1]);
  });

  it.each([
    ['a tag is invalidated', (cache: CacheService) => cache.invalidateTags(['counted'])],
    ['everything is cleared', (cache: CacheService) => cache.clear()],
    [
      'the handler is invalidated',
      (cache: CacheService) => cache.for(Pages, 'counted' as never).invalidateAll(),
    ],
  ])('loads again after %s', async (_what, invalidate) => {
    await begin();
    await warm('/pages/counted');
    await invalidate(app.cache);
    expect([(await app.get('/pages/counted')).body, app.reached()]).toEqual(['{"handled":2}', 1]);
    expect([(await warm('/pages/counted')).body, app.reached()]).toEqual(['{"handled":2}', 0]);
  });

  it('serves nothing while the cache is off', async () => {
    await begin();
    await warm('/pages/counted');
    app.cache.disable();
    expect([(await app.get('/pages/counted')).body, app.reached()]).toEqual(['{"handled":2}', 1]);
    app.cache.enable();
    expect((await warm('/pages/counted')).body).toBe('{"handled":1}');
    expect(app.reached()).toBe(0);
  });

  it('asks the function that switches the cache for each hit', async () => {
    let isOn = true;
    await begin({ cache: { enabled: () => isOn } });
    await warm('/pages/counted');
    expect(app.reached()).toBe(0);
    isOn = false;
    expect([(await app.get('/pages/counted')).cache, app.reached()]).toEqual(['BYPASS', 1]);
  });

  it.each([
    ['Authorization', { authorization: 'Bearer x' }],
    ['x-api-key', { 'x-api-key': 'x' }],
    ['a cookie', { cookie: 'sid=1' }],
    ['Range', { range: 'bytes=0-1' }],
    ['If-Match', { 'if-match': '"x"' }],
    ['X-Cache-Explain', { 'x-cache-explain': 'x' }],
    ['another host', { host: 'b.test' }],
    ['another origin', { origin: 'https://b.test' }],
    ['a forwarded host', { 'x-forwarded-host': 'b.test' }],
    ['a forwarded scheme', { 'x-forwarded-proto': 'https' }],
  ])('leaves a request with %s to the framework', async (_what, headers) => {
    await begin();
    await warm('/pages/counted');
    await app.get('/pages/counted', headers);
    expect(app.reached()).toBe(1);
  });

  it('leaves credentials to the framework where the answer is shared', async () => {
    await begin();
    await warm('/pages/shared', { authorization: 'Bearer x' });
    expect(app.reached()).toBe(1);
    await warm('/pages/shared', { cookie: '_ga=1' });
    expect(app.reached()).toBe(0);
  });

  it('leaves a request with a body to the framework', async () => {
    await begin();
    await warm('/pages/counted');
    await app.get('/pages/counted', { headers: { 'content-length': '1' }, body: 'x' });
    expect(app.reached()).toBe(1);
  });

  it('leaves directives to the framework where the route obeys them', async () => {
    await begin();
    await warm('/pages/obeying');
    expect(app.reached()).toBe(0);
    const again = await app.get('/pages/obeying', { 'cache-control': 'no-cache' });
    expect([again.body, app.reached()]).toEqual(['{"handled":2}', 1]);
    expect((await warm('/pages/obeying')).body).toBe('{"handled":2}');
  });

  it('holds the headers that the load reads', async () => {
    await begin();
    const bodies = [];
    for (let turn = 0; turn < 4; turn++)
      for (const language of ['de', 'fr', 'en'])
        bodies.push((await app.get('/pages/language', { 'accept-language': language })).body);
    expect(bodies.slice(-3)).toEqual(bodies.slice(0, 3));
    app.reached();
    for (const language of ['de', 'fr', 'en'])
      expect((await app.get('/pages/language', { 'accept-language': language })).body).toContain(language);
    expect(app.reached()).toBe(0);
    expect((await app.get('/pages/language')).body).not.toContain('de');
    expect(app.reached()).toBe(1);
  });

  it('tells targets apart as they were sent', async () => {
    await begin();
    const paths = ['/pages/of/1', '/pages/of/2', '/pages/of/1?page=1', '/pages/of/1?page=2', '/pages/of/%31'];
    const first = [];
    for (const path of paths) first.push((await warm(path)).body);
    app.reached();
    for (const [at, path] of paths.entries()) expect((await app.get(path)).body).toBe(first[at]);
    expect(app.reached()).toBe(0);
    expect((await app.get('/pages/of/3')).status).toBe(200);
    expect((await app.get('/pages/nothing')).status).toBe(404);
  });

  it.each([
    ['guarded', 'a guard'],
    ['declared', '@Header()'],
    ['bypassed', 'bypass'],
  ])('is refused at boot for a route that is %s', async (name, why) => {
    await begin();
    const line = app.complaints.find((one) =>
      one.includes(`Pages.${name} are not answered on the fast lane`),
    );
    expect(line).toContain(why);
    await warm(`/pages/${name}`);
    expect(app.reached()).toBe(1);
  });

  it('is refused behind middleware that it may not skip', async () => {
    await begin();
    await warm('/pages/strict');
    expect(app.reached()).toBe(1);
    expect(app.complaints.join()).toContain(`fastLane: { skip: ['countRequests'] }`);
  });

  it('serves under a prefix and versions in the path', async () => {
    await begin({
      setup: (application: INestApplication) => {
        application.setGlobalPrefix('api');
        application.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
      },
    });
    expect((await warm('/api/v1/pages/counted')).body).toBe('{"handled":1}');
    expect(app.reached()).toBe(0);
    expect((await app.get('/api/v2/pages/counted')).status).toBe(404);
  });

  it('stays out of the way of versions outside of the path', async () => {
    await begin({
      setup: (application: INestApplication) =>
        void application.enableVersioning({
          type: VersioningType.HEADER,
          header: 'x-version',
          defaultVersion: '1',
        }),
    });
    await warm('/pages/counted');
    expect(app.reached()).toBe(1);
    expect((await app.get('/pages/counted', { 'x-version': '2' })).status).toBe(404);
  });

  it('keeps a route out whose answers get a header of one request', async () => {
    let id = 0;
    await begin({
      setup: (application: INestApplication) => {
        application
          .getHttpServer()
          .prependListener('request', (_: object, response: never) =>
            (response as { setHeader(name: string, value: string): void }).setHeader(
              'x-request-id',
              `${++id}`,
            ),
          );
      },
    });
    const ids = [];
    for (let turn = 0; turn < 4; turn++) ids.push((await app.get('/pages/counted')).headers['x-request-id']);
    expect(new Set(ids).size).toBe(4);
    expect(app.complaints.join()).toContain('sets the header x-request-id');
  });
});
