import 'reflect-metadata';
import { TypeOrmModule } from '@nestjs/typeorm';
import { describe, it } from '@jest/globals';
import type { CacheService, RestflowCacheOptions } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { Author, Methods, UserKey } from './support/cached-methods.js';
import { expectPinned } from './support/pin.js';
import { RecordingStore, written } from './support/recording-store.js';
import { ARGUMENTS, PARTITIONS, title } from './support/values.js';

async function withMethods<T>(
  options: RestflowCacheOptions,
  work: (methods: Methods, store: RecordingStore, cache: CacheService) => Promise<T>,
): Promise<T> {
  const store = new RecordingStore();
  const database = TypeOrmModule.forRoot({
    type: 'sqljs',
    autoSave: false,
    entities: [Author],
    synchronize: true,
  });
  const app = await TestApplication.start([Methods], { store, application: 'app', ...options }, [database]);
  try {
    return await work(app.get(Methods), store, app.cache);
  } finally {
    await app.close();
  }
}

type Case = readonly [method: keyof Methods, ...args: unknown[]];

async function called(methods: Methods, store: RecordingStore, [method, ...args]: Case): Promise<string> {
  const call = methods[method] as (...args: unknown[]) => Promise<unknown>;
  // Two calls may have one key: each must write.
  await store.forget();
  return written(title(method, args), store, () => call.apply(methods, args));
}

describe('keys and tags stay as pinned:', () => {
  it('entries of @CacheResult', async () => {
    const cases: Case[] = [
      ...ARGUMENTS.map((args) => ['all', ...args] as const),
      ['two', 1],
      ['two', 1, { b: 1, a: [2] }],
      ['named', 1],
      ['tagged'],
      ['taggedByArguments', 7],
      ['ofUser', 42, 1],
      ['some', 1, 2, 3],
      ['except', 1, 2],
      ['path', { author: { id: 7 } }],
      ['path', { author: null }],
      ['normalised', ' Ada '],
      ['sorted', [3, 1, 2]],
      ['hashed', 'secret'],
      ['byFunction', 1, 'a'],
      ['ownField', 1, 'second'],
      ['constant'],
      ['dto'],
      ['entity'],
      ['short', 'a'.repeat(50)],
      ['short', 'a'.repeat(65)],
    ];
    const text = await withMethods({}, async (methods, store) => {
      const lines: string[] = [];
      for (const one of cases) lines.push(await called(methods, store, one));
      return lines;
    });
    expectPinned('formats/result-keys.txt', text.join('\n\n'));
  });

  it('partitions', async () => {
    const text = await withMethods({}, async (methods, store) => {
      const lines: string[] = [];
      for (const value of PARTITIONS) lines.push(await called(methods, store, ['ofUser', value, 1]));
      lines.push(await called(methods, store, ['ofTenant', 1, 2, 3]));
      lines.push(await called(methods, store, ['ofTenant', 1, 'a&b', undefined]));
      return lines;
    });
    expectPinned('formats/partitions.txt', text.join('\n\n'));
  });

  it('entries under other module options', async () => {
    const lines: string[] = [];
    const options: RestflowCacheOptions[] = [
      { namespace: 'shop:prod' },
      { application: 'shop/dist/main' },
      { version: '1.2.3:ü' },
      { keyContext: () => ({ tenant: 'acme', locale: 'de' }) },
      { keyHashAlgorithm: 'sha512' },
      { keyHashAlgorithm: (text) => `own ${text.length}` },
      { maxKeySuffixLength: 64 },
    ];
    for (const one of options) {
      lines.push(
        ...(await withMethods(one, async (methods, store) => [
          `# ${title('forRoot', [one])}`,
          await called(methods, store, ['all', 1]),
          await called(methods, store, ['all', 'x'.repeat(100)]),
          await called(methods, store, ['all', 'x'.repeat(300)]),
          await called(methods, store, ['ofUser', 42, 1]),
        ])),
      );
    }
    expectPinned('formats/module-options.txt', lines.join('\n\n'));
  });

  it('what is cached and dropped by hand', async () => {
    const text = await withMethods({}, async (_, store, cache) => {
      const users = cache.for(Methods, 'ofUser');
      const steps: readonly [string, () => unknown][] = [
        [`set('a')`, () => cache.set('a', 1)],
        [`set('a:b ü', { tags })`, () => cache.set('a:b ü', 1, { tags: ['t', 'a b'] })],
        [`set(300 characters)`, () => cache.set('k'.repeat(300), 1)],
        [`getOrSet('b')`, () => cache.getOrSet('b', () => 1)],
        [`getOrSetMany(['c', 'd'])`, () => cache.getOrSetMany(['c', 'd'], (keys) => Promise.resolve(keys))],
        [`delete('a')`, () => cache.delete('a')],
        [`deleteMany(['c', 'd'])`, () => cache.deleteMany(['c', 'd'])],
        [`invalidateTags(['t', 'a b'])`, () => cache.invalidateTags(['t', 'a b'])],
        [`invalidateTags(['t'], expire)`, () => cache.invalidateTags(['t'], { mode: 'expire' })],
        [`invalidateTags(300 characters)`, () => cache.invalidateTags(['t'.repeat(300)])],
        ['deleteCache(42, 1)', () => users.deleteCache(42, 1)],
        ['deleteByPrefix({ user: 42 })', () => users.deleteByPrefix({ user: 42 })],
        ['invalidateAll()', () => users.invalidateAll()],
        ['wipe(UserKey)', () => cache.wipe(UserKey)],
        ['wipe(UserKey, { user: 42 })', () => cache.wipe(UserKey, { user: 42 })],
        ['clear()', () => cache.clear()],
      ];
      const lines: string[] = [];
      for (const [name, step] of steps) lines.push(await written(name, store, step));
      return lines;
    });
    expectPinned('formats/by-hand.txt', text.join('\n\n'));
  });
});
