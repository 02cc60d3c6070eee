import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Inject, Injectable, Module, Scope, SetMetadata } from '@nestjs/common';
import { ContextIdFactory, ModuleRef } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { CacheResult, CacheService, RestflowCacheModule } from '../../lib/index.js';
import { LogBook, TestApplication } from '../support/application.js';

let running: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of running) await one.close();
  running = [];
});

async function start(...settings: Parameters<typeof TestApplication.start>): Promise<TestApplication> {
  const application = await TestApplication.start(...settings);
  running.push(application);
  return application;
}

/** Counts its own runs. */
@Injectable()
class Counter {
  runs = 0;
  @CacheResult(60)
  async find(id: number): Promise<string> {
    return `${id}:${++this.runs}`;
  }
  async twice(id: number): Promise<string[]> {
    return [await this.find(id), await this.find(id)];
  }
}

describe('@CacheResult works on every kind of provider', () => {
  it('a singleton', async () => {
    const counter = (await start([Counter])).get(Counter);
    expect([await counter.find(1), await counter.find(1), await counter.find(2)]).toEqual([
      '1:1',
      '1:1',
      '2:2',
    ]);
  });

  it('calls through this', async () => {
    const counter = (await start([Counter])).get(Counter);
    expect(await counter.twice(1)).toEqual(['1:1', '1:1']);
  });

  it('request-scoped providers run uncached, unless their values are the same for every caller', async () => {
    let runs = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Private {
      @CacheResult()
      async find(): Promise<number> {
        return ++runs;
      }
    }
    const application = await start([Private]);
    const instance = await application.module.resolve(Private, ContextIdFactory.create());
    expect([await instance.find(), await instance.find()]).toEqual([1, 2]);
    expect(application.log.warnings.filter((line) => line.includes('Private.find'))).toHaveLength(1);
  });

  it('request-scoped providers share what is the same for every caller', async () => {
    let runs = 0;
    @Injectable({ scope: Scope.REQUEST })
    class Scoped {
      @CacheResult({ shared: true })
      async find(id: number): Promise<string> {
        return `${id}:${++runs}`;
      }
    }
    const application = await start([Scoped]);
    const first = await application.module.resolve(Scoped, ContextIdFactory.create());
    const second = await application.module.resolve(Scoped, ContextIdFactory.create());
    expect(first).not.toBe(second);
    expect([await first.find(1), await second.find(1)]).toEqual(['1:1', '1:1']);
    expect(await application.cache.for(first, 'find').get(1)).toBe('1:1');
    await application.cache.for(Scoped, 'find').deleteCache(1);
    expect(await second.find(1)).toBe('1:2');
    await expect(application.cache.for(Scoped, 'find').get(1)).rejects.toMatchObject({
      code: 'CACHE_INSTANCE',
    });
  });

  it('transient providers share what is cached', async () => {
    let runs = 0;
    @Injectable({ scope: Scope.TRANSIENT })
    class Transient {
      @CacheResult()
      async find(id: number): Promise<string> {
        return `${id}:${++runs}`;
      }
    }
    @Injectable()
    class First {
      constructor(readonly own: Transient) {}
    }
    @Injectable()
    class Second {
      constructor(readonly own: Transient) {}
    }
    const application = await start([Transient, First, Second]);
    const [one, other] = [application.get(First).own, application.get(Second).own];
    expect(one).not.toBe(other);
    expect([await one.find(1), await other.find(1)]).toEqual(['1:1', '1:1']);
  });

  it('a class that is provided under another token, and a class that two modules provide', async () => {
    const application = await start([{ provide: 'counter', useClass: Counter }], {}, [
      { module: class Other {}, providers: [Counter], exports: [Counter] },
    ]);
    const other = application.module.get<Counter>('counter');
    expect([await application.get(Counter).find(1), await other.find(1)]).toEqual(['1:1', '1:1']);
  });

  it('a method that is called through the prototype with the instance as this, as GraphQL resolvers are', async () => {
    const application = await start([Counter]);
    const counter = application.get(Counter);
    const callback = Counter.prototype.find;
    expect([await callback.apply(counter, [1]), await callback.call(counter, 1)]).toEqual(['1:1', '1:1']);
  });

  it('an instance made by ModuleRef.create', async () => {
    const application = await start();
    const created = await application.module.get(ModuleRef).create(Counter);
    expect([await created.find(1), await created.find(1)]).toEqual(['1:1', '1:1']);
    await application.cache.for(created, 'find').invalidateAll();
    expect(await created.find(1)).toBe('1:2');
  });
});

describe('@CacheResult on inherited methods', () => {
  abstract class Base {
    runs = 0;
    @CacheResult()
    async find(id: number): Promise<string> {
      return `${this.constructor.name}:${id}:${++this.runs}`;
    }
    @CacheResult({ name: 'named' })
    async named(): Promise<string> {
      return `${this.constructor.name}:${++this.runs}`;
    }
  }
  @Injectable()
  class Left extends Base {}
  @Injectable()
  class Right extends Base {}

  it('two subclasses never share entries, nor do methods with a name', async () => {
    const application = await start([Left, Right]);
    const [left, right] = [application.get(Left), application.get(Right)];
    expect([await left.find(1), await right.find(1), await left.find(1)]).toEqual([
      'Left:1:1',
      'Right:1:1',
      'Left:1:1',
    ]);
    expect([await left.named(), await right.named(), await left.named()]).toEqual([
      'Left:2',
      'Right:2',
      'Left:2',
    ]);
    await application.cache.for(Left, 'find').invalidateAll();
    expect([await left.find(1), await right.find(1)]).toEqual(['Left:1:3', 'Right:1:1']);
  });

  it('a subclass with injected properties of its own', async () => {
    @Injectable()
    class Injected extends Base {
      @Inject(Left) readonly left!: Left;
    }
    const injected = (await start([Left, Injected])).get(Injected);
    expect(injected.left).toBeInstanceOf(Left);
    expect([await injected.find(1), await injected.find(1)]).toEqual(['Injected:1:1', 'Injected:1:1']);
  });

  it('an overriding method that is not cached may call the cached one by super', async () => {
    @Injectable()
    class Overriding extends Base {
      override async find(id: number): Promise<string> {
        return `over ${await super.find(id)}`;
      }
    }
    const application = await start([Overriding]);
    const overriding = application.get(Overriding);
    expect([await overriding.find(1), await overriding.find(1)]).toEqual([
      'over Overriding:1:1',
      'over Overriding:1:1',
    ]);
    expect(application.cache.status().methods.map(({ name }) => name)).toContain('Overriding.Base.find');
    expect(() => application.cache.for(Overriding, 'find')).toThrow(
      expect.objectContaining({ code: 'CACHE_NOT_CACHED' }),
    );
  });

  it('an overriding method that is cached has its own entries', async () => {
    @Injectable()
    class Both extends Base {
      @CacheResult()
      override async find(id: number): Promise<string> {
        return `both ${await super.find(id)} ${++this.runs}`;
      }
    }
    const application = await start([Both]);
    const both = application.get(Both);
    expect([await both.find(1), await both.find(1)]).toEqual(['both Both:1:1 2', 'both Both:1:1 2']);
    await application.cache.for(Both, 'find').invalidateAll();
    expect(await both.find(1)).toBe('both Both:1:1 3');
  });
});

describe('@CacheResult outside of an application', () => {
  it('an instance that code creates with new runs uncached, which is logged once', async () => {
    const { log } = await start([Counter]);
    class ByHand {
      runs = 0;
      @CacheResult()
      async find(id: number): Promise<string> {
        return `${id}:${++this.runs}`;
      }
    }
    const byHand = new ByHand();
    expect([await byHand.find(1), await byHand.find(1), await new ByHand().find(1)]).toEqual([
      '1:1',
      '1:2',
      '1:1',
    ]);
    expect(log.warnings.filter((line) => line.includes('ByHand.find runs uncached'))).toHaveLength(1);
  });

  it('a provider made by a factory runs uncached, which is logged, and values made from it are not stored', async () => {
    class Made {
      runs = 0;
      @CacheResult()
      async find(id: number): Promise<string> {
        return `${id}:${++this.runs}`;
      }
    }
    @Injectable()
    class Outer {
      constructor(private readonly made: Made) {}
      @CacheResult()
      async find(id: number): Promise<string> {
        return `outer ${await this.made.find(id)}`;
      }
    }
    const application = await start([{ provide: Made, useFactory: () => new Made() }, Outer]);
    const made = application.get(Made);
    expect([await made.find(1), await made.find(1)]).toEqual(['1:1', '1:2']);
    expect(application.log.warnings.filter((line) => line.includes('Made.find'))).toHaveLength(1);
    const outer = application.get(Outer);
    expect([await outer.find(1), await outer.find(1)]).toEqual(['outer 1:3', 'outer 1:4']);
  });

  it('works uncached without the module', async () => {
    const module = await Test.createTestingModule({ providers: [Counter] })
      .setLogger(new LogBook())
      .compile();
    running.push(module);
    const counter = module.get(Counter);
    expect([await counter.find(1), await counter.find(1)]).toEqual(['1:1', '1:2']);
  });

  it('a method taken off its instance runs uncached', async () => {
    @Injectable()
    class Free {
      @CacheResult()
      async find(this: void): Promise<string> {
        return 'free';
      }
    }
    const { find } = (await start([Free])).get(Free);
    expect(await find()).toBe('free');
  });
});

it('two applications of one process have separate caches, even with the same module class', async () => {
  @Module({ imports: [RestflowCacheModule.forRoot()], providers: [Counter] })
  class AppModule {}
  const applications = await Promise.all(
    [1, 2].map(async () => {
      const module = await Test.createTestingModule({ imports: [AppModule] })
        .setLogger(new LogBook())
        .compile();
      running.push(module);
      return module.init();
    }),
  );
  const [one, two] = applications.map((application) => application.get(Counter));
  expect([await one!.find(1), await two!.find(1)]).toEqual(['1:1', '1:1']);
  await applications[0]!.get(CacheService).clear();
  expect([await one!.find(1), await two!.find(1)]).toEqual(['1:2', '1:1']);
});

describe('@CacheResult among other decorators', () => {
  const order: string[] = [];
  const Mark =
    (name: string): MethodDecorator =>
    (target, key, descriptor) => {
      order.push(name);
      SetMetadata(`mark:${name}`, name)(target, key, descriptor);
    };
  const Wrap =
    (name: string): MethodDecorator =>
    (_target, _key, descriptor) => {
      const inner = descriptor.value as unknown as (...args: unknown[]) => Promise<string>;
      descriptor.value = async function (this: unknown, ...args: unknown[]) {
        return `${name}(${await inner.apply(this, args)})`;
      } as never;
    };

  it('metadata of decorators above and below is kept, in order', async () => {
    class Stacked {
      @Mark('above')
      @CacheResult()
      @Mark('below')
      async find(_id: number, _page?: number): Promise<void> {}
    }
    expect(order).toEqual(['below', 'above']);
    const { find } = Stacked.prototype;
    expect(Reflect.getMetadata('mark:above', find)).toBe('above');
    expect(Reflect.getMetadata('mark:below', find)).toBe('below');
    expect([find.name, find.length]).toEqual(['find', 2]);
  });

  it('wrappers above run on hits, wrappers below are cached, and the method is found under both', async () => {
    @Injectable()
    class Wrapped {
      runs = 0;
      @Wrap('above')
      @CacheResult()
      @Wrap('below')
      async find(id: number): Promise<string> {
        return `${id}:${++this.runs}`;
      }
    }
    const application = await start([Wrapped]);
    const wrapped = application.get(Wrapped);
    expect([await wrapped.find(1), await wrapped.find(1)]).toEqual([
      'above(below(1:1))',
      'above(below(1:1))',
    ]);
    expect(application.cache.status().methods.map(({ name }) => name)).toEqual(['Wrapped.find']);
    await application.cache.for(Wrapped, 'find').invalidateAll();
    expect(await wrapped.find(1)).toBe('above(below(1:2))');
  });

  it('symbol-named methods, also two with one description under names', async () => {
    const [one, two] = [Symbol('find'), Symbol('find')];
    @Injectable()
    class Symbols {
      runs = 0;
      @CacheResult()
      async [one](id: number): Promise<string> {
        return `one ${id}:${++this.runs}`;
      }
      @CacheResult({ name: 'Symbols.other' })
      async [two](id: number): Promise<string> {
        return `two ${id}:${++this.runs}`;
      }
    }
    const application = await start([Symbols]);
    const symbols = application.get(Symbols);
    expect([await symbols[one](1), await symbols[two](1), await symbols[one](1)]).toEqual([
      'one 1:1',
      'two 1:2',
      'one 1:1',
    ]);
    expect(application.cache.status().methods.map(({ name }) => name)).toEqual([
      'Symbols.Symbol(find)',
      'Symbols.other',
    ]);
  });

  it('overloaded methods', async () => {
    @Injectable()
    class Overloaded {
      runs = 0;
      find(id: number): Promise<string>;
      find(slug: string): Promise<string>;
      @CacheResult()
      async find(key: number | string): Promise<string> {
        return `${typeof key}:${++this.runs}`;
      }
    }
    const overloaded = (await start([Overloaded])).get(Overloaded);
    expect([await overloaded.find(1), await overloaded.find('1'), await overloaded.find(1)]).toEqual([
      'number:1',
      'string:2',
      'number:1',
    ]);
  });

  it('jest.spyOn sees every call, hits too, and gives the method back', async () => {
    const counter = (await start([Counter])).get(Counter);
    const spy = jest.spyOn(counter, 'find');
    await counter.find(1);
    await counter.find(1);
    expect(spy).toHaveBeenCalledTimes(2);
    expect(counter.runs).toBe(1);
    spy.mockResolvedValueOnce('mocked');
    expect([await counter.find(1), await counter.find(1)]).toEqual(['mocked', '1:1']);
    spy.mockRestore();
    expect(await counter.find(1)).toBe('1:1');
  });
});
