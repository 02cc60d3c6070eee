import { expect, it } from '@jest/globals';
import {
  CACHE_MISSING,
  CacheResponse,
  CacheResult,
  type CachedMethod,
  type CacheMetadata,
  type CacheService,
  type Duration,
  type EntityChange,
  type InjectableInvalidator,
  invalidates,
  type MethodName,
} from '../../lib/index.js';

// Held by `npm run typecheck`: each line marked ts-expect-error must be an error, and nothing else may be.

/** True when two types are one. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_same: Same<A, B>): void {}

interface User {
  readonly id: number;
}

class Users {
  property = 1;

  @CacheResult()
  async find(id: number, options?: { deep: boolean }): Promise<User | null> {
    return options?.deep ? null : { id };
  }

  @CacheResult('5m')
  promised(): Promise<string[]> {
    return Promise.resolve([]);
  }

  @CacheResult({ ttl: 60, cacheIf: (user: User) => user.id > 0, tags: (id: number) => [`user:${id}`] })
  async generic<T extends User>(user: T): Promise<T> {
    return user;
  }

  @CacheResult()
  async rest(..._ids: number[]): Promise<void> {}

  @CacheResponse({ ttl: (response) => response.status, cacheIf: ({ body }) => body.length > 0 })
  handler(): string {
    return '';
  }
}

function takes(_change: EntityChange): void {}

class Notes {
  @CacheResult({
    invalidatesOn: [
      invalidates(Notes, { invalidator: (_, change) => takes(change) }),
      invalidates(Notes, {
        batch: true,
        invalidator: (_, changes) => changes.forEach(takes),
      }),
      { entity: Notes, invalidator: (_, change) => takes(change) },
      { entity: Notes, batch: true, scope: 'all' },
    ],
  })
  async find(): Promise<void> {}
}

function wrongRules(): void {
  class One implements InjectableInvalidator {
    invalidate(): void {}
  }
  class Other {}
  invalidates(Notes, { invalidator: One });
  // @ts-expect-error the class has no method invalidate
  invalidates(Notes, { invalidator: Other });
  // @ts-expect-error without batch there is one change
  invalidates(Notes, { invalidator: (_, change) => change.length });
  // @ts-expect-error with batch there are several
  invalidates(Notes, { batch: true, invalidator: (_, changes) => void changes.id });
}

function wrongMethods(): void {
  class Wrong {
    // @ts-expect-error a cache may have to ask a store, so the method must return a promise
    @(null! as ReturnType<typeof CacheResult>)
    count(): number {
      return 1;
    }

    // @ts-expect-error no accessors
    @(null! as ReturnType<typeof CacheResult>)
    get size(): number {
      return 1;
    }

    // @ts-expect-error no properties
    @(null! as ReturnType<typeof CacheResult>)
    property = 1;
  }
  void Wrong;
}
void wrongMethods;
void wrongRules;

function wrongOptions(): void {
  // @ts-expect-error a text has a unit
  CacheResult('60');
  // @ts-expect-error an unknown unit
  CacheResult('5w');
  // @ts-expect-error a unit alone
  CacheResult('m');
  // @ts-expect-error a lifetime is no truth
  CacheResult(true);
  // @ts-expect-error a date is no lifetime
  CacheResult({ ttl: new Date() });
  // @ts-expect-error a misspelt option
  CacheResult({ tll: 60 });
  // @ts-expect-error tags are a list
  CacheResult({ tags: 'users' });
  // @ts-expect-error no such isolation
  CacheResult({ isolation: 'deep' });
  // @ts-expect-error a function that returns the class
  CacheResult({ type: Users });
  // @ts-expect-error a condition answers true or false
  CacheResult({ cacheIf: () => 'yes' });
  // @ts-expect-error an option of @CacheResult alone
  CacheResponse({ isolation: 'none' });
  // @ts-expect-error an option of @CacheResponse alone
  CacheResult({ statuses: [200] });
  // @ts-expect-error no such lock
  CacheResult({ lock: 'global' });
}
void wrongOptions;

async function typed(cache: CacheService, users: Users): Promise<void> {
  const find = cache.for(Users, 'find');
  same<typeof find, CachedMethod<[id: number, options?: { deep: boolean }], User | null>>(true);
  same<Awaited<ReturnType<typeof find.get>>, User | null>(true);
  same<Awaited<ReturnType<typeof find.refresh>>, User | null>(true);
  same<Awaited<ReturnType<typeof find.getCacheOnly>>, User | null | typeof CACHE_MISSING>(true);
  same<Awaited<ReturnType<typeof find.getWithMetadata>>, [value: User | null, metadata: CacheMetadata]>(true);
  same<Awaited<ReturnType<typeof find.getCachedMetadata>>, CacheMetadata | null>(true);
  const _byInstance = cache.for(users, 'find');
  same<typeof find, typeof _byInstance>(true);
  same<MethodName<Users>, 'find' | 'promised' | 'generic' | 'rest' | 'handler'>(true);

  await find.get(1);
  await find.get(1, { deep: true });
  await cache.for(users, 'rest').get(1, 2, 3);
  await cache.for(Users, 'handler').deleteCache({ params: { id: '1' } });
  // @ts-expect-error a number
  await find.get('1');
  // @ts-expect-error one argument at least
  await find.get();
  // @ts-expect-error no such method
  cache.for(Users, 'fnd');
  // @ts-expect-error a property is no method
  cache.for(Users, 'property');

  invalidates(Users, { scope: 'all', watchFields: ['property'] });
  // @ts-expect-error it does not say which entries a change drops
  invalidates(Users, {});
  // @ts-expect-error nor does this
  invalidates(Users, { mode: 'expire' });

  const _made: number = await cache.getOrSet('k', async () => 1);
  same<typeof _made, number>(true);
  const _read = await cache.get<string>('k');
  same<typeof _read, string | typeof CACHE_MISSING>(true);
}
void typed;

it('durations are typed by their units', () => {
  const durations: Duration[] = [60, '500ms', '90s', '15m', '1h', '7d', null];
  expect(durations).toHaveLength(7);
});
