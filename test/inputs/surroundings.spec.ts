import {
  Controller,
  Get,
  HttpException,
  Param,
  Put,
  type CanActivate,
  type ExecutionContext,
  type Provider,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { CacheResponse } from '../../lib/index.js';
import {
  platforms,
  start,
  until,
  type ApplicationOptions,
  type TestApplication,
} from '../http/support/application.js';
import { uniqueName } from '../support/unique.js';
import { STORES, storeOf } from './support/rows.js';
import { inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

let handled = 0;

@Controller()
class Pages {
  @Get('page/:id') @CacheResponse(60) page(@Param('id') id: string): object {
    return { id, turn: ++handled };
  }

  @Put('page/:id') change(): object {
    return { changed: true };
  }

  @Get('revalidated/:id') @CacheResponse({ ttl: 1, staleWhileRevalidate: 600 }) revalidated(): object {
    return { turn: ++handled };
  }
}

/** Names that Nest itself asks every provider for. */
const OF_NEST = /^(then|constructor|prototype|name|configure|on[A-Z].*|beforeApplicationShutdown)$/;

/** As a proxy provider of nestjs-cls is outside a request. */
const throwing: Provider = {
  provide: 'of the request',
  useValue: new Proxy(Object.create(null) as object, {
    get(_target, name) {
      if (typeof name === 'symbol' || OF_NEST.test(name)) return undefined;
      throw new Error(`${name} is not there outside a request`);
    },
    getOwnPropertyDescriptor(_target, name) {
      throw new Error(`${String(name)} is not there outside a request`);
    },
    ownKeys() {
      throw new Error('there is nothing outside a request');
    },
  }),
};

/** Its accessors are for requests, too; one has the name of what a DataSource has. */
class WithGetters {
  static reads: string[] = [];

  get connection(): never {
    return this.#fail('connection');
  }

  get entityMetadatas(): never {
    return this.#fail('entityMetadatas');
  }

  #fail(name: string): never {
    WithGetters.reads.push(name);
    throw new Error(`${name} is not there outside a request`);
  }
}

/** Spellings of one path, each with the options of a router that takes them as one. */
const SPELLINGS: readonly (readonly [string, string, object])[] = [
  ['repeated slashes', '//page//1', { routerOptions: { ignoreDuplicateSlashes: true } }],
  ['a slash at the end', '/page/1/', { routerOptions: { ignoreTrailingSlash: true } }],
  ['capital letters', '/PAGE/1', { routerOptions: { caseSensitive: false } }],
  ['escaped letters', '/p%61ge/%31', {}],
];

const LIMIT = 3;

/** Counts what each address asks, as @nestjs/throttler does. */
class Limiter implements CanActivate {
  readonly #asked = new Map<string, number>();

  canActivate(context: ExecutionContext): boolean {
    this.count(context.switchToHttp().getRequest());
    return true;
  }

  count({ ip }: AnyRequest): void {
    const asked = (this.#asked.get(ip) ?? 0) + 1;
    this.#asked.set(ip, asked);
    if (asked > LIMIT) throw new HttpException('Too Many Requests', 429);
  }
}

describe.each(platforms)('surroundings of the cache on %s', (platform) => {
  const running: TestApplication[] = [];
  beforeEach(() => {
    handled = 0;
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
  });

  describe.each(STORES)('in %s', (storeName) => {
    async function run(options: Partial<ApplicationOptions> = {}): Promise<TestApplication> {
      const cache = { store: storeOf(storeName), namespace: uniqueName('surroundings') };
      const app = await start(platform, {
        controllers: [Pages],
        ...options,
        cache: { ...cache, ...options.cache },
      });
      running.push(app);
      return app;
    }

    it('a provider that throws on unknown properties does not keep the application from starting', async () => {
      const app = await run({ providers: [throwing], cache: { dataSources: 'auto' } });
      await app.get('/page/1');
      expect((await app.get('/page/1')).cache).toBe('HIT');
    });

    it('getters of providers are not run while the application starts', async () => {
      WithGetters.reads = [];
      await run({ providers: [WithGetters], cache: { dataSources: 'auto' } });
      expect(WithGetters.reads).toEqual([]);
    });

    it('a content-length of 0 that is a number, as of serverless adapters, is no body', async () => {
      const app = await run();
      const server = app.app.getHttpServer() as NodeJS.EventEmitter;
      server.prependListener('request', ({ headers }: IncomingMessage) => {
        Object.assign(headers, { 'content-length': 0 });
      });
      await app.get('/page/1');
      expect((await app.get('/page/1')).cache).toBe('HIT');
    });

    it.each(SPELLINGS)('a change by %s drops the entry of the page', async (_name, spelling, adapter) => {
      const app = await run({ adapter });
      await app.get('/page/1');
      await app.get('/page/2');
      const { status } = await app.get(spelling, { method: 'PUT' });
      const answer = await app.get('/page/1');
      // Where the router knows no such path nothing was changed.
      expect(JSON.parse(answer.body)).toEqual({ id: '1', turn: status === 404 ? 1 : 3 });
    });

    it.each(SPELLINGS)(
      'a page that was asked for by %s is dropped with its plain path',
      async (...spelled) => {
        const [, spelling, adapter] = spelled;
        const app = await run({ adapter });
        const { status } = await app.get(spelling);
        await app.get('/page/1', { method: 'PUT' });
        const before = handled;
        const answer = await app.get(spelling);
        expect(answer.status).toBe(status);
        expect(handled).toBe(status === 404 ? before : before + 1);
      },
    );

    const limiters: [string, (limiter: Limiter) => Partial<ApplicationOptions>][] = [
      ['a guard', (limiter) => ({ providers: [{ provide: APP_GUARD, useValue: limiter }] })],
      [
        'middleware',
        (limiter) => ({
          setup: (app) =>
            inFront((request, response, next) => {
              try {
                limiter.count(request);
              } catch {
                if (platform === 'express') response['status'](429).end();
                else response['code'](429).send('');
                return;
              }
              next();
            })(app, platform),
        }),
      ],
    ];

    it.each(limiters)(
      'a background refresh does not count as a request of the client for %s',
      async (_name, by) => {
        const app = await run(by(new Limiter()));
        await app.get('/revalidated/1');
        app.clock.advance(2);
        expect((await app.get('/revalidated/1')).cache).toBe('STALE');
        await until(() => handled === 2, 'the background refresh');
        expect((await app.get('/revalidated/1')).status).toBe(200);
      },
    );
  });
});
