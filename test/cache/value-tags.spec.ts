import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  CacheConfigurationError,
  CacheResult,
  CacheService,
  memoryStore,
  type CacheStore,
} from '../../lib/index.js';
import type { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../lib/cache/runtime-token.js';
import type { TestApplication } from '../support/application.js';
import { Gate } from '../support/gate.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { SharedMemory } from '../support/shared-memory.js';
import { Applications } from './support/methods.js';

interface Order {
  readonly id: number;
  readonly state: string;
}

const tagsOf = (orders: readonly Order[]): string[] => orders.map(({ id }) => `order:${id}`);

@Injectable()
class Orders {
  readonly rows = new Map<number, Order>();
  /** Between the read and the end of a load. */
  afterRead: () => Promise<void> = async () => undefined;

  constructor(private readonly cache: CacheService) {}

  @CacheResult({ valueTags: tagsOf })
  async byValue(): Promise<Order[]> {
    return this.#read();
  }

  @CacheResult()
  async byHand(): Promise<Order[]> {
    const orders = await this.#read();
    this.cache.tag(...tagsOf(orders));
    return orders;
  }

  async byKey(): Promise<Order[]> {
    return this.cache.getOrSet('orders', () => this.#read(), { valueTags: tagsOf });
  }

  @CacheResult()
  async outer(): Promise<Order[]> {
    return this.byValue();
  }

  @CacheResult({ valueTags: () => 'orders' as never })
  async wrong(): Promise<number> {
    return 1;
  }

  async #read(): Promise<Order[]> {
    const orders = [...this.rows.values()];
    await this.afterRead();
    return orders;
  }
}

const { start, close } = new Applications();
afterEach(close);

const stores: readonly (readonly [string, () => CacheStore])[] = [
  ['memory', () => memoryStore()],
  ['a shared store without a log of invalidations', () => new SharedMemory()],
];

const methods = ['byValue', 'byHand', 'byKey', 'outer'] as const;

async function startOrders(store: CacheStore): Promise<[TestApplication, Orders]> {
  const app = await start([Orders], { store, dataSources: false });
  const orders = app.get(Orders);
  for (const id of [1, 2, 3]) orders.rows.set(id, { id, state: 'new' });
  return [app, orders];
}

describe.each(stores)('tags made from the value, on %s,', (_name, make) => {
  it.each(methods)('of %s drop it with any row that it shows, and with no other', async (method) => {
    const [app, orders] = await startOrders(make());
    // The first loads show which tags there are.
    for (let i = 0; i < 2; i++) await orders[method]();
    orders.rows.set(2, { id: 2, state: 'paid' });
    await app.cache.invalidateTags(['order:9']);
    expect((await orders[method]())[1]!.state).toBe('new');
    await app.cache.invalidateTags(['order:2']);
    expect((await orders[method]())[1]!.state).toBe('paid');
  });

  it.each(methods)('of %s fence it: a change during its load is not overwritten', async (method) => {
    const [app, orders] = await startOrders(make());
    for (let i = 0; i < 2; i++) await orders[method]();
    await app.cache.clear();
    const gate = new Gate();
    orders.afterRead = () => gate.pass();
    const early = orders[method]();
    await gate.reached();
    orders.rows.set(3, { id: 3, state: 'paid' });
    await app.cache.invalidateTags(['order:3']);
    gate.open();
    expect((await early)[2]!.state).toBe('new');
    expect((await orders[method]())[2]!.state).toBe('paid');
  });

  it('never leave a value stale under random writes', async () => {
    const rounds = soaked(3_000);
    announce('values with tags of their own are never stale', rounds);
    expect(await staleReads(make(), rounds)).toBe(0);
  });
});

describe('tags made from the value', () => {
  it('would leave values stale if their generations were read at the end of the load alone', async () => {
    expect(await staleReads(memoryStore(), 300, true)).toBeGreaterThan(0);
  });

  it('are refused with the line to write if they are no list of texts', async () => {
    const [app, orders] = await startOrders(memoryStore());
    expect(await orders.wrong()).toBe(1);
    expect(app.log.warnings.join('\n')).toContain(
      'valueTags function of Orders.wrong did not return a list of texts',
    );
    expect(app.cache.metrics().methods).toContainEqual(
      expect.objectContaining({ name: 'Orders.wrong', notStored: 1, refusals: { tags: 1 } }),
    );
    expect(() => app.cache.tag('')).toThrow("tag(['orders'])");
    expect(() => CacheResult({ valueTags: ['orders'] as never })).not.toThrow();
    expect(() => {
      class Wrong {
        @CacheResult({ valueTags: ['orders'] as never }) async list(): Promise<void> {}
      }
      return Wrong;
    }).toThrow(CacheConfigurationError);
  });
});

/** Reads that began after a write had returned and did not show it. */
async function staleReads(store: CacheStore, rounds: number, isNaive = false): Promise<number> {
  const [app, orders] = await startOrders(store);
  if (isNaive) {
    const { learned } = app.module.get<CacheRuntime>(CACHE_RUNTIME, { strict: false }).engine;
    learned.end = (call, load) => {
      const tags = load.context.learned;
      if (tags !== undefined) load.context.learnedStamp = call.target.store.stamp([...tags]) as never;
      return undefined;
    };
  }
  const random = randomNumbers(seed);
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  orders.afterRead = async () => {
    for (let i = random() * 4; i > 0; i--) await turn();
  };
  const written = new Map<number, number>();
  let stale = 0;
  let left = rounds;
  const reader = async (): Promise<void> => {
    while (left-- > 0) {
      const before = new Map(written);
      const list = await orders[methods[Math.floor(random() * methods.length)]!]();
      for (const { id, state } of list) if (Number(state) < (before.get(id) ?? 0)) stale++;
      await turn();
    }
  };
  const writer = async (): Promise<void> => {
    for (let version = 1; left > 0; version++) {
      const id = 1 + Math.floor(random() * 3);
      orders.rows.set(id, { id, state: String(version) });
      await app.cache.invalidateTags([`order:${id}`]);
      written.set(id, version);
      for (let i = random() * 12; i > 0; i--) await turn();
    }
  };
  for (const id of [1, 2, 3]) orders.rows.set(id, { id, state: '0' });
  await Promise.all([reader(), reader(), reader(), writer()]);
  return stale;
}
