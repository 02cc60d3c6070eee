import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CallHandler, Controller, Get, Injectable, Param, UseInterceptors } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { CacheResponse, CacheResult, type CacheStore, memoryStore } from '../../lib/index.js';
import { redisStore } from '../../lib/redis.js';
import { serverUrl } from '../servers/url.js';
import { uniqueName } from '../support/unique.js';
import { gate, platforms, type PlatformName, start, type TestApplication } from './support/application.js';

const storage = new AsyncLocalStorage<{ readonly tenant: unknown }>();
let handled = 0;
let door: Promise<void> | undefined;

@Injectable()
class Service {
  @CacheResult(60)
  async find(id: string): Promise<string> {
    await door;
    return `${String(storage.getStore()?.tenant)}/${id} ${++handled}`;
  }
}

const passing = { intercept: (_: unknown, next: CallHandler) => next.handle() };

@Controller()
class Shop {
  constructor(private readonly service: Service) {}

  @Get('own/:id') @CacheResponse(60) own(@Param('id') id: string): Promise<string> {
    return this.service.find(`own ${id}`);
  }
  @Get('plain/:id') plain(@Param('id') id: string): Promise<string> {
    return this.service.find(id);
  }
  @Get('wrapped') @UseInterceptors(passing) @CacheResponse(60) wrapped(): Promise<string> {
    return this.service.find('wrapped');
  }
}

/** The tenant is told by the path that middleware strips: nothing of the request that handlers see names it. */
function enterTenant(app: INestApplication): void {
  app.use((request: { headers: Record<string, string> }, _: unknown, next: () => void) => {
    const tenant = request.headers['x-test-tenant'];
    delete request.headers['x-test-tenant'];
    storage.run({ tenant }, next);
  });
}

const stores: Record<string, () => CacheStore> = {
  memory: () => memoryStore(),
  redis: () => redisStore({ url: serverUrl('redis'), timeout: 5_000 }),
};

describe.each(
  platforms.flatMap((platform) => Object.keys(stores).map((store) => [platform, store] as const)),
)('with keyContext, on %s and %s,', (platform: PlatformName, store: string) => {
  let app: TestApplication;
  const as = (tenant: string, path: string) => app.get(path, { headers: { 'x-test-tenant': tenant } });

  beforeEach(async () => {
    handled = 0;
    door = undefined;
    app = await start(platform, {
      controllers: [Shop],
      providers: [Service],
      setup: enterTenant,
      cache: {
        namespace: uniqueName('contexts'),
        store: stores[store]!(),
        keyContext: () => ({ tenant: storage.getStore()?.tenant }),
      },
    });
  });
  afterEach(() => app.close());

  it.each(['/own/1', '/plain/1', '/wrapped'])('tenants never share %s', async (path) => {
    const first = [await as('a', path), await as('b', path)];
    expect(first.map(({ body }) => body[0])).toEqual(['a', 'b']);
    const again = [await as('a', path), await as('b', path)];
    expect(again.map(({ body }) => body)).toEqual(first.map(({ body }) => body));
    expect(handled).toBe(2);
  });

  it.each(['/own/1', '/plain/1'])('concurrent requests of tenants never share %s', async (path) => {
    const held = gate();
    door = held.promise;
    const answers = ['a', 'b', 'a', 'c', 'b'].map((tenant) => as(tenant, path));
    await app.held(5);
    held.open();
    const bodies = (await Promise.all(answers)).map(({ body }) => body[0]);
    expect(bodies).toEqual(['a', 'b', 'a', 'c', 'b']);
    expect(handled).toBe(3);
  });

  it('drops the entries of one tenant alone, and by a description of the request those of all', async () => {
    const all = () => Promise.all(['a', 'b'].map((tenant) => as(tenant, '/own/1')));
    await all();
    await app.cache.for(Shop, 'own').deletePartition({ tenant: 'a' });
    expect((await all()).map(({ cache }) => cache)).toEqual(['MISS', 'HIT']);
    await app.cache.for(Shop, 'own').deleteCache({ params: { id: '1' } });
    expect((await all()).map(({ cache }) => cache)).toEqual(['MISS', 'MISS']);
  });
});

it.each(platforms)(
  'on %s a request whose context cannot be read bypasses the cache, and is answered',
  async (platform) => {
    const app = await start(platform, {
      controllers: [Shop],
      providers: [Service],
      cache: { keyContext: () => ({ tenant: storage.getStore()!.tenant }) },
    });
    expect((await app.get('/own/1')).cache).toBe('BYPASS');
    expect((await app.get('/own/1')).status).toBe(200);
    expect(app.complaints.filter((line) => line.includes('keyContext'))).toHaveLength(2);
    await app.close();
  },
);
