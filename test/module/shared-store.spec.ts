import { describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { CacheService, type CacheStore, memoryStore, RestflowCacheModule } from '../../lib/index.js';

function countingStore(): { store: CacheStore; closed: () => number } {
  let closed = 0;
  const store: CacheStore = Object.assign(memoryStore(), { close: () => void closed++ });
  return { store, closed: () => closed };
}

async function boot(store: CacheStore, others: Record<string, CacheStore> = {}): Promise<TestingModule> {
  const module = await Test.createTestingModule({
    imports: [RestflowCacheModule.forRoot({ store, stores: others, dataSources: false })],
  }).compile();
  return module.init();
}

describe('a store that several applications use', () => {
  it('is closed by the last of them that ends, and serves until then', async () => {
    const { store, closed } = countingStore();
    const [first, second] = [await boot(store), await boot(store)];
    await first.close();
    expect(closed()).toBe(0);
    const cache = second.get(CacheService);
    await cache.set('greeting', 'hello', { ttl: '1m' });
    expect(await cache.get('greeting')).toBe('hello');
    await second.close();
    expect(closed()).toBe(1);
  });

  it('is closed once by an application that uses it under two names', async () => {
    const { store, closed } = countingStore();
    const app = await boot(store, { bulk: store });
    await app.close();
    expect(closed()).toBe(1);
  });

  it('is closed again when it was used again after its end', async () => {
    const { store, closed } = countingStore();
    for (let i = 0; i < 2; i++) await (await boot(store)).close();
    expect(closed()).toBe(2);
  });

  it('is closed by an application that did not come up', async () => {
    const { store, closed } = countingStore();
    const app = await Test.createTestingModule({
      imports: [RestflowCacheModule.forRoot({ store, dataSources: false })],
      providers: [{ provide: 'broken', useValue: { onModuleInit: () => Promise.reject(new Error('no')) } }],
    }).compile();
    await expect(app.init()).rejects.toThrow('no');
    await app.close();
    expect(closed()).toBe(1);
  });
});
