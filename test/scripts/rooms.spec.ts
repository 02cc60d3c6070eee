import { describe, expect, it } from '@jest/globals';
import { violations } from '../../scripts/rooms.mjs';

const manifest = {
  dependencies: { 'lru-cache': '1' },
  peerDependencies: { '@nestjs/common': '1', typeorm: '1' },
  peerDependenciesMeta: { typeorm: { optional: true } },
};

const check = (sources: Record<string, string>) => violations(new Map(Object.entries(sources)), manifest);

describe('arrows between rooms point one way', () => {
  it('a room may import from rooms it knows, also indirectly, and from the foundations', () => {
    const sources = {
      'lib/typeorm/subscriber.ts': `import { rules } from '../invalidation/rules.js'; import { key } from '../keys/key.js';`,
      'lib/invalidation/rules.ts': `import { cache } from '../cache/engine.js'; import { CacheError } from '../common/errors.js';`,
      'lib/module/cache.module.ts': `import '../typeorm/subscriber.js'; import '../http/interceptor.js';`,
    };
    expect(check(sources)).toEqual([]);
  });

  it.each([
    ['keys', 'cache'],
    ['stores', 'keys'],
    ['cache', 'http'],
    ['cache', 'invalidation'],
    ['http', 'invalidation'],
    ['typeorm', 'dispatchers'],
    ['observability', 'cache'],
    ['common', 'observability'],
    ['cache', 'testing'],
    ['http', 'module'],
  ])('%s must not import from %s, not even types', (room, other) => {
    const problem = `lib/${room}/a.ts: ${room} must not know ${other} (imports lib/${other}/b.ts)`;
    expect(check({ [`lib/${room}/a.ts`]: `import { b } from '../${other}/b.js';` })).toEqual([problem]);
    expect(check({ [`lib/${room}/a.ts`]: `import type { B } from '../${other}/b.js';` })).toEqual([problem]);
  });

  it('decorators describe in the terms of the rooms that read them, and nobody knows decorators', () => {
    expect(check({ 'lib/decorators/a.ts': `import { B } from '../cache/b.js';` })).toEqual([]);
    expect(check({ 'lib/decorators/a.ts': `import { B } from '../typeorm/b.js';` })).toHaveLength(1);
    expect(check({ 'lib/cache/a.ts': `import { B } from '../decorators/b.js';` })).toHaveLength(1);
  });

  it('a folder that is not a room is reported', () => {
    expect(check({ 'lib/utils/a.ts': '' })).toEqual([
      `lib/utils/a.ts: 'utils' is not a room of scripts/rooms.mjs`,
    ]);
  });

  it('a folder of a room may import from the folders it knows, also indirectly', () => {
    const to = (target: string) => ({ 'lib/http/answer/a.ts': `import type { B } from '${target}';` });
    expect(check(to('../request/b.js'))).toEqual([]);
    expect(check(to('../headers/b.js'))).toEqual([]);
    expect(check(to('../exchange.js'))).toEqual([]);
    expect(check(to('../rfc9111/b.js'))).toEqual([
      'lib/http/answer/a.ts: http/answer must not know http/rfc9111 (imports lib/http/rfc9111/b.ts)',
    ]);
  });

  it('a folder may be kept from the files beside it', () => {
    expect(check({ 'lib/cache/engine/a.ts': `import type { B } from '../b.js';` })).toEqual([
      'lib/cache/engine/a.ts: cache/engine must not know the files beside it (imports lib/cache/b.ts)',
    ]);
    expect(check({ 'lib/cache/b.ts': `import { A } from './engine/a.js';` })).toEqual([]);
  });

  it('a folder inside a room that has no direction is reported', () => {
    expect(check({ 'lib/http/new/a.ts': '' })).toEqual([
      `lib/http/new/a.ts: 'http/new' is not a folder of scripts/rooms.mjs`,
    ]);
  });

  it('files that import each other are reported once, with the way round, types included', () => {
    const sources = {
      'lib/keys/a.ts': `export * from './b.js';`,
      'lib/keys/b.ts': `import { a } from './a.js';`,
      'lib/keys/c.ts': `import type { D } from './d.js';`,
      'lib/keys/d.ts': `import { c } from './c.js';`,
    };
    expect(check(sources)).toEqual([
      'lib/keys/a.ts: imports itself (lib/keys/a.ts → lib/keys/b.ts → lib/keys/a.ts)',
      'lib/keys/c.ts: imports itself (lib/keys/c.ts → lib/keys/d.ts → lib/keys/c.ts)',
    ]);
  });
});

describe('the main entry loads without optional peers', () => {
  it('an optional peer that it reaches is reported with the way to it', () => {
    const sources = {
      'lib/index.ts': `export * from './typeorm/index.js';`,
      'lib/typeorm/index.ts': `import type { DataSource } from 'typeorm'; import { t } from './t.js';`,
      'lib/typeorm/t.ts': `const load = () => import('typeorm');`,
    };
    expect(check(sources)).toEqual([
      'lib/typeorm/t.ts: the main entry must load without typeorm (reached by lib/index.ts → lib/typeorm/index.ts → lib/typeorm/t.ts)',
    ]);
  });

  it('a subpath entry may import one', () => {
    expect(check({ 'lib/index.ts': '', 'lib/redis.ts': `import { DataSource } from 'typeorm';` })).toEqual(
      [],
    );
  });

  it('a package that is not declared is reported', () => {
    expect(check({ 'lib/index.ts': `import fs from 'node:fs'; import x from '@scope/x/deep';` })).toEqual([
      'lib/index.ts: @scope/x/deep is neither a dependency nor a peer of the package',
    ]);
  });
});
