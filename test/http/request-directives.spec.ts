import { Controller, Get, Header, Req, UseGuards, type CanActivate } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CacheResponse, memoryStore, type CacheResponseOptions } from '../../lib/index.js';
import type { Lease } from '../../lib/stores/store.interface.js';
import {
  gate,
  platforms,
  start,
  until,
  type Answer,
  type RequestOptions,
  type TestApplication,
} from './support/application.js';

const honourRequestDirectives = true;

let handled = 0;
let failing = false;
let doors: (ReturnType<typeof gate> | undefined)[] = [];
const page = async (): Promise<string> => {
  const turn = ++handled;
  await doors[turn - 1]?.promise;
  if (failing) throw new Error('the database is away');
  return `page ${turn}`;
};

class OpenDoor implements CanActivate {
  canActivate(): boolean {
    return true;
  }
}

@Controller()
class Pages {
  @Get('deaf') @CacheResponse(60) deaf(): Promise<string> {
    return page();
  }
  @Get('plain') @CacheResponse({ ttl: 60, honourRequestDirectives }) plain(): Promise<string> {
    return page();
  }
  @Get('guarded')
  @UseGuards(OpenDoor)
  @CacheResponse({ ttl: 60, honourRequestDirectives })
  guarded(): Promise<string> {
    return page();
  }
  @Get('while')
  @CacheResponse({ ttl: 60, staleWhileRevalidate: 30, honourRequestDirectives })
  while(): Promise<string> {
    return page();
  }
  @Get('error')
  @CacheResponse({ ttl: 60, staleIfError: 600, tags: ['error'], honourRequestDirectives })
  error(): Promise<string> {
    return page();
  }
  @Get('fleet')
  @CacheResponse({ ttl: 60, lock: 'distributed', honourRequestDirectives })
  fleet(): Promise<string> {
    return page();
  }
  @Get('public')
  @CacheResponse({ ttl: 60, honourRequestDirectives })
  @Header('Cache-Control', 'public, max-age=60')
  @Header('CDN-Cache-Control', 'max-age=60')
  public(): Promise<string> {
    return page();
  }
  @Get('limited')
  @CacheResponse({ ttl: 600, honourRequestDirectives, keyLimit: { keys: 1, window: '1m' } })
  limited(): Promise<string> {
    return page();
  }
  @Get('explained')
  @CacheResponse({ ttl: 60, honourRequestDirectives, explain: true })
  explained(): Promise<string> {
    return page();
  }
  @Get('mirror') @CacheResponse({ ttl: 60, honourRequestDirectives }) mirror(
    @Req() { headers }: { headers: Record<string, string> },
  ): string {
    return `${headers['cache-control'] ?? 'nothing'} ${++handled}`;
  }
}

describe.each(platforms)('what a request demands on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = 0;
    failing = false;
    doors = [];
    app = await start(platform, { controllers: [Pages] });
  });
  afterEach(() => app.close());

  const get = (path: string, directives?: string, headers: Record<string, string> = {}): Promise<Answer> =>
    app.get(path, {
      headers: { ...(directives === undefined ? {} : { 'cache-control': directives }), ...headers },
    });
  /** Where it came from, what came, and why. */
  const told = ({ cache, body, headers }: Answer): string =>
    `${cache} ${body}; ${String(headers['cache-status']).replace('restflow; ', '')}`;

  it.each(['no-cache', 'no-store', 'max-age=0', 'min-fresh=100', 'only-if-cached, max-age=0'])(
    'is nothing to a route that does not listen: %s',
    async (directives) => {
      await get('/deaf', directives);
      expect(told(await get('/deaf', directives, { pragma: 'no-cache' }))).toBe('HIT page 1; hit; ttl=60');
    },
  );

  describe.each(['/plain', '/guarded'])('of %s', (path) => {
    describe('no-store', () => {
      it('bypasses the cache and stores nothing', async () => {
        expect(told(await get(path, 'no-store'))).toBe('BYPASS page 1; fwd=request');
        expect(told(await get(path))).toBe('MISS page 2; fwd=uri-miss; stored');
        expect(told(await get(path, 'max-age=60, No-Store'))).toBe('BYPASS page 3; fwd=request');
        expect(told(await get(path))).toBe('HIT page 2; hit; ttl=60');
      });
    });

    describe('no-cache', () => {
      it.each<[string | undefined, Record<string, string>]>([
        ['no-cache', {}],
        ['NO-CACHE', {}],
        ['max-age=60 , no-cache', {}],
        ['no-cache="x"', {}],
        ['max-age=0', {}],
        [undefined, { pragma: 'no-cache' }],
        ['max-age=abc', {}],
        ['max-age', {}],
        ['max-age=-1', {}],
      ])('has the handler run, for all who come after: %s %j', async (directives, headers) => {
        await get(path);
        app.clock.advance(10);
        expect(told(await get(path, directives, headers))).toBe('REFRESH page 2; fwd=request; stored');
        expect(told(await get(path))).toBe('HIT page 2; hit; ttl=60');
      });

      it('is a miss where nothing is there', async () => {
        expect(told(await get(path, 'no-cache'))).toBe('MISS page 1; fwd=uri-miss; stored');
        app.clock.advance(61);
        expect(told(await get(path, 'no-cache'))).toMatch(/^MISS page 2; fwd=(stale|uri-miss); stored$/);
        expect(told(await get(path))).toBe('HIT page 2; hit; ttl=60');
      });

      it('is read from Pragma only where there is no Cache-Control', async () => {
        await get(path);
        expect((await get(path, 'max-age=100', { pragma: 'no-cache' })).cache).toBe('HIT');
        expect((await get(path, undefined, { pragma: 'cache' })).cache).toBe('HIT');
      });

      it('waits for no earlier load, whose answer is not stored over its own', async () => {
        doors = [gate(), gate()];
        const before = get(path);
        await until(() => handled === 1);
        const anew = get(path, 'no-cache');
        await until(() => handled === 2);
        doors[1]!.open();
        expect((await anew).body).toBe('page 2');
        doors[0]!.open();
        expect((await before).body).toBe('page 1');
        expect(told(await get(path))).toBe('HIT page 2; hit; ttl=60');
      });

      it('takes nothing from those who asked before where the handler fails it', async () => {
        doors = [gate(), gate()];
        const before = get(path);
        await until(() => handled === 1);
        const anew = get(path, 'no-cache');
        await until(() => handled === 2);
        failing = true;
        doors[1]!.open();
        expect((await anew).status).toBe(500);
        failing = false;
        doors[0]!.open();
        expect((await before).body).toBe('page 1');
        expect(told(await get(path))).toBe('HIT page 1; hit; ttl=60');
      });

      it('leaves the stored response to other requests while the handler runs', async () => {
        await get(path);
        doors = [undefined, gate()];
        const anew = get(path, 'no-cache');
        await until(() => handled === 2);
        expect((await get(path)).body).toBe('page 1');
        doors[1]!.open();
        expect((await anew).body).toBe('page 2');
      });

      it('leaves the stored response where the handler fails', async () => {
        await get(path);
        failing = true;
        expect((await get(path, 'no-cache')).status).toBe(500);
        expect(told(await get(path))).toBe('HIT page 1; hit; ttl=60');
      });

      it("with a condition is judged by the handler's new answer", async () => {
        const etag = String((await get(path)).headers['etag']);
        expect((await get(path, 'max-age=0', { 'if-none-match': etag })).body).toBe('page 2');
        const newer = String((await get(path)).headers['etag']);
        expect((await get(path, undefined, { 'if-none-match': newer })).status).toBe(304);
      });

      it('of a HEAD has the handler run, and stores nothing', async () => {
        await get(path);
        const head = await app.get(path, { method: 'HEAD', headers: { 'cache-control': 'no-cache' } });
        expect([head.status, head.cache, head.headers['cache-status']]).toEqual([
          200,
          'MISS',
          'restflow; fwd=request',
        ]);
        expect([handled, (await get(path)).body]).toEqual([2, 'page 1']);
      });

      it('of a part goes to the handler', async () => {
        await get(path);
        expect(told(await get(path, 'no-cache', { range: 'bytes=0-3' }))).toBe('BYPASS page 2; fwd=bypass');
        expect(told(await get(path, 'max-age=60', { range: 'bytes=0-3' }))).toBe('HIT page; hit; ttl=60');
      });
    });

    it('max-age is how old it may be', async () => {
      await get(path);
      app.clock.advance(10);
      for (const directives of [
        'max-age=10',
        'max-age="10"',
        'max-age=10, max-age=0',
        'max-age=99999999999999999999',
      ])
        expect([directives, (await get(path, directives)).cache]).toEqual([directives, 'HIT']);
      expect(told(await get(path, 'max-age=9'))).toBe('REFRESH page 2; fwd=request; stored');
      expect(told(await get(path, 'max-age=9'))).toBe('HIT page 2; hit; ttl=60');
    });

    it('min-fresh is how long it must last', async () => {
      await get(path);
      app.clock.advance(20);
      for (const directives of ['min-fresh=40', 'min-fresh=x', 'min-fresh'])
        expect([directives, (await get(path, directives)).cache]).toEqual([directives, 'HIT']);
      expect(told(await get(path, 'min-fresh=41'))).toBe('REFRESH page 2; fwd=request; stored');
      expect(told(await get(path, 'min-fresh=100'))).toBe('REFRESH page 3; fwd=request; stored');
    });

    it('an unknown or malformed word is nothing', async () => {
      await get(path);
      for (const directives of [
        '',
        ',',
        'immutable',
        'stale-if-error=1',
        'nocache',
        'x="no-cache"',
        '=',
        'max-stale=x',
      ])
        expect([directives, (await get(path, directives)).cache]).toEqual([directives, 'HIT']);
    });

    it('only-if-cached is answered with the stored response, or 504', async () => {
      const nothing = await get(path, 'only-if-cached');
      expect([nothing.status, nothing.body, handled]).toEqual([504, '', 0]);
      expect(nothing.headers['cache-status']).toBe('restflow; detail=only-if-cached');
      expect(nothing.cache).toBe('MISS');
      const options: RequestOptions = { method: 'HEAD', headers: { 'cache-control': 'only-if-cached' } };
      expect((await app.get(path, options)).status).toBe(504);
      expect((await get(path, 'only-if-cached', { range: 'bytes=0-3' })).status).toBe(504);
      await get(path);
      expect(told(await get(path, 'only-if-cached'))).toBe('HIT page 1; hit; ttl=60');
      expect((await get(path, 'only-if-cached', { range: 'bytes=0-3' })).status).toBe(206);
      app.clock.advance(10);
      for (const directives of [
        'only-if-cached, max-age=9',
        'only-if-cached, no-cache',
        'only-if-cached, min-fresh=51',
      ])
        expect([directives, (await get(path, directives)).status]).toEqual([directives, 504]);
      app.clock.advance(51);
      expect((await get(path, 'only-if-cached')).status).toBe(504);
      expect((await get(path, 'only-if-cached, max-stale=100')).status).toBe(504);
      expect(handled).toBe(1);
    });
  });

  it('is no part of a key, and reaches the handler as it is', async () => {
    expect((await get('/mirror', 'no-cache, x=1')).body).toBe('no-cache, x=1 1');
    expect((await get('/mirror', 'max-age=5')).body).toBe('no-cache, x=1 1');
    expect((await get('/mirror')).body).toBe('no-cache, x=1 1');
  });

  it('is seen to by the pipeline, and a request that demands nothing is answered without it', async () => {
    await get('/plain');
    const replied = jest.spyOn(app.app.getHttpAdapter(), 'reply');
    expect(told(await get('/plain'))).toBe('HIT page 1; hit; ttl=60');
    expect(replied).toHaveBeenCalledTimes(0);
    expect(told(await get('/plain', 'max-age=60'))).toBe('HIT page 1; hit; ttl=60');
    expect(replied).toHaveBeenCalledTimes(1);
    expect((await get('/plain', 'no-cache')).cache).toBe('REFRESH');
  });

  it('only-if-cached waits for no load', async () => {
    doors = [gate()];
    const first = get('/plain');
    await until(() => handled === 1);
    expect((await get('/plain', 'only-if-cached')).status).toBe(504);
    doors[0]!.open();
    expect((await first).status).toBe(200);
  });

  it('only-if-cached leaves no 504 to caches outside', async () => {
    const { status, headers } = await get('/public', 'only-if-cached');
    expect([status, headers['cache-control'], headers['cdn-cache-control']]).toEqual([
      504,
      'no-store',
      undefined,
    ]);
  });

  it('of credentials that bypass the cache is not its business', async () => {
    await get('/plain');
    const mine = await get('/plain', 'only-if-cached', { authorization: 'Bearer mine' });
    expect(told(mine)).toBe('BYPASS page 2; fwd=bypass');
  });

  describe('max-stale', () => {
    it('is how far past its lifetime it may be, while it is kept', async () => {
      await get('/error');
      app.clock.advance(70);
      const stale = await get('/error', 'max-stale=10');
      expect(told(stale)).toBe('STALE page 1; hit; ttl=-10');
      expect(stale.headers['age']).toBe('70');
      expect((await get('/error', 'max-stale')).cache).toBe('STALE');
      expect((await get('/error', 'only-if-cached, max-stale')).cache).toBe('STALE');
      expect((await get('/error', 'max-age=70, max-stale')).cache).toBe('STALE');
      expect(handled).toBe(1);
      for (const directives of [
        'max-stale=9',
        'max-stale=x',
        'max-stale=0',
        'max-stale, max-age=69',
        'max-stale, min-fresh=1',
      ]) {
        await app.cache.clear();
        await get('/error');
        app.clock.advance(70);
        expect([directives, (await get('/error', directives)).cache]).toEqual([directives, 'MISS']);
      }
    });

    it('brings nothing back that is not kept any more', async () => {
      await get('/error');
      app.clock.advance(661);
      expect(told(await get('/error', 'max-stale'))).toMatch(/^MISS page 2/);
      await get('/plain');
      app.clock.advance(61);
      expect(told(await get('/plain', 'max-stale'))).toMatch(/^MISS page 4/);
    });

    it('brings nothing back that was purged', async () => {
      await get('/error');
      app.clock.advance(70);
      await app.cache.invalidateTags(['error']);
      expect(told(await get('/error', 'max-stale'))).toMatch(/^MISS page 2/);
    });

    it('accepts an expired response no longer than all requests get it', async () => {
      await get('/error');
      await app.cache.invalidateTags(['error'], { mode: 'expire' });
      app.clock.advance(70);
      expect(told(await get('/error', 'max-stale'))).toMatch(/^MISS page 2/);
    });

    it('is an expired response for all requests but those that want it to stay fresh', async () => {
      for (const [directives, expected] of [
        ['max-stale', 'STALE page 1'],
        ['min-fresh=1', 'MISS page 2'],
      ] as const) {
        handled = 0;
        await app.cache.clear();
        await get('/error');
        await app.cache.invalidateTags(['error'], { mode: 'expire' });
        const answer = await get('/error', directives);
        expect([directives, told(answer).split(';')[0]]).toEqual([directives, expected]);
        await until(() => handled === 2);
        await app.held(0);
      }
    });

    it('starts a background refresh where all requests get the stale response', async () => {
      await get('/while');
      app.clock.advance(70);
      expect((await get('/while', 'max-stale')).cache).toBe('STALE');
      await until(() => handled === 2);
      for (let turn = 0; turn < 50 && (await get('/while')).cache !== 'HIT'; turn++);
      expect(told(await get('/while'))).toBe('HIT page 2; hit; ttl=60');
    });
  });

  describe('where stale answers are served', () => {
    it.each([
      ['no-cache', 'MISS page 2'],
      ['max-age=69', 'MISS page 2'],
      ['min-fresh=1', 'MISS page 2'],
      ['max-age=70', 'STALE page 1'],
    ])('%s brings while it is revalidated: %s', async (directives, expected) => {
      await get('/while');
      app.clock.advance(70);
      expect(told(await get('/while', directives)).split(';')[0]).toBe(expected);
    });

    it('no-cache and max-age=0 get the error of a handler, others the stale response', async () => {
      await get('/error');
      app.clock.advance(70);
      failing = true;
      for (const directives of ['no-cache', 'max-age=0', 'only-if-cached'])
        expect([directives, (await get('/error', directives)).status >= 500]).toEqual([directives, true]);
      for (const directives of ['max-age=69', 'min-fresh=1', 'max-stale=9'])
        expect([directives, told(await get('/error', directives)).split(';')[0]]).toEqual([
          directives,
          'STALE page 1',
        ]);
    });
  });

  it('shares an earlier load where its result is young enough', async () => {
    doors = [gate()];
    const both = [get('/plain'), get('/plain', 'max-age=5')];
    await app.held(2);
    doors[0]!.open();
    expect((await Promise.all(both)).map(({ body }) => body)).toEqual(['page 1', 'page 1']);
  });

  it('makes no new key', async () => {
    await get('/limited?a=1');
    app.clock.advance(61);
    await get('/limited?b=1');
    expect(told(await get('/limited?a=1', 'no-cache'))).toBe('REFRESH page 3; fwd=request; stored');
    expect((await get('/limited?a=1')).body).toBe('page 3');
  });

  it('counts as a refresh where it refuses the stored response', async () => {
    for (const directives of ['no-cache', 'no-cache', 'max-age=60']) await get('/plain', directives);
    const { name, hits, misses, refreshes } = app.cache.metrics().methods.find(({ loads }) => loads > 0)!;
    expect({ name, hits, misses, refreshes }).toEqual({
      name: 'Pages.plain',
      hits: 1,
      misses: 1,
      refreshes: 1,
    });
  });

  it('is explained', async () => {
    const why = async (directives: string): Promise<string> =>
      String((await get('/explained', directives)).headers['cache-status']);
    expect(await why('no-store')).toBe('restflow; fwd=request; detail=no-store');
    await get('/explained');
    expect(await why('no-cache')).toMatch(/^restflow; fwd=request; stored; key="/);
  });

  it('is not answered with a response of the fleet where it refuses stored ones', async () => {
    const store = Object.assign(memoryStore(), {
      acquire: async (): Promise<Lease> => ({ release: async () => undefined }),
    });
    const other = await start(platform, { controllers: [Pages], cache: { store } });
    await other.get('/fleet');
    other.clock.advance(10);
    for (const [turn, directives] of ['max-age=9', 'no-cache'].entries()) {
      const answer = await other.get('/fleet', { headers: { 'cache-control': directives } });
      expect([answer.cache, answer.body]).toEqual(['REFRESH', `page ${turn + 2}`]);
    }
    await other.close();
  });
});

describe('honourRequestDirectives', () => {
  const define = (options: object): void => {
    class Refused {
      find(): void {}
    }
    const descriptor = Object.getOwnPropertyDescriptor(Refused.prototype, 'find')!;
    (CacheResponse(options as CacheResponseOptions) as MethodDecorator)(
      Refused.prototype,
      'find',
      descriptor,
    );
  };

  it.each([true, false])(
    "has nothing to say beside freshness: 'headers', which always obeys: %s",
    (given) => {
      expect(() => define({ freshness: 'headers', honourRequestDirectives: given })).toThrow(
        "Refused.find has freshness: 'headers' and honourRequestDirectives. What clients ask for is always obeyed there: remove",
      );
    },
  );

  it('is true or left out', () => {
    expect(() => define({ ttl: 60, honourRequestDirectives: 'yes' })).toThrow(
      "Refused.find: honourRequestDirectives is 'yes'. Write true, or leave it out.",
    );
  });
});
