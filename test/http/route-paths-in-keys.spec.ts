import { Controller, Get, Module } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, memoryStore } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

let handled = 0;
let running: TestApplication[] = [];
afterEach(async () => {
  for (const one of running) await one.close();
  running = [];
  handled = 0;
});

/** Two classes of one name and one source: only their paths tell them apart. */
function listing(path: string): new () => object {
  @Controller(path)
  class List {
    @Get('all') @CacheResponse(60) all(): string {
      return `${++handled}`;
    }
  }
  return List;
}

@Controller('list')
class Mounted {
  @Get('all') @CacheResponse(60) all(): string {
    return `${++handled}`;
  }
}
@Module({ controllers: [Mounted] })
class First {}
@Module({ controllers: [Mounted] })
class Second {}

describe.each(platforms)('the path stands in the default key of a response, on %s:', (platform) => {
  it('two controllers of one name under two paths never share', async () => {
    const store = memoryStore();
    const cache = { store, application: 'shop' };
    for (const path of ['users', 'orders'])
      running.push(await start(platform, { controllers: [listing(path)], cache }));
    const [users, orders] = running as [TestApplication, TestApplication];
    const headers = { host: 'shop.test' };
    expect((await users.get('/users/all', { headers })).body).toBe('1');
    expect((await orders.get('/orders/all', { headers })).body).toBe('2');
    expect((await users.get('/users/all', { headers })).cache).toBe('HIT');
  });

  it('one controller that two modules mount never shares', async () => {
    const routes = RouterModule.register([
      { path: 'a', module: First },
      { path: 'b', module: Second },
    ]);
    running.push(await start(platform, { imports: [First, Second, routes] }));
    const [app] = running as [TestApplication];
    expect([(await app.get('/a/list/all')).body, (await app.get('/b/list/all')).body]).toEqual(['1', '2']);
    expect((await app.get('/a/list/all')).body).toBe('1');
  });

  it('a description of a request has the key that the request has', async () => {
    running.push(
      await start(platform, { controllers: [Mounted], setup: (app) => void app.setGlobalPrefix('api') }),
    );
    const [app] = running as [TestApplication];
    await app.get('/api/list/all', { headers: { host: 'shop.test' } });
    const metadata = await app.cache
      .for(Mounted, 'all')
      .getCachedMetadata({ headers: { host: 'shop.test' } });
    expect(metadata?.cacheStatus).toBe('HIT');
  });
});
