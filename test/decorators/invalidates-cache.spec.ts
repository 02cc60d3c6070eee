import { Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { of, type Observable } from 'rxjs';
import {
  ArgsKeyField,
  CacheConfigurationError,
  CacheResult,
  InvalidatesCache,
  KeyConstructor,
} from '../../lib/index.js';
import { TestApplication } from '../support/application.js';

class StockKey extends KeyConstructor {
  sku = new ArgsKeyField('sku', { partition: true });
}

@Injectable()
class StockService {
  loads = 0;

  @CacheResult({ keyConstructor: StockKey, tags: ['stock'] })
  async find(sku: string): Promise<string> {
    return `${sku} ${++this.loads}`;
  }
}

@Injectable()
class Warehouse {
  @InvalidatesCache({ of: StockService, method: 'find', partition: (sku: string) => ({ sku }) })
  async move(sku: string, fail = false): Promise<string> {
    if (fail) throw new Error('no such shelf');
    return `moved ${sku}`;
  }

  @InvalidatesCache({ of: () => StockService, method: 'find' })
  async count(): Promise<void> {}

  @InvalidatesCache({ tags: () => ['stock'] })
  stream(): Observable<number> {
    return of(1);
  }

  @InvalidatesCache({ of: StockService, method: 'find', partition: () => ({ shelf: 1 }) })
  async wrong(): Promise<string> {
    return 'done';
  }
}

describe('@InvalidatesCache', () => {
  let app: TestApplication;
  afterEach(() => app.close());

  const both = (): Promise<string[]> => Promise.all(['a', 'b'].map((sku) => app.get(StockService).find(sku)));

  it('drops a partition after the method succeeded, before its caller goes on', async () => {
    app = await TestApplication.start([StockService, Warehouse]);
    expect(await both()).toEqual(['a 1', 'b 2']);
    expect(await app.get(Warehouse).move('a')).toBe('moved a');
    expect(await both()).toEqual(['a 3', 'b 2']);
  });

  it('drops nothing when the method throws', async () => {
    app = await TestApplication.start([StockService, Warehouse]);
    await both();
    await expect(app.get(Warehouse).move('a', true)).rejects.toThrow('no such shelf');
    expect(await both()).toEqual(['a 1', 'b 2']);
  });

  it('drops all of a method, and tags, also behind an Observable', async () => {
    app = await TestApplication.start([StockService, Warehouse]);
    await both();
    await app.get(Warehouse).count();
    expect(await both()).toEqual(['a 3', 'b 4']);
    app.get(Warehouse).stream().subscribe();
    expect(await both()).toEqual(['a 5', 'b 6']);
  });

  it('does not fail a method for an invalidation that cannot be carried out', async () => {
    app = await TestApplication.start([StockService, Warehouse]);
    expect(await app.get(Warehouse).wrong()).toBe('done');
    expect(app.log.errors.join()).toContain('shelf');
  });

  it('refuses to boot for a method that is not cached here', async () => {
    await expect(TestApplication.start([Warehouse])).rejects.toThrow(CacheConfigurationError);
    await expect(TestApplication.start([Warehouse])).rejects.toThrow(
      /Warehouse\.move names StockService\.find/,
    );
    app = await TestApplication.start([]);
  });

  it('refuses a decorator that says nothing', async () => {
    expect(() => InvalidatesCache({})(Warehouse.prototype, 'count', { value: () => 1 })).toThrow(
      /Warehouse\.count does not say/,
    );
    app = await TestApplication.start([]);
  });
});
