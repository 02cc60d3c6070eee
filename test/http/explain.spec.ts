import { createHmac } from 'node:crypto';
import { Controller, Get, Header, Headers, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, PrimaryGeneratedColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  explainToken,
  invalidates,
  QueryParamsKeyField,
  RestflowCacheModule,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { isExplainToken } from '../../lib/http/explain.js';
import { gate, platforms, start, until, type TestApplication } from './support/application.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

const SECRET = 'a secret of thirty-two characters';
/** When the clock of the tests begins. */
const now = Date.UTC(2026, 0, 1);
const soon = now / 1000 + 60;
const sign = (expires: number, secret = SECRET): string => {
  const signature = createHmac('sha256', secret).update(`restflow-explain.${expires}`).digest('base64url');
  return `${expires}.${signature}`;
};
let handled = 0;
let held = gate();

@Controller()
class Pages {
  @Get('articles/:slug') @CacheResponse({ ttl: 60, tags: ['articles'] }) article(
    @Param('slug') slug: string,
  ): string {
    return `${slug} ${++handled}`;
  }
  @Put('articles/:slug') update(): string {
    return 'updated';
  }
  @Get('varied') @CacheResponse({ ttl: 60, vary: ['x-one'] }) varied(@Headers('x-one') one: string): string {
    return `${one} ${++handled}`;
  }
  @Get('long')
  @CacheResponse({ keyConstructor: { q: new QueryParamsKeyField('q') } })
  long(@Query('q') q: string): string {
    return q;
  }
  @Get('private') @CacheResponse(60) @Header('Cache-Control', 'private') own(): number {
    return ++handled;
  }
  @Get('user') @CacheResponse(60) user(@Req() { headers }: { headers: Record<string, string> }): string {
    return String(Object.keys(headers).length);
  }
  @Get('cookie') @CacheResponse(60) cookie(@Res({ passthrough: true }) response: AnyResponse): number {
    response.header('Set-Cookie', 'a=1');
    return ++handled;
  }
  @Get('skipped') @CacheResponse({ ttl: 60, bypass: () => true }) skipped(): number {
    return ++handled;
  }
  @Get('skipped-late')
  @CacheResponse({ ttl: 60, bypass: (() => Promise.resolve(false)) as never })
  skippedLate(): number {
    return ++handled;
  }
  @Get('slow') @CacheResponse(60) async slow(): Promise<number> {
    handled++;
    await held.promise;
    return handled;
  }
  @Get('upstream') @CacheResponse(60) upstream(@Res({ passthrough: true }) response: AnyResponse): number {
    response.header('Cache-Status', 'origin; hit');
    return ++handled;
  }
  @Get('by-headers') @CacheResponse({ freshness: 'headers' }) byHeaders(
    @Res({ passthrough: true }) response: AnyResponse,
  ): number {
    response.header('Cache-Control', 'max-age=60');
    return ++handled;
  }
  @Post('plain') plain(): number {
    return ++handled;
  }
}

@Controller()
class Explained {
  @Get('explained') @CacheResponse({ ttl: 60, explain: true, setCacheHeaders: false }) explained(): number {
    return ++handled;
  }
  @Get('silent') @CacheResponse({ ttl: 60, explain: false, setCacheHeaders: false }) silent(): number {
    return ++handled;
  }
  @Get('public/ttl') @CacheResponse({ ttl: 60 }) @Header('Cache-Control', 'public, max-age=9') ttl(): number {
    return ++handled;
  }
  @Get('public/headers')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'public, max-age=9')
  headers(): number {
    return ++handled;
  }
}

describe.each(platforms)('an explanation on %s', (platform) => {
  let app: TestApplication;
  const boot = async (cache: RestflowCacheOptions = { explain: true }): Promise<void> => {
    app = await start(platform, { controllers: [Pages, Explained], cache });
  };
  beforeEach(() => {
    handled = 0;
    held = gate();
  });
  afterEach(() => app.close());
  const status = async (path: string, headers = {}): Promise<string> =>
    String((await app.get(path, { headers })).headers['cache-status']);

  it('names the key and the tags, on misses and hits', async () => {
    await boot();
    for (const start of ['restflow; fwd=uri-miss; stored', 'restflow; hit']) {
      const said = await status('/articles/a', { host: 'example.com' });
      expect(said.slice(0, start.length)).toBe(start);
      expect(said).toMatch(
        /; key="restflow:e:[^"]*Pages\.article[^"]*GET example.com '\/articles\/:slug' slug=a;[^"]*"; tags="/,
      );
      expect(said).toMatch(/; tags="[^"]*articles[^"]*"$/);
    }
  });

  it('names the variant', async () => {
    await boot();
    await status('/varied', { 'x-one': '1' });
    expect(await status('/varied', { 'x-one': '2' })).toMatch(/variant="[^"]*x-one[^"]*2[^"]*"/);
  });

  it('names the invalidation that dropped it', async () => {
    await boot();
    await status('/articles/a');
    await app.get('/articles/a', { method: 'PUT' });
    expect(await status('/articles/a')).toMatch(
      /^restflow; fwd=uri-miss; stored; .*; dropped-by="PUT \/articles\/a"$/,
    );
    expect(await status('/articles/a')).not.toContain('dropped-by');
    await app.cache.invalidateTags(['articles']);
    expect(await status('/articles/a')).toMatch(/dropped-by="by hand"$/);
  });

  it('names no invalidation from before it was cached', async () => {
    await boot();
    await app.cache.invalidateTags(['articles']);
    await status('/articles/a');
    app.clock.advance(61);
    expect(await status('/articles/a')).not.toContain('dropped-by');
  });

  it.each<[string, object, string]>([
    ['/private', {}, 'restflow; fwd=uri-miss; detail=private;'],
    ['/user', {}, 'restflow; fwd=uri-miss; detail=load;'],
    ['/cookie', {}, 'restflow; fwd=uri-miss; detail=set-cookie;'],
    ['/nothing', {}, 'undefined'],
    ['/articles/a', { authorization: 'Bearer x' }, 'restflow; fwd=bypass; detail=authenticated'],
    ['/articles/a', { range: 'bytes=0-1' }, 'restflow; fwd=bypass; detail=range'],
    ['/articles/a', { 'content-length': '1' }, 'restflow; fwd=bypass; detail=body'],
    ['/skipped', {}, 'restflow; fwd=bypass; detail=option'],
    ['/skipped-late', {}, 'restflow; fwd=bypass; detail=unkeyed'],
    ['/by-headers', { 'cache-control': 'no-store' }, 'restflow; fwd=request; detail=no-store'],
    ['/by-headers', { 'if-match': '*' }, 'restflow; fwd=bypass; detail=condition'],
  ])('%s with %j tells %s', async (path, headers, start) => {
    await boot();
    const body = 'content-length' in headers ? 'x' : undefined;
    const said = String((await app.get(path, { headers: { ...headers }, body })).headers['cache-status']);
    expect(said.slice(0, start.length)).toBe(start);
  });

  it('says that the cache is switched off', async () => {
    await boot();
    app.cache.disable();
    expect(await status('/articles/a')).toBe('restflow; fwd=bypass; detail=disabled');
  });

  it('logs the parts of a hashed key', async () => {
    await boot();
    const q = 'x'.repeat(300);
    expect(await status(`/long?q=${q}`)).not.toContain(q);
    const lines = app.lines.filter((line) => line.includes('GET /long'));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`q=${q}`);
    expect(lines[0]).toMatch(/Pages\.long GET \/long\?q=x+: restflow; fwd=uri-miss; stored; key=/);
  });

  it('names requests that waited', async () => {
    await boot();
    const answers = Promise.all([status('/slow'), status('/slow')]);
    await until(() => handled === 1);
    held.open();
    for (const said of await answers)
      expect(said).toMatch(/^restflow; (fwd=uri-miss; (stored|collapsed)|hit; ttl=60); key="/);
  });

  it('follows the member of a cache nearer to the origin', async () => {
    await boot();
    for (const _turn of [1, 2]) expect(await status('/upstream')).toMatch(/^origin; hit, restflow; .*key="/);
  });

  it('is given for a route with headers of its own', async () => {
    await boot();
    for (const start of ['restflow; fwd=uri-miss; stored; key="', 'restflow; hit; ttl=60; key="'])
      expect((await status('/by-headers')).slice(0, start.length)).toBe(start);
  });

  it('is given for the routes that want it', async () => {
    await boot({});
    expect(await status('/explained')).toMatch(/key="/);
    expect(await status('/silent')).toBe('undefined');
    expect(await status('/articles/a')).toBe('restflow; fwd=uri-miss; stored');
  });

  it('is never stored with the answer', async () => {
    await boot({ explain: { secret: SECRET } });
    const headers = { 'x-cache-explain': sign(soon) };
    await status('/articles/a', headers);
    expect(await app.get('/articles/a')).toMatchObject({
      headers: { 'cache-status': 'restflow; hit; ttl=60' },
    });
  });

  describe('for a signed header', () => {
    it('says why, though the route says nothing, and keeps it from caches outside', async () => {
      await boot({ explain: { secret: SECRET } });
      for (const start of ['restflow; fwd=uri-miss; stored; key="', 'restflow; hit; ttl=60; key="']) {
        const { headers } = await app.get('/silent', { headers: { 'x-cache-explain': sign(soon) } });
        expect(String(headers['cache-status']).slice(0, start.length)).toBe(start);
        expect([headers['cache-control'], headers['cdn-cache-control']]).toEqual(['no-store', 'no-store']);
      }
      expect((await app.get('/silent')).headers).not.toHaveProperty('cache-status');
    });

    it.each(['ttl', 'headers'])(
      'tells no key where others may keep the answer, as /public/%s lets them',
      async (path) => {
        await boot({ explain: { secret: SECRET } });
        const part: Record<string, string> = { range: 'bytes=0-0' };
        for (const headers of [part, {}, {}, part]) {
          const answer = await app.get(`/public/${path}`, {
            headers: { 'x-cache-explain': sign(soon), ...headers },
          });
          const isTold = String(answer.headers['cache-status']).includes('key=');
          expect([path, isTold && answer.headers['cache-control']]).not.toEqual([path, 'public, max-age=9']);
          expect(answer.headers['cache-status']).toMatch(/^restflow; /);
        }
      },
    );

    it.each<[string, string | string[]]>([
      ['nothing', ''],
      ['another secret', sign(soon, 'another secret of 32 characters..')],
      ['no signature', `${soon}.`],
      ['a signature that is too short', sign(soon).slice(0, -1)],
      ['another expiry', sign(soon).replace(/^\d/, '9')],
      ['what is over', sign(now / 1000)],
      ['what is good for more than a day', sign(now / 1000 + 24 * 3600 + 2)],
      ['two of them', [sign(soon), sign(soon)]],
      ['text', 'true'],
    ])('says nothing for %s', async (_what, token) => {
      await boot({ explain: { secret: SECRET } });
      const { headers } = await app.get('/silent', { headers: { 'x-cache-explain': token } });
      expect(headers).not.toHaveProperty('cache-status');
      expect(headers['cache-control']).toBeUndefined();
    });

    it('says nothing where no secret is given', async () => {
      await boot({ explain: false });
      const headers = { 'x-cache-explain': sign(soon, '') };
      expect((await app.get('/silent', { headers })).headers).not.toHaveProperty('cache-status');
    });

    it('is good until its time is over', async () => {
      await boot({ explain: { secret: SECRET } });
      const headers = { 'x-cache-explain': sign(soon) };
      app.clock.advance(59);
      expect(await status('/silent', headers)).toContain('key=');
      app.clock.advance(1);
      expect(await status('/silent', headers)).toBe('undefined');
    });
  });
});

@Entity()
class Note {
  @PrimaryGeneratedColumn() id!: number;
  @Column() text!: string;
}

@Controller()
class Notes {
  constructor(private readonly dataSource: DataSource) {}

  @Get('notes')
  @CacheResponse({ ttl: 60, invalidatesOn: [invalidates(Note, { name: 'notes', scope: 'all' })] })
  list(): Promise<Note[]> {
    return this.dataSource.getRepository(Note).find();
  }
}

it('an explanation names the rule that dropped the entry', async () => {
  const app = await start('express', {
    controllers: [Notes],
    imports: [TypeOrmModule.forRoot({ type: 'sqljs', entities: [Note], synchronize: true })],
    cache: { explain: true, dataSources: 'auto' },
  });
  const status = async (): Promise<unknown> => (await app.get('/notes')).headers['cache-status'];
  await status();
  expect(await status()).toMatch(/^restflow; hit/);
  await app.app.get(DataSource).getRepository(Note).save({ text: 'new' });
  expect(await status()).toMatch(/^restflow; fwd=uri-miss; stored; .*; dropped-by="rule notes#\w+"$/);
  await app.close();
});

describe('explainToken', () => {
  it('makes tokens with the given lifetime', () => {
    const token = explainToken(SECRET, '1h');
    for (const [minutes, isGood] of [
      [0, true],
      [59, true],
      [61, false],
    ] as const)
      expect([minutes, isExplainToken(SECRET, token, Date.now() + minutes * 60_000)]).toEqual([
        minutes,
        isGood,
      ]);
  });

  it.each([
    () => explainToken('short'),
    () => explainToken(SECRET, '2d'),
    () => explainToken(SECRET, null),
    () => RestflowCacheModule.forRoot({ explain: { secret: 'short' } }),
    () => RestflowCacheModule.forRoot({ explain: { secret: undefined as unknown as string } }),
    () => RestflowCacheModule.forRoot({ explain: 'yes' as unknown as boolean }),
  ])('refuses what cannot be safe: %#', (make) => {
    expect(make).toThrow(/Write at least 32 random characters|Write at most a day/);
  });
});
