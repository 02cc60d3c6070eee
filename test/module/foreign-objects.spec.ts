import 'reflect-metadata';
import { Inject, Injectable, Module, type Provider } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { RestflowCacheModule } from '../../lib/index.js';
import { describe as describeValue, messageOf } from '../../lib/common/messages.js';
import { metadataOf, propertyOf } from '../../lib/common/property-of.js';
import { isDataSource } from '../../lib/typeorm/index.js';

/** Names that Nest itself asks every provider for. */
const OF_NEST = /^(then|constructor|name|configure|on[A-Z].*|beforeApplicationShutdown)$/;

/** As a proxy provider of nestjs-cls is outside of a request: it throws on every property. */
function throwing(target: object): object {
  return new Proxy(target, {
    get(_target, name) {
      if (typeof name === 'symbol' || OF_NEST.test(name)) return undefined;
      throw new Error(`${name} is not there outside of a request`);
    },
  });
}

/** Its accessors need a request; they have the names of what a DataSource has. */
@Injectable()
class WithGetters {
  static reads: string[] = [];

  get entityMetadatas(): never {
    return this.#fail('entityMetadatas');
  }

  get subscribers(): never {
    return this.#fail('subscribers');
  }

  get initialize(): never {
    return this.#fail('initialize');
  }

  #fail(name: string): never {
    WithGetters.reads.push(name);
    throw new Error(`${name} is not there outside of a request`);
  }
}

async function boot(...providers: Provider[]): Promise<void> {
  @Module({ imports: [RestflowCacheModule.forRoot({ dataSources: 'auto' })], providers })
  class AppModule {}
  const module = await Test.createTestingModule({ imports: [AppModule] }).compile();
  await module.init();
  await module.close();
}

describe('objects of the application', () => {
  it.each([
    ['an object', {}],
    ['a bare object', Object.create(null) as object],
    ['a function', () => null],
  ])(
    'a provider that throws on unknown properties, made of %s, does not stop the boot',
    async (_, target) => {
      await expect(boot({ provide: 'proxy', useValue: throwing(target) })).resolves.toBeUndefined();
      await expect(boot({ provide: 'proxy', useFactory: () => throwing(target) })).resolves.toBeUndefined();
    },
  );

  it('getters of providers are not run at boot', async () => {
    WithGetters.reads = [];
    @Injectable()
    class User {
      constructor(@Inject(WithGetters) readonly given: WithGetters) {}
    }
    await boot(WithGetters, User);
    expect(WithGetters.reads).toEqual([]);
  });

  it('a property is read without its getter, and of a Proxy through its handler', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(propertyOf(new WithGetters(), 'subscribers')).toBeUndefined();
    expect(propertyOf(throwing({}), 'any')).toBeUndefined();
    expect(propertyOf(proxy, 'any')).toBeUndefined();
    expect(propertyOf(Object.create(proxy) as object, 'any')).toBeUndefined();
    expect(propertyOf(new Proxy({}, { get: () => 1 }), 'any')).toBe(1);
    expect(propertyOf(Object.create({ any: 1 }) as object, 'any')).toBe(1);
    expect([undefined, null, 1, 'text'].map((one) => propertyOf(one, 'length'))).toEqual(
      Array(4).fill(undefined),
    );
    expect(metadataOf(proxy, 'any')).toBeUndefined();
  });

  it('a value whose members cannot be read is not taken for a DataSource', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const methods = { initialize: () => undefined, createQueryRunner: () => undefined };
    const half = { ...methods, subscribers: proxy, entityMetadatas: proxy };
    for (const value of [proxy, throwing({}), new WithGetters(), half, Object.assign(new WithGetters(), {})])
      expect(isDataSource(value)).toBe(false);
  });

  it('messages describe values that cannot be read', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    expect(describeValue(throwing({}))).toBe('an object');
    revoke();
    for (const thrown of [Object.create(null), proxy])
      expect(messageOf(thrown)).toBe('an error that has no text');
  });
});
