import { describe, expect, it } from '@jest/globals';
import {
  ArgsKeyField,
  CacheResponse,
  CacheResult,
  type CacheResponseOptions,
  type CacheResultOptions,
  KeyConstructor,
} from '../../lib/index.js';

class Article {
  id!: number;
}

/** What the decorator throws. */
function thrown(options: unknown): Error & { code?: string } {
  try {
    class Users {
      @CacheResult(options as CacheResultOptions)
      async find(_id: number): Promise<void> {}
    }
    void Users;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

class UserKey extends KeyConstructor {
  user = new ArgsKeyField('id');
}
class Mistaken extends KeyConstructor {
  user = new ArgsKeyField('userId');
}

describe('a wrong option is an error when the decorator runs, and names class and method', () => {
  it.each<[string, unknown, string, RegExp]>([
    ['a duration without a unit', '60', 'CACHE_OPTION_TYPE', /ttl of Users\.find is '60'.*60 or '60s'/],
    ['a negative ttl', { ttl: -1 }, 'CACHE_OPTION_TYPE', /ttl of Users\.find is -1/],
    ['NaN', NaN, 'CACHE_OPTION_TYPE', /ttl of Users\.find is NaN/],
    ['half a second', 1.5, 'CACHE_OPTION_TYPE', /ttl of Users\.find is 1\.5/],
    ['true', true, 'CACHE_OPTION_TYPE', /ttl of Users\.find is true/],
    [
      'a wrong window',
      { staleWhileRevalidate: '5' },
      'CACHE_OPTION_TYPE',
      /staleWhileRevalidate of Users\.find is '5'/,
    ],
    ['another', { staleIfError: -5 }, 'CACHE_OPTION_TYPE', /staleIfError of Users\.find is -5/],
    [
      'an unknown option',
      { tll: 5, keys: 1 },
      'CACHE_OPTION',
      /Users\.find.*unknown option tll, keys\. Did you mean ttl\?.*Known options: ttl/,
    ],
    [
      'an option of the other decorator',
      { statuses: [200] },
      'CACHE_OPTION',
      /Users\.find.*unknown option statuses/,
    ],
    [
      'both conditions',
      { cacheIf: () => true, cacheUnless: () => true },
      'CACHE_CONDITION',
      /Users\.find: cacheIf and cacheUnless exclude each other/,
    ],
    [
      'a condition that is no function',
      { cacheIf: true },
      'CACHE_OPTION',
      /Users\.find: cacheIf is true.*\(value\) => boolean/,
    ],
    [
      'a key constructor in place of options',
      UserKey,
      'CACHE_OPTION',
      /Users\.find.*the class UserKey.*keyConstructor/,
    ],
    ['a function in place of options', () => 5, 'CACHE_OPTION', /Users\.find.*a function.*ttl: \(value\)/],
    ['a list in place of options', ['5m'], 'CACHE_OPTION', /Users\.find: the options are \['5m'\]/],
    [
      'one tag in place of a list',
      { tags: 'users' },
      'CACHE_OPTION',
      /Users\.find: tags is 'users'.*list of texts/,
    ],
    ['tags that are no texts', { tags: [1] }, 'CACHE_OPTION', /Users\.find: tags is \[1\]/],
    ['an empty name', { name: '' }, 'CACHE_OPTION', /Users\.find: name is ''/],
    [
      'a store in place of its name',
      { store: {} },
      'CACHE_OPTION',
      /Users\.find: store is an object.*forRoot\(\{ stores \}\)/,
    ],
    [
      'a class in place of type',
      { type: Article },
      'CACHE_OPTION',
      /Users\.find: type is the class Article.*\(\) => UserDto/,
    ],
    [
      'a rule in place of a list',
      { invalidatesOn: Article },
      'CACHE_OPTION',
      /Users\.find: invalidatesOn is the class Article.*\[Article\]/,
    ],
    ['an unknown argument', { keyConstructor: Mistaken }, 'KEY_DEFINITION', /Users\.find.*userId/],
    [
      'an unknown argument in a record',
      { keyConstructor: { a: new ArgsKeyField('b') } },
      'KEY_DEFINITION',
      /Users\.find.*"?b"?/,
    ],
    [
      'a class that is no key constructor',
      { keyConstructor: Article },
      'KEY_DEFINITION',
      /Users\.find.*Article does not extend KeyConstructor/,
    ],
    ['an unknown lock', { lock: 'global' }, 'CACHE_OPTION', /Users\.find: lock is 'global'/],
    ['a fraction above one', { refreshAhead: 80 }, 'CACHE_OPTION', /Users\.find: refreshAhead is 80/],
    ['a fraction in a text', { jitter: '0.1' }, 'CACHE_OPTION', /Users\.find: jitter is '0\.1'/],
    ['a bigint', 60n, 'CACHE_OPTION_TYPE', /ttl of Users\.find is 60n/],
    ['an object for a duration', { ttl: {} }, 'CACHE_OPTION_TYPE', /ttl of Users\.find is an object/],
    [
      'a timeout that no load keeps',
      { hardTimeout: 0 },
      'CACHE_OPTION',
      /hardTimeout of Users\.find is 0: no load would be waited for/,
    ],
  ])('%s', (_name, options, code, message) => {
    const error = thrown(options);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
    if (code === 'CACHE_OPTION_TYPE') expect(error).toBeInstanceOf(TypeError);
  });

  it('is an error of @CacheResponse, too', () => {
    const decorate = (options: unknown): void => {
      class Users {
        @CacheResponse(options as CacheResponseOptions)
        find(): void {}
      }
      void Users;
    };
    expect(() => decorate('60')).toThrow(/ttl of Users\.find is '60'/);
    expect(() => decorate({ isolation: 'none' })).toThrow(
      /@CacheResponse\(\) on Users\.find.*unknown option isolation/,
    );
    expect(() => decorate({ tags: 'x' })).toThrow(/@CacheResponse\(\) on Users\.find: tags/);
    for (const [wrong, message] of [
      [{ shared: 'false' }, /shared is 'false'\. Write true or false/],
      [{ setCacheHeaders: 1 }, /setCacheHeaders is 1/],
      [{ cacheControl: 'public' }, /cacheControl is 'public'/],
      [{ explain: { secret: 'x' } }, /explain is an object/],
      [{ bypass: true }, /bypass is true\. Write a function that answers at once: \(request\) => boolean/],
      [{ bypass: async () => false }, /bypass is an async function\. Write a function that answers at once/],
      [{ statuses: 404 }, /statuses is 404\. Write a list of statuses: \[200, 404\]/],
      [{ vary: 'accept' }, /vary is 'accept'\. Write a list/],
    ] as const)
      expect(() => decorate(wrong)).toThrow(message);
    expect(() => decorate(UserKey)).toThrow(/@CacheResponse\(\) on Users\.find was given the class UserKey/);
  });
});

describe('what cannot be cached is an error when the decorator runs', () => {
  const result = CacheResult() as unknown as MethodDecorator & PropertyDecorator;

  it('a method that returns no promise', () => {
    expect(() => {
      class Users {
        @(result as MethodDecorator)
        count(): number {
          return 1;
        }
      }
      void Users;
    }).toThrow(
      expect.objectContaining({
        code: 'CACHE_NOT_ASYNC',
        message: expect.stringMatching(/Users\.count.*Number, not a Promise/),
      }),
    );
  });

  it('an accessor', () => {
    expect(() => {
      class Users {
        @(result as MethodDecorator)
        get count(): Promise<number> {
          return Promise.resolve(1);
        }
      }
      void Users;
    }).toThrow(
      expect.objectContaining({
        code: 'CACHE_METHOD',
        message: expect.stringMatching(/Users\.count.*accessors/),
      }),
    );
  });

  it.each<[string, () => void, RegExp]>([
    [
      'a property',
      () => {
        class Users {
          @(result as PropertyDecorator)
          find = async (): Promise<number> => 1;
        }
        void Users;
      },
      /@CacheResult\(\) on Users\.find: only methods.*this is a property. Write a method instead of an arrow function/,
    ],
    [
      'a class',
      () => {
        @(result as unknown as ClassDecorator)
        class Users {}
        void Users;
      },
      /@CacheResult\(\) on the class Users: only methods.*Write it on the methods/,
    ],
    [
      'a generator',
      () => {
        class Users {
          @(result as MethodDecorator)
          async *find() {
            yield 1;
          }
        }
        void Users;
      },
      /@CacheResult\(\) on Users\.find: the method is a generator.*Return a list/,
    ],
    [
      'anything, without experimentalDecorators',
      () => (result as unknown as Function)(async function find() {}, { kind: 'method', name: 'find' }),
      /called as a standard decorator.*experimentalDecorators and emitDecoratorMetadata to true/,
    ],
    [
      'a handler, without experimentalDecorators',
      () => (CacheResponse() as unknown as Function)(function find() {}, { kind: 'method', name: 'find' }),
      /@CacheResponse\(\) was called as a standard decorator/,
    ],
  ])('%s', (_, decorate, message) => {
    expect(decorate).toThrow(
      expect.objectContaining({ name: 'CacheConfigurationError', message: expect.stringMatching(message) }),
    );
  });

  it('a static method', () => {
    expect(() => {
      class Users {
        @CacheResult()
        static async count(): Promise<number> {
          return 1;
        }
      }
      void Users;
    }).toThrow(
      expect.objectContaining({
        code: 'CACHE_METHOD',
        message: expect.stringMatching(/Users\.count: it is static/),
      }),
    );
  });

  it('a method that is cached already', () => {
    expect(() => {
      class Users {
        @CacheResult('5m')
        @CacheResult('1m')
        async count(): Promise<number> {
          return 1;
        }
      }
      void Users;
    }).toThrow(
      expect.objectContaining({
        code: 'CACHE_METHOD',
        message: expect.stringMatching(/Users\.count.*cached already/),
      }),
    );
  });
});
