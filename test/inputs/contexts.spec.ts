import { Controller, Get, Injectable, StreamableFile } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import {
  CacheResponse,
  CacheResult,
  CacheService,
  RequestValueKeyField,
  ResponseCacheKeyConstructor,
} from '../../lib/index.js';
import { page, uncachedHandler } from './support/pages.js';
import { describeRows, sending, type Row } from './support/rows.js';
import { inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

const context = new AsyncLocalStorage<string | undefined>();

/** Middleware keeps something that it made of a header in a context, and the page shows it. */
const kept = (
  name: string,
  of: (request: AnyRequest) => string | undefined,
  visitors: Row['visitors'],
): Row => ({
  name,
  application: (platform) => ({
    controllers: [page(() => context.getStore())],
    adapter: platform === 'fastify' ? { trustProxy: true } : {},
  }),
  setup: (app, platform) => {
    if (platform === 'express') app.getHttpAdapter().getInstance().set('trust proxy', true);
    inFront((request, _response, next) => context.run(of(request), next))(app, platform);
  },
  visitors,
});

const COUNTRIES: Record<string, string> = { '198.51.100.1': 'DE', '198.51.100.2': 'FR' };
const byTenant = sending('x-tenant', 'acme', 'globex');

class PerTenant extends ResponseCacheKeyConstructor {
  tenant = new RequestValueKeyField('tenant.id', { partition: true });
}

@Controller('page')
class StreamedPages {
  @Get(':id') @CacheResponse(60) show(): StreamableFile {
    const read = function (this: Readable): void {
      this.push(context.getStore() ?? 'nothing');
      this.push(null);
    };
    return new StreamableFile(new Readable({ read }));
  }
}

describeRows('contexts fed by neutral headers', [
  kept(
    'a country made of the client address',
    ({ ip }) => COUNTRIES[ip] ?? 'unknown',
    sending('x-forwarded-for', '198.51.100.1', '198.51.100.2'),
  ),
  kept(
    'a tenant made of Origin',
    ({ headers }) => /\/\/(\w+)/.exec(headers.origin ?? '')?.[1],
    sending('origin', 'https://acme.test', 'https://globex.test'),
  ),
  kept(
    'a page for telephones made of User-Agent',
    ({ headers }) => (/Mobile/.test(headers['user-agent'] ?? '') ? 'mobile' : 'desktop'),
    sending('user-agent', 'Mozilla/5.0 (Mobile)', 'Mozilla/5.0 (X11)'),
  ),
  kept(
    'links made of X-Forwarded-Prefix',
    ({ headers }) => `${headers['x-forwarded-prefix'] ?? ''}/next`,
    sending('x-forwarded-prefix', '/shop', '/store'),
  ),
  {
    name: 'a context that toJSON() reads, when the framework serializes the answer',
    application: () => ({
      controllers: [page(() => ({ toJSON: () => context.getStore() ?? null }))],
    }),
    setup: inFront((request, _response, next) => context.run(request['headers']['user-agent'], next)),
    visitors: sending('user-agent', 'Mozilla/5.0 (Mobile)', 'Mozilla/5.0 (X11)'),
  },
  {
    name: 'a context that a stream reads, which the framework pipes',
    application: () => ({ controllers: [StreamedPages] }),
    setup: inFront((request, _response, next) => context.run(request['headers']['user-agent'], next)),
    visitors: sending('user-agent', 'Mozilla/5.0 (Mobile)', 'Mozilla/5.0 (X11)'),
  },
  {
    name: 'a property that is absent for some visitors',
    application: () => ({ controllers: [page(({ request }) => request['tenant']?.id)] }),
    setup: inFront((request, _response, next) => {
      const id = request['headers']['x-tenant'];
      if (id !== undefined) request['tenant'] = { id };
      next();
    }),
    visitors: byTenant,
  },
  {
    name: 'a key field that reads undefined, because the context comes later',
    application: () => ({
      controllers: [
        page(({ request }) => request['tenant']?.id, {
          cached: CacheResponse({ ttl: 60, keyConstructor: PerTenant }) as MethodDecorator,
        }),
      ],
      providers: [
        {
          provide: APP_INTERCEPTOR,
          useValue: {
            intercept: (execution: any, next: any) => {
              const request: AnyRequest = execution.switchToHttp().getRequest();
              request['tenant'] = { id: request['headers']['x-tenant'] };
              return next.handle();
            },
          },
        },
      ],
    }),
    visitors: byTenant,
  },
]);

/** As nestjs-cls keeps what it is given. */
const values = new AsyncLocalStorage<Map<string, string | undefined>>();

@Injectable()
class Settings {
  @CacheResult(60)
  async fromContext(id: string): Promise<object> {
    return { id, value: context.getStore() };
  }

  @CacheResult(60)
  async fromMap(id: string): Promise<object> {
    return { id, value: values.getStore()?.get('value') };
  }
}

/** A value that one header brings into both kinds of contexts. */
const ambient = (
  what: string,
  header: string,
  show: Parameters<typeof page>[0],
  visitors: Row['visitors'],
): Row => ({
  name: what,
  application: () => ({
    providers: [Settings],
    controllers: [page(show, { cached: uncachedHandler, inject: Settings })],
  }),
  setup: inFront((request, _response, next) => {
    const value = request['headers'][header];
    context.run(value, () => values.run(new Map([['value', value]]), next));
  }),
  visitors,
});

const innerRow = (name: string, cached: MethodDecorator | undefined): Row => ({
  name,
  application: () => ({
    controllers: [
      page(
        async ({ request, injected }) => {
          const cache = injected as CacheService;
          const { tenant } = await cache.getOrSet('settings', async () => ({
            tenant: request['headers']['x-tenant'] ?? 'nobody',
          }));
          return tenant;
        },
        { cached, inject: CacheService },
      ),
    ],
  }),
  visitors: byTenant,
});

/** A header of the response is a way from the handler to a value that it loads. */
const responseHeaderRow = (name: string, cached: MethodDecorator | undefined): Row => ({
  name,
  application: () => ({
    controllers: [
      page(
        ({ request, response, injected, id }) => {
          response['header']('x-shop', request['headers']['x-forwarded-host'] ?? 'none');
          return (injected as CacheService).getOrSet(`shop ${id}`, async () => ({
            shop: response['getHeader']('x-shop'),
          }));
        },
        { cached, inject: CacheService },
      ),
    ],
  }),
  visitors: sending('x-forwarded-host', 'ada.example', 'bob.example'),
});

describeRows('@CacheResult and getOrSet', [
  ambient(
    '@CacheResult that reads a tenant from AsyncLocalStorage',
    'x-tenant',
    ({ injected, id }) => injected.fromContext(id),
    byTenant,
  ),
  ambient(
    '@CacheResult that reads a locale from a map in a context',
    'accept-language',
    ({ injected, id }) => injected.fromMap(id),
    sending('accept-language', 'de', 'fr', 'en'),
  ),
  ambient(
    '@CacheResult that reads a user from a map in a context',
    'x-user-id',
    ({ injected, id }) => injected.fromMap(id),
    sending('x-user-id', 'ada', 'bob'),
  ),
  innerRow('getOrSet whose loader reads a tenant header', uncachedHandler),
  {
    name: 'getOrSet whose loader reads parameters that middleware has left for some, below the request of the platform',
    application: () => ({
      controllers: [
        page(
          ({ request, injected, id }) =>
            (injected as CacheService).getOrSet(`tenant ${id}`, async () => ({
              tenant: (request['raw'] ?? request)['params']?.tenant ?? 'nobody',
            })),
          { cached: uncachedHandler, inject: CacheService },
        ),
      ],
    }),
    platforms: ['fastify'],
    setup: inFront((request, _response, next) => {
      const tenant = request['headers']['x-tenant'];
      if (tenant !== undefined) (request['raw'] ?? request)['params'] = { tenant };
      next();
    }),
    visitors: byTenant,
  },
  innerRow('a response made of a getOrSet that read a tenant header', undefined),
  responseHeaderRow(
    'getOrSet whose loader reads a response header that the handler made of the host',
    uncachedHandler,
  ),
  responseHeaderRow(
    'a response made of a getOrSet that read a response header that the handler made of the host',
    undefined,
  ),
]);
