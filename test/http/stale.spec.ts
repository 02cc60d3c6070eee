import { Controller, Get, Head, NotFoundException, Param, Req, type CanActivate } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CacheResponse,
  KeyConstructor,
  memoryStore,
  RequestValueKeyField,
  RouteParamsKeyField,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import type { Lease } from '../../lib/stores/store.interface.js';
import { serverUrl } from '../servers/url.js';
import { gate, platforms, start, until, type Answer, type TestApplication } from './support/application.js';

let asked = 0;
let guarded = 0;
let answer: (turn: number) => unknown;
const handle = async (): Promise<unknown> => answer(++asked);

class UserKey extends KeyConstructor {
  params = new RouteParamsKeyField('*');
  user = new RequestValueKeyField('headers.authorization');
}

@Controller()
class Rates {
  @Get('while/:id') @CacheResponse({ ttl: 60, staleWhileRevalidate: 30 }) while(): Promise<unknown> {
    return handle();
  }
  @Get('error/:id') @CacheResponse({ ttl: 60, staleIfError: 600 }) error(): Promise<unknown> {
    return handle();
  }
  @Get('soft/:id')
  @CacheResponse({ ttl: 60, staleIfError: 600, softTimeout: '20ms' })
  soft(): Promise<unknown> {
    return handle();
  }
  @Get('hard/:id') @CacheResponse({ ttl: 60, hardTimeout: '50ms' }) hard(): Promise<unknown> {
    return handle();
  }
  @Get('ahead/:id') @CacheResponse({ ttl: 100, refreshAhead: 0.8 }) ahead(): Promise<unknown> {
    return handle();
  }
  @Get('mine/:id')
  @CacheResponse({ ttl: 60, staleWhileRevalidate: 30, keyConstructor: UserKey })
  async mine(
    @Req() { headers }: { headers: Record<string, string> },
    @Param('id') id: string,
  ): Promise<string> {
    return `${id} of ${headers['authorization']} ${String(await handle())}`;
  }
  @Get('fleet/:id')
  @CacheResponse({ ttl: 60, refreshAhead: 0.5, lock: 'distributed' })
  fleet(): Promise<unknown> {
    return handle();
  }
  @Get('turn/:id')
  @CacheResponse({ ttl: 60, lock: 'distributed', hardTimeout: '50ms' })
  turn(): Promise<unknown> {
    return handle();
  }
  @Head('none') none(): void {}
}

class CountingGuard implements CanActivate {
  canActivate(): boolean {
    guarded++;
    return true;
  }
}

const told = ({ body, cache }: Answer): string => `${cache} ${body}`;

beforeEach(() => {
  asked = guarded = 0;
  answer = (turn) => `answer ${turn}`;
});

describe.each(platforms)('a response past its lifetime on %s', (platform) => {
  let running: TestApplication;
  const run = (cache: RestflowCacheOptions = {}): Promise<TestApplication> =>
    start(platform, {
      controllers: [Rates],
      providers: [{ provide: APP_GUARD, useClass: CountingGuard }],
      cache,
    });
  beforeEach(async () => {
    running = await run();
  });
  afterEach(() => running.close());
  const get: TestApplication['get'] = (...args) => running.get(...args);

  describe('with staleWhileRevalidate', () => {
    it('is served without waiting, while one background request runs the handler', async () => {
      await get('/while/1');
      running.clock.advance(70);
      const door = gate();
      answer = async (turn) => door.promise.then(() => `answer ${turn}`);
      for (const one of await Promise.all([get('/while/1'), get('/while/1'), get('/while/1')]))
        expect(told(one)).toBe('STALE answer 1');
      await until(() => asked === 2);
      door.open();
      await until(() => guarded === 5);
      const fresh = await get('/while/1');
      expect(fresh.body).toBe('answer 2');
      expect(asked).toBe(2);
    });

    it('is served while the handler fails, which runs again after a pause', async () => {
      await get('/while/1');
      running.clock.advance(70);
      answer = () => {
        throw new Error('the database is away');
      };
      for (let reads = 1; reads < 4; reads++) {
        expect(told(await get('/while/1'))).toBe('STALE answer 1');
        await until(() => asked === 2);
        await until(() => guarded === 2 + reads);
      }
      running.clock.advance(1);
      answer = (turn) => `answer ${turn}`;
      expect(told(await get('/while/1'))).toBe('STALE answer 1');
      await until(() => asked === 3);
    });

    it('says how stale it is', async () => {
      await get('/while/1');
      running.clock.advance(70);
      const { headers } = await get('/while/1');
      expect(headers['cache-status']).toBe('restflow; hit; ttl=-10');
      expect(headers['age']).toBe('70');
    });

    it('is not served once the window is over', async () => {
      await get('/while/1');
      running.clock.advance(91);
      expect(told(await get('/while/1'))).toBe('MISS answer 2');
    });

    it('is not served after it was purged', async () => {
      await get('/while/1');
      running.clock.advance(70);
      await running.cache.for(Rates, 'while').invalidateAll();
      expect(told(await get('/while/1'))).toBe('MISS answer 2');
    });

    it('answers a HEAD, and is loaded again by a GET', async () => {
      await get('/while/1');
      running.clock.advance(70);
      const head = await get('/while/1', { method: 'HEAD' });
      expect(head.cache).toBe('STALE');
      await until(() => asked === 2);
      expect((await get('/while/1')).body).toBe('answer 2');
    });

    it('is loaded again with the credentials of its own user', async () => {
      const as = (user: string): Promise<Answer> => get('/mine/7', { headers: { authorization: user } });
      await as('ann');
      await as('bob');
      running.clock.advance(70);
      expect(told(await as('ann'))).toBe('STALE 7 of ann answer 1');
      await until(() => asked === 3);
      const fresh = await as('ann');
      expect(fresh.body).toBe('7 of ann answer 3');
      expect(told(await as('bob'))).toBe('STALE 7 of bob answer 2');
    });
  });

  describe('with staleIfError', () => {
    it('replaces the error of a handler that throws, which is logged', async () => {
      await get('/error/1');
      running.clock.advance(70);
      answer = () => {
        throw new Error('the database is away');
      };
      const stale = await get('/error/1');
      expect(told(stale)).toBe('STALE answer 1');
      expect(stale.headers['cache-status']).toBe('restflow; fwd=stale; fwd-status=500; ttl=-10');
      expect(running.complaints.join('\n')).toContain('Rates.error failed, a stale response was served');
    });

    it('does not replace an error that the handler sends on purpose', async () => {
      await get('/error/1');
      running.clock.advance(70);
      answer = () => {
        throw new NotFoundException();
      };
      expect((await get('/error/1')).status).toBe(404);
    });

    it('gives way to the new answer', async () => {
      await get('/error/1');
      running.clock.advance(70);
      expect(told(await get('/error/1'))).toBe('MISS answer 2');
      expect(told(await get('/error/1'))).toBe('HIT answer 2');
      expect(asked).toBe(2);
    });

    it('is not served after a purge, even one while the handler runs', async () => {
      await get('/error/1');
      running.clock.advance(70);
      const door = gate();
      answer = async () => {
        await door.promise;
        throw new Error('away');
      };
      const waiting = get('/error/1');
      await until(() => asked === 2);
      await running.cache.for(Rates, 'error').invalidateAll();
      door.open();
      expect((await waiting).status).toBe(500);
    });
  });

  it('is served when the handler takes longer than softTimeout, whose answer is stored when it comes', async () => {
    await get('/soft/1');
    running.clock.advance(70);
    const door = gate();
    answer = async (turn) => door.promise.then(() => `answer ${turn}`);
    expect(told(await get('/soft/1'))).toBe('STALE answer 1');
    expect(asked).toBe(2);
    door.open();
    expect((await get('/soft/1')).body).toBe('answer 2');
    expect(asked).toBe(2);
  });
});

describe.each(platforms)('a handler on %s', (platform) => {
  it('that takes longer than hardTimeout is given up with 503, for those who wait for it too', async () => {
    const running = await start(platform, { controllers: [Rates] });
    const door = gate();
    answer = async (turn) => door.promise.then(() => `late ${turn}`);
    const answers = await Promise.all([running.get('/hard/1'), running.get('/hard/1')]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    door.open();
    answer = (turn) => `answer ${turn}`;
    const next = await running.get('/hard/1');
    expect(next.status).toBe(200);
    expect(next.body).toMatch(/^answer/);
    await running.close();
  });

  it('whose turn does not come within hardTimeout is asked by the next request, and gives its turn back', async () => {
    const leases = { held: true, out: 0 };
    const acquire = async (): Promise<Lease | undefined> => {
      if (leases.held) return undefined;
      leases.out++;
      return { release: async () => void leases.out-- };
    };
    const store = Object.assign(memoryStore(), { acquire });
    const running = await start(platform, { controllers: [Rates], cache: { store } });
    expect((await running.get('/turn/1')).status).toBe(503);
    leases.held = false;
    expect(told(await running.get('/turn/1'))).toBe('MISS answer 1');
    expect(told(await running.get('/turn/1'))).toBe('HIT answer 1');
    await until(() => leases.out === 0);
    await running.close();
  });

  it('with no place within hardTimeout is asked by the next request, and leaves its place', async () => {
    const store = Object.assign(memoryStore(), {
      get: () => Promise.reject(new Error('The store is away.')),
    });
    const running = await start(platform, { controllers: [Rates], cache: { store, maxLoadsWhenDown: 1 } });
    const door = gate();
    answer = async (turn) => door.promise.then(() => `answer ${turn}`);
    const first = running.get('/while/1');
    await until(() => asked === 1);
    expect((await running.get('/hard/1')).status).toBe(503);
    door.open();
    await first;
    answer = (turn) => `answer ${turn}`;
    expect((await running.get('/hard/1')).status).toBe(200);
    expect((await running.get('/hard/2')).status).toBe(200);
    await running.close();
  });

  it('runs ahead of time with refreshAhead, while all requests get the fresh response', async () => {
    const running = await start(platform, { controllers: [Rates] });
    await running.get('/ahead/1');
    running.clock.advance(79);
    expect(told(await running.get('/ahead/1'))).toBe('HIT answer 1');
    expect(asked).toBe(1);
    running.clock.advance(2);
    expect(told(await running.get('/ahead/1'))).toBe('HIT answer 1');
    await until(async () => (await running.get('/ahead/1')).body === 'answer 2');
    expect(asked).toBe(2);
    running.clock.advance(50);
    expect((await running.get('/ahead/1')).body).toBe('answer 2');
    await running.close();
  });

  it('runs in one process of the fleet with lock: distributed', async () => {
    const namespace = `stale-${platform}-${process.pid}`;
    const cache = (): RestflowCacheOptions => ({ namespace, store: redisStore({ url: serverUrl('redis') }) });
    const fleet = [
      await start(platform, { controllers: [Rates], cache: cache() }),
      await start(platform, { controllers: [Rates], cache: cache() }),
    ];
    // One host for both, as behind a load balancer: it stands in the key.
    const ask = (one: TestApplication): Promise<Answer> => one.get('/fleet/1', { headers: { host: 'shop' } });
    const door = gate();
    answer = async (turn) => door.promise.then(() => `answer ${turn}`);
    const waiting = fleet.map(ask);
    await until(() => asked === 1);
    door.open();
    for (const one of await Promise.all(waiting)) expect(one.body).toBe('answer 1');
    expect(asked).toBe(1);
    for (const { clock } of fleet) clock.advance(40);
    const before = gate();
    answer = async (turn) => before.promise.then(() => `answer ${turn}`);
    for (const one of fleet) expect(told(await ask(one))).toBe('HIT answer 1');
    await until(() => asked === 2);
    before.open();
    for (const one of fleet) await one.close();
    expect(asked).toBe(2);
  });
});
