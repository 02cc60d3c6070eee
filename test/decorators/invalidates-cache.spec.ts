import { Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { firstValueFrom, lastValueFrom, of, type Observable } from 'rxjs';
import {
  ArgsKeyField,
  CacheConfigurationError,
  CacheResult,
  InvalidatesCache,
  KeyConstructor,
  memoryStore,
  type CacheStore,
} from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { Gate, settled } from '../support/gate.js';

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

  it('drops before an Observable emits its first value, and again when it completes', async () => {
    const memory = memoryStore();
    const gate = new Gate();
    // A store that takes a while, as one on the network does.
    const bump: CacheStore['bump'] = (tags, mode) => gate.pass().then(() => memory.bump(tags, mode));
    const store = new Proxy(memory, {
      get: (target, name) => {
        if (name === 'bump') return bump;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    app = await TestApplication.start([StockService, Warehouse], { store });
    await both();
    const seen: unknown[] = [];
    const first = firstValueFrom(app.get(Warehouse).stream()).then((value) => seen.push(value));
    await gate.reached();
    await settled();
    expect(seen).toEqual([]);
    gate.next();
    await first;
    expect(await both()).toEqual(['a 3', 'b 4']);
    const last = lastValueFrom(app.get(Warehouse).stream()).then((value) => seen.push(value));
    await gate.reached(2);
    gate.next();
    await gate.reached(3);
    await settled();
    expect(seen).toEqual([1]);
    gate.open();
    await last;
    expect(await both()).toEqual(['a 5', 'b 6']);
  });

  it('logs that it cannot invalidate on an instance that Nest did not create', async () => {
    app = await TestApplication.start([StockService, Warehouse]);
    const warehouse = new Warehouse();
    expect([await warehouse.move('a'), await warehouse.move('a')]).toEqual(['moved a', 'moved a']);
    expect(app.log.warnings).toEqual([
      expect.stringContaining('Warehouse.move invalidates nothing on an instance that Nest did not create'),
    ]);
  });

  it('refuses accessors and properties', async () => {
    const accessor = { get: () => 1, configurable: true };
    expect(() => InvalidatesCache({ tags: ['a'] })(Warehouse.prototype, 'size', accessor)).toThrow(
      /Warehouse\.size: only methods can invalidate/,
    );
    app = await TestApplication.start([]);
  });

  it('does not fail a method whose invalidation fails', async () => {
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

  it.each<[object | undefined, RegExp]>([
    [undefined, /Warehouse\.count: the options are undefined/],
    [{ of: 'StockService', method: 'find' }, /of is 'StockService'\. Write the class, or \(\) => Class/],
    [
      { of: StockService, method: 'find', partition: { sku: 1 } },
      /partition is an object\. Write a function/,
    ],
    [{ tags: 'stock' }, /tags is 'stock'\. Write a list of texts/],
    [{ tags: ['stock'], tag: 1 }, /unknown option tag\. Did you mean tags\? Known options: of, method/],
    [{ tags: ['stock'], partition: () => ({}) }, /Warehouse\.count does not say what to drop/],
  ])('refuses %j', async (options, message) => {
    expect(() =>
      InvalidatesCache(options as never)(Warehouse.prototype, 'count', { value: () => 1 }),
    ).toThrow(message);
    app = await TestApplication.start([]);
  });

  it('logs which tags function did not return a list, and does not fail the method', async () => {
    @Injectable()
    class Depot {
      @InvalidatesCache({ tags: (() => 'stock') as never })
      async move(): Promise<string> {
        return 'done';
      }
    }
    app = await TestApplication.start([Depot]);
    expect(await app.get(Depot).move()).toBe('done');
    expect(app.log.errors.join()).toMatch(
      /tags function of @InvalidatesCache\(\) on Depot\.move did not return a list/,
    );
  });

  it('refuses to boot for a class that is undefined because of a circular import', async () => {
    @Injectable()
    class Depot {
      @InvalidatesCache({ of: (() => undefined) as never, method: 'find' as never })
      async move(): Promise<void> {}
    }
    await expect(TestApplication.start([Depot])).rejects.toThrow(/Depot\.move names undefined\.find/);
    app = await TestApplication.start([]);
  });

  it('refuses a decorator without options', async () => {
    expect(() => InvalidatesCache({})(Warehouse.prototype, 'count', { value: () => 1 })).toThrow(
      /Warehouse\.count does not say/,
    );
    app = await TestApplication.start([]);
  });
});
