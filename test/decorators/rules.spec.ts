import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { CacheResult } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';

class Article {
  id!: number;
}

const rules = { invalidatesOn: [Article] };

let application: TestApplication | undefined;
afterEach(() => application?.close());

async function rulesIn(
  providers: Parameters<typeof TestApplication.start>[0],
): Promise<Record<string, number>> {
  application = await TestApplication.start(providers, { dataSources: false });
  return countRules();
}

function countRules(): Record<string, number> {
  const { methods } = application!.cache.status();
  return Object.fromEntries(methods.map(({ name, rules: bound }) => [name, bound.length]));
}

/** A method whose rules are not known at boot would be cached and never invalidated. */
describe('the rules of every method that caches are bound', () => {
  it('under a decorator that replaces the method', async () => {
    const Wrap: MethodDecorator = (_target, _key, descriptor) => {
      const inner = descriptor.value as unknown as (...args: unknown[]) => unknown;
      descriptor.value = function (this: unknown, ...args: unknown[]) {
        return inner.apply(this, args);
      } as never;
    };
    @Injectable()
    class Wrapped {
      @Wrap
      @CacheResult(rules)
      async find(): Promise<void> {}
    }
    expect(await rulesIn([Wrapped])).toEqual({ 'Wrapped.find': 1 });
  });

  it('under a symbol', async () => {
    const find = Symbol('find');
    @Injectable()
    class Symbols {
      @CacheResult(rules)
      async [find](): Promise<void> {}
    }
    expect(await rulesIn([Symbols])).toEqual({ 'Symbols.Symbol(find)': 1 });
  });

  it('behind an override that calls super', async () => {
    class Base {
      @CacheResult(rules)
      async find(): Promise<void> {}
    }
    @Injectable()
    class Overriding extends Base {
      override async find(): Promise<void> {
        return super.find();
      }
    }
    expect(await rulesIn([Overriding])).toEqual({ 'Overriding.Base.find': 1 });
  });

  it('on a class that is not a provider, from its first instance on', async () => {
    @Injectable()
    class Created {
      @CacheResult(rules)
      async find(): Promise<void> {}
    }
    expect(await rulesIn([])).toEqual({});
    await (await application!.module.get(ModuleRef).create(Created)).find();
    expect(countRules()).toEqual({ 'Created.find': 1 });
  });

  it('a class whose rules cannot be bound by then runs uncached', async () => {
    @Injectable()
    class Created {
      runs = 0;
      @CacheResult({ invalidatesOn: [{ entity: Article, scope: 'all', dispatcher: 'nobody' }] })
      async find(): Promise<number> {
        return ++this.runs;
      }
    }
    await rulesIn([]);
    const created = await application!.module.get(ModuleRef).create(Created);
    expect([await created.find(), await created.find()]).toEqual([1, 2]);
    expect(countRules()).toEqual({});
    expect(application!.log.errors.join()).toMatch(/Created\.find is not cached.*nobody/);
  });
});
