import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import {
  ArgsKeyField,
  CacheResult,
  CacheService,
  type CacheStore,
  type CachedMethod,
  type CacheStatus,
  KeyConstructor,
  RestflowCacheModule,
} from '../../../lib/index.js';
import { Counters } from './counters.js';

class ByShelf extends KeyConstructor {
  shelf = new ArgsKeyField('shelf', { partition: true });
  item = new ArgsKeyField('item', { partition: true });
}

/** What a read brought. */
export interface Reading {
  readonly key: string;
  readonly number: number;
}

@Injectable()
export class Shop {
  constructor(private readonly counters: Counters) {}

  /** Reads the database at once and returns later, so that many a write comes in between. */
  @CacheResult({ ttl: 60, keyConstructor: ByShelf, name: 'Shop.read' })
  async read(shelf: number, item: number): Promise<Reading> {
    const key = `${shelf}/${item}`;
    const number = this.counters.read(key);
    await delay(LOAD_MS);
    return { key, number };
  }
}

/** How long a load takes, in milliseconds. */
export const LOAD_MS = 3;

/** What others than a store said of it; Nest has one logger for all applications. */
export const strayLines: string[] = [];

const note = (line: unknown): void => {
  if (/stor(e|ed)\b/.test(String(line))) strayLines.push(String(line));
};
const LOGGER = { log: () => undefined, warn: note, error: note };

/** An application that caches, and what its store said. */
export class ShopApplication {
  private constructor(
    private readonly module: TestingModule,
    readonly lines: readonly string[],
    readonly method: CachedMethod<[shelf: number, item: number], Reading>,
  ) {}

  static async start(counters: Counters, store: CacheStore): Promise<ShopApplication> {
    const lines: string[] = [];
    const attach = store.attach?.bind(store);
    store.attach = (host) => attach?.({ ...host, log: (line) => lines.push(line) });
    const module = await Test.createTestingModule({
      imports: [RestflowCacheModule.forRoot({ store })],
      providers: [{ provide: Counters, useValue: counters }, Shop],
    })
      .setLogger(LOGGER)
      .compile();
    await module.init();
    return new ShopApplication(module, lines, module.get(CacheService).for(Shop, 'read'));
  }

  async read(
    shelf: number,
    item: number,
  ): Promise<{ readonly number: number; readonly status: CacheStatus }> {
    const [{ number }, { cacheStatus }] = await this.method.getWithMetadata(shelf, item);
    return { number, status: cacheStatus };
  }

  close(): Promise<void> {
    return this.module.close();
  }
}
