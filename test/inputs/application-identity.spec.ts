import { Controller, Get, Inject, Injectable, Param, type Type } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, CacheResult, type CacheStore } from '../../lib/index.js';
import { platforms, start, type TestApplication } from '../http/support/application.js';
import { STORES, storeOf } from './support/rows.js';

/** The users of a service for administrators: rows as the table holds them. */
function rowsService(): Type {
  @Injectable()
  class UsersService {
    @CacheResult(60) async findOne(id: string): Promise<object> {
      return { id, email: 'ada@a.test', passwordHash: 'secret' };
    }
  }
  return UsersService;
}

/** The users of a service for everybody. */
function namesService(): Type {
  @Injectable()
  class UsersService {
    @CacheResult(60) async findOne(id: string): Promise<object> {
      return { id, name: 'Ada' };
    }
  }
  return UsersService;
}

/** Two classes as a minifier leaves them. */
const minified = [
  () => {
    @Injectable()
    class a {
      @CacheResult(60) async b(c: string): Promise<object> {
        return { price: c };
      }
    }
    return a;
  },
  () => {
    @Injectable()
    class a {
      @CacheResult(60) async b(c: string): Promise<object> {
        return { salary: c };
      }
    }
    return a;
  },
];

function controllerOf(service: Type, method: string): Type {
  @Controller('users')
  class UsersController {
    constructor(@Inject(service) private readonly users: Record<string, (id: string) => Promise<object>>) {}

    @Get(':id') show(@Param('id') id: string): Promise<object> {
      return this.users[method]!(id);
    }
  }
  return UsersController;
}

/** Controllers of one text, at another path and with other data. */
function items(path: string, what: string): Type {
  @Controller(path)
  class ItemsController {
    @Get(':id') @CacheResponse(60) show(@Param('id') id: string): object {
      return { id, what };
    }
  }
  return ItemsController;
}

function oldPage(): Type {
  @Controller('page')
  class PageController {
    @Get(':id') @CacheResponse(60) show(@Param('id') id: string): object {
      return { id, title: 'of the old build' };
    }
  }
  return PageController;
}

function newPage(): Type {
  @Controller('page')
  class PageController {
    @Get(':id') @CacheResponse(60) show(@Param('id') id: string): object {
      return { id, heading: 'of the new build' };
    }
  }
  return PageController;
}

interface Pair {
  readonly name: string;
  readonly first: { controllers: Type[]; providers?: Type[] };
  readonly second: { controllers: Type[]; providers?: Type[] };
  readonly paths: readonly [string, string];
}

function services(name: string, one: Type, other: Type, method: string): Pair {
  const parts = (service: Type): Pair['first'] => ({
    controllers: [controllerOf(service, method)],
    providers: [service],
  });
  return { name, first: parts(one), second: parts(other), paths: ['/users/1', '/users/1'] };
}

const pairs: Pair[] = [
  services('two services whose classes have one name', rowsService(), namesService(), 'findOne'),
  services('two classes that a minifier calls a.b', minified[0]!(), minified[1]!(), 'b'),
  {
    name: 'two controllers of one text at two paths',
    first: { controllers: [items('cats', 'cat')] },
    second: { controllers: [items('dogs', 'dog')] },
    paths: ['/cats/1', '/dogs/1'],
  },
  {
    name: 'two builds whose handler answers another shape',
    first: { controllers: [oldPage()] },
    second: { controllers: [newPage()] },
    paths: ['/page/1', '/page/1'],
  },
];

describe.each(platforms)('applications that share a store on %s', (platform) => {
  const running: TestApplication[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
  });

  async function run(parts: Pair['first'], store: CacheStore): Promise<TestApplication> {
    // The default namespace, which two services that nobody told apart have in common.
    const app = await start(platform, { ...parts, cache: { store } });
    running.push(app);
    await app.cache.clear();
    return app;
  }

  describe.each(STORES)('in %s', (storeName) => {
    it.each(pairs)('read entries of their own only: $name', async ({ first, second, paths }) => {
      const store = storeOf(storeName);
      const one = await run(first, store);
      const other = await run(second, storeName === 'memory' ? store : storeOf(storeName));
      // In one cache the host would tell them apart.
      const headers = { host: 'a.test' };
      const own = await one.get(paths[0], headers);
      const others = await other.get(paths[1], headers);
      const uncached = await start(platform, { ...second, cache: { enabled: false } });
      running.push(uncached);
      expect(others.body).toBe((await uncached.get(paths[1], headers)).body);
      expect((await one.get(paths[0], headers)).body).toBe(own.body);
    });
  });
});
