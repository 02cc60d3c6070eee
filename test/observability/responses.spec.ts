import {
  Controller,
  Get,
  Header,
  Head,
  HttpCode,
  Post,
  Req,
  Res,
  UseGuards,
  type CanActivate,
} from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, memoryStore } from '../../lib/index.js';
import { settled } from '../support/gate.js';
import {
  gate,
  platforms,
  start,
  until,
  type RequestOptions,
  type TestApplication,
} from '../http/support/application.js';
import { countsOf } from './counts.js';

class Anybody implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

let answer: () => unknown = () => 'answer';
const handle = async (): Promise<unknown> => answer();

interface AnyRequest {
  headers: Record<string, string | undefined>;
}
interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  status(code: number): AnyResponse;
}

@Controller()
class Pages {
  @Get('plain') @CacheResponse({ ttl: 60, name: 'plain' }) plain(): unknown {
    return handle();
  }
  @Get('guarded') @CacheResponse({ ttl: 60, name: 'guarded' }) @UseGuards(Anybody) guarded(): unknown {
    return handle();
  }
  @Get('stale')
  @CacheResponse({ ttl: 60, staleWhileRevalidate: 30, staleIfError: 600, name: 'stale' })
  stale(): unknown {
    return handle();
  }
  @Get('hard') @CacheResponse({ ttl: 60, hardTimeout: '50ms', name: 'hard' }) hard(): unknown {
    return handle();
  }
  @Get('turn')
  @CacheResponse({ ttl: 60, hardTimeout: '50ms', lock: 'distributed', name: 'turn' })
  turn(): unknown {
    return handle();
  }
  @Get('cookie')
  @CacheResponse({ ttl: 60, name: 'cookie' })
  cookie(@Res({ passthrough: true }) response: AnyResponse): string {
    response.header('Set-Cookie', 'a=b');
    return 'cookie';
  }
  @Get('shared')
  @CacheResponse({ freshness: 'headers', name: 'shared' })
  @Header('Cache-Control', 'max-age=60, stale-while-revalidate=30, stale-if-error=300')
  async shared(
    @Req() request: AnyRequest,
    @Res({ passthrough: true }) response: AnyResponse,
  ): Promise<unknown> {
    const body = await handle();
    response.header('ETag', '"one"');
    if (request.headers['if-none-match'] !== '"one"') return body;
    response.status(304);
    return undefined;
  }
  @Head('none') none(): void {}
  @Post('plain') @HttpCode(204) change(): void {}
}

describe.each(platforms)('the metrics of cached handlers on %s', (platform) => {
  let app: TestApplication;
  /** What clients were told, by route. */
  let told: Record<string, Record<string, number>>;

  beforeEach(async () => {
    answer = () => 'answer';
    told = {};
    app = await start(platform, { controllers: [Pages] });
  });
  afterEach(() => app.close());

  const counts = (name: string) => countsOf(app.cache, name);

  /** @returns the status that was told */
  const ask = async (path: string, options: RequestOptions = {}): Promise<string | undefined> => {
    const { cache } = await app.get(`/${path}`, { headers: {}, ...options });
    const ofRoute = (told[path] ??= {});
    if (cache !== undefined) ofRoute[cache] = (ofRoute[cache] ?? 0) + 1;
    return cache;
  };

  const toldOf = (path: string): Record<string, number> => {
    const { hits = 0, misses = 0, stale = 0, bypasses = 0, refreshes = 0 } = counts(path);
    const all = { HIT: hits, MISS: misses, STALE: stale, BYPASS: bypasses, REFRESH: refreshes };
    return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0));
  };

  it.each(['plain', 'guarded'])(
    'count hits of a %s one, with and without the pipeline of Nest',
    async (path) => {
      for (let i = 0; i < 5; i++) await ask(path);
      expect(counts(path)).toEqual({ misses: 1, hits: 4, loads: 1 });
      expect(toldOf(path)).toEqual(told[path]);
    },
  );

  it('count requests that bypass the cache, which are not loads', async () => {
    await ask('plain', { headers: { authorization: 'Bearer me' } });
    await ask('plain', { headers: { range: 'bytes=0-1' } });
    app.cache.disable();
    await ask('plain');
    expect(toldOf('plain')).toEqual(told['plain']);
    expect(counts('plain')).toEqual({ bypasses: 3 });
  });

  it('count a HEAD that finds nothing as a miss, and one that finds a GET as a hit', async () => {
    await ask('plain', { method: 'HEAD' });
    expect(counts('plain')).toEqual({ misses: 1 });
    await ask('plain');
    await ask('plain', { method: 'HEAD' });
    expect(counts('plain')).toEqual({ misses: 2, hits: 1, loads: 1 });
    expect(toldOf('plain')).toEqual(told['plain']);
  });

  it('count requests that wait for one answer under the status that they get', async () => {
    const open = gate();
    answer = () => open.promise.then(() => 'late');
    const asked = Promise.all([ask('plain'), ask('plain'), ask('plain')]);
    await app.held(3);
    open.open();
    await asked;
    expect(counts('plain')).toMatchObject({ loads: 1 });
    expect(toldOf('plain')).toEqual(told['plain']);
  });

  it('count stale responses, and not the background request that refreshes them', async () => {
    await ask('stale');
    app.clock.advance(61);
    expect(await ask('stale')).toBe('STALE');
    await until(() => counts('stale').loads === 2);
    await settled();
    expect(counts('stale')).toEqual({ misses: 1, stale: 1, loads: 2 });
    expect(toldOf('stale')).toEqual(told['stale']);
  });

  it('count a response that replaces an error as stale, and the error as a load error', async () => {
    await ask('stale');
    app.clock.advance(100);
    answer = () => Promise.reject(new Error('down'));
    expect(await ask('stale')).toBe('STALE');
    expect(counts('stale')).toEqual({ misses: 1, stale: 1, loads: 2, loadErrors: 1 });
    answer = () => 'back';
    expect(await ask('stale')).toBe('MISS');
    expect(toldOf('stale')).toEqual(told['stale']);
  });

  it('count a handler that fails as a miss', async () => {
    answer = () => Promise.reject(new Error('down'));
    expect((await app.get('/plain')).status).toBe(500);
    expect(counts('plain')).toEqual({ misses: 1, loads: 1, loadErrors: 1 });
  });

  it('count a request once that exceeds its hardTimeout', async () => {
    const open = gate();
    answer = () => open.promise;
    const [leads, waits] = await Promise.all([app.get('/hard'), app.get('/hard')]);
    expect([leads.status, waits.status]).toEqual([503, 503]);
    expect(counts('hard')).toMatchObject({ misses: 2 });
    open.open();
    await settled();
    expect(counts('hard')).toMatchObject({ misses: 2 });
    expect(counts('hard')).not.toHaveProperty('hits');
  });

  it('count a request whose hardTimeout ends while it waits for the distributed lock', async () => {
    const store = Object.assign(memoryStore(), { acquire: async () => undefined });
    const other = await start(platform, { controllers: [Pages], cache: { store } });
    try {
      expect((await other.get('/turn')).status).toBe(503);
      expect(countsOf(other.cache, 'turn')).toEqual({ misses: 1 });
    } finally {
      await other.close();
    }
  });

  it('count responses that must not be stored', async () => {
    await ask('cookie');
    await ask('cookie');
    expect(counts('cookie')).toEqual({ misses: 2, loads: 2, notStored: 2 });
    expect(toldOf('cookie')).toEqual(told['cookie']);
  });

  it('sum the seconds from the call of the handler to the end of its answer', async () => {
    answer = () => app.clock.advance(2);
    await ask('plain');
    expect(counts('plain')).toMatchObject({ loads: 1, loadSeconds: 2 });
  });

  it("count the statuses of a route with freshness: 'headers'", async () => {
    expect(await ask('shared')).toBe('MISS');
    expect(await ask('shared')).toBe('HIT');
    app.clock.advance(61);
    expect(await ask('shared')).toBe('STALE');
    await until(() => counts('shared').loads === 2);
    app.clock.advance(120);
    expect(await ask('shared')).toBe('REFRESH');
    app.clock.advance(120);
    answer = () => Promise.reject(new Error('down'));
    expect(await ask('shared')).toBe('STALE');
    answer = () => 'back';
    expect(await ask('shared', { headers: { 'if-match': '"one"' } })).toBe('BYPASS');
    expect(await ask('shared', { method: 'HEAD' })).toBe('MISS');
    expect(toldOf('shared')).toEqual(told['shared']);
    expect(counts('shared')).toEqual({
      ...{ hits: 1, misses: 2, stale: 2, refreshes: 1, bypasses: 1 },
      ...{ loads: 5, loadErrors: 1 },
    });
  });

  it('count a request with only-if-cached that gets 504 as a miss', async () => {
    const headers = { 'cache-control': 'only-if-cached' };
    expect((await app.get('/shared', { headers })).status).toBe(504);
    expect(counts('shared')).toEqual({ misses: 1 });
  });

  it('count nothing for requests of other methods on the same path', async () => {
    await app.get('/plain', { method: 'POST' });
    expect(counts('plain')).toEqual({});
  });
});
