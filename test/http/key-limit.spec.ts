import { Controller, Get, Header, Headers, NotFoundException, Query } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  type CacheResponseOptions,
  memoryStore,
  type KeyLimitOption,
} from '../../lib/index.js';
import { platforms, start, type Answer, type TestApplication } from './support/application.js';

let handled = 0;

@Controller()
class Lists {
  @Get('list') @CacheResponse({ ttl: 600, keyLimit: { keys: 2, window: '1m' } }) list(): number {
    return ++handled;
  }
  @Get('other') @CacheResponse(600) other(): number {
    return ++handled;
  }
  @Get('by-headers')
  @CacheResponse({ freshness: 'headers', keyLimit: { keys: 2, window: '1m' } })
  @Header('Cache-Control', 'max-age=600')
  byHeaders(): number {
    return ++handled;
  }
  @Get('fleeting')
  @CacheResponse({ freshness: 'headers', keyLimit: { keys: 2, window: '1m' } })
  @Header('Cache-Control', 'no-store')
  fleeting(): number {
    return ++handled;
  }
  @Get('varied')
  @CacheResponse({ ttl: 600, keyLimit: { keys: 2, window: '1m' } })
  @Header('Vary', 'X-One')
  varied(@Headers('x-one') one: string): string {
    return `${one} ${++handled}`;
  }
  @Get('missing') @CacheResponse({ ttl: 600, keyLimit: { keys: 1, window: '1m' } }) missing(
    @Query('id') id: string,
  ): number {
    if (id !== '1') throw new NotFoundException();
    return ++handled;
  }
  @Get('short') @CacheResponse({ ttl: 10, keyLimit: { keys: 2, window: '1h' } }) short(): number {
    return ++handled;
  }
  @Get('free') @CacheResponse({ ttl: 600, keyLimit: false }) free(): number {
    return ++handled;
  }
}

const REFUSED = 'restflow; fwd=uri-miss; detail=key-limit';

describe.each(platforms)('keyLimit on %s', (platform) => {
  let app: TestApplication;
  const boot = async (keyLimit?: KeyLimitOption): Promise<void> => {
    app = await start(platform, { controllers: [Lists], cache: { keyLimit } });
  };
  beforeEach(() => {
    handled = 0;
  });
  afterEach(() => app.close());
  const ask = (path: string, ids: readonly number[]): Promise<Answer[]> =>
    ids.reduce<Promise<Answer[]>>(
      async (before, id) => [...(await before), await app.get(`${path}?id=${id}`)],
      Promise.resolve([]),
    );
  const caches = async (path: string, ids: readonly number[]): Promise<unknown[]> =>
    (await ask(path, ids)).map(({ cache }) => cache);

  it.each(['/list', '/by-headers'])(
    '%s stores so many keys and answers the others uncached',
    async (path) => {
      await boot();
      await ask(path, [1, 2]);
      const [first, second] = await ask(path, [3, 3]);
      expect([first!.status, first!.headers['cache-status'], second!.body]).toEqual([200, REFUSED, '4']);
      expect(await caches(path, [1, 2, 3])).toEqual(['HIT', 'HIT', 'MISS']);
    },
  );

  it.each(['/list', '/by-headers'])('%s stores again when the window is over', async (path) => {
    await boot();
    await ask(path, [1, 2, 3]);
    app.clock.advance(59);
    expect(await caches(path, [4, 4])).toEqual(['MISS', 'MISS']);
    app.clock.advance(1);
    expect(await caches(path, [4, 4])).toEqual(['MISS', 'HIT']);
  });

  it('logs its advice once', async () => {
    await boot();
    await ask('/list', [1, 2, 3, 4, 5]);
    expect(app.complaints).toHaveLength(1);
    expect(app.complaints[0]).toMatch(
      /Lists\.list .*more than 2 keys within 60 seconds.*query: \['page'\].*keyLimit: \{ keys: 20/,
    );
  });

  it('stores a key again that was dropped in the window', async () => {
    await boot();
    await ask('/list', [1, 2, 3]);
    await app.cache.for(Lists, 'list').invalidateAll();
    expect(await caches('/list', [1, 2, 3, 1, 2, 3])).toEqual(['MISS', 'MISS', 'MISS', 'HIT', 'HIT', 'MISS']);
  });

  it('stores a stale key again, however many keys there were', async () => {
    await boot();
    await ask('/short', [1, 2, 3]);
    app.clock.advance(11);
    expect(await caches('/short', [1, 2, 3, 1, 2, 3])).toEqual([
      'MISS',
      'MISS',
      'MISS',
      'HIT',
      'HIT',
      'MISS',
    ]);
  });

  it('counts the variants of a response', async () => {
    await boot();
    const status = async (one: string): Promise<unknown> =>
      (await app.get('/varied', { headers: { 'x-one': one } })).headers['cache-status'];
    for (const one of ['a', 'b']) expect(await status(one)).toMatch(/stored$/);
    expect(await status('c')).toBe('restflow; fwd=vary-miss; detail=key-limit');
    expect(await status('b')).toBe('restflow; hit; ttl=600');
  });

  it('does not count answers that are not stored for other reasons', async () => {
    await boot();
    await ask('/missing', [2, 3, 4, 5]);
    expect(await caches('/missing', [1, 1])).toEqual(['MISS', 'HIT']);
    const answers = await ask('/fleeting', [1, 2, 3]);
    expect(answers.map(({ headers }) => headers['cache-status'])).toEqual(
      Array(3).fill('restflow; fwd=uri-miss'),
    );
  });

  it('is each route’s own', async () => {
    await boot({ keys: 1, window: 60 });
    await ask('/list', [1, 2, 3]);
    expect(await caches('/other', [1, 1, 2, 2])).toEqual(['MISS', 'HIT', 'MISS', 'MISS']);
  });

  it('is lifted by false', async () => {
    await boot({ keys: 1, window: '1m' });
    await ask('/free', [1, 2, 3]);
    expect(await caches('/free', [1, 2, 3])).toEqual(['HIT', 'HIT', 'HIT']);
  });

  it('counts nothing while the store does not answer', async () => {
    const store = memoryStore();
    const { get } = store;
    app = await start(platform, { controllers: [Lists], cache: { store } });
    store.get = () => {
      throw new Error('down');
    };
    await ask('/list', [1, 2, 3]);
    store.get = get;
    expect(await caches('/list', [4, 5, 4, 5])).toEqual(['MISS', 'MISS', 'HIT', 'HIT']);
  });

  it('bounds the entries of a client that invents parameters', async () => {
    const store = memoryStore() as ReturnType<typeof memoryStore> & { size: { entries: number } };
    app = await start(platform, {
      controllers: [Lists],
      cache: { store, keyLimit: { keys: 20, window: '1m' } },
    });
    await Promise.all(Array.from({ length: 100 }, (_, id) => app.get(`/other?id=${id}`)));
    expect(store.size.entries).toBe(20);
  });
});

it.each([
  [0],
  [{ keys: 0, window: '1m' }],
  [{ keys: 5 }],
  [{ keys: 5, window: null }],
  [{ keys: 5, window: 0 }],
  [null],
  [true],
])('keyLimit refuses %j', (keyLimit) => {
  const decorate = CacheResponse({ keyLimit } as unknown as CacheResponseOptions);
  expect(() => decorate(Lists.prototype, 'unknown', { value: () => undefined })).toThrow(
    /keyLimit of Lists\.unknown.*keys: 10000/,
  );
});
