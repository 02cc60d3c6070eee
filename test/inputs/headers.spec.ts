import { createParamDecorator, Headers, type ExecutionContext } from '@nestjs/common';
import { AsyncLocalStorage } from 'node:async_hooks';
import { page, uncachedHandler } from './support/pages.js';
import { describeRows, sending, type Row } from './support/rows.js';
import { inFront } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

const byTenant = sending('x-tenant', 'acme', 'globex');
const byLanguage = sending('accept-language', 'de', 'fr', 'en');

const Tenant = createParamDecorator(
  (_data: unknown, context: ExecutionContext) =>
    context.switchToHttp().getRequest<AnyRequest>()['headers']['x-tenant'],
);

type Pages = (cached?: MethodDecorator) => ReturnType<typeof page>;
interface Read {
  readonly name: string;
  readonly pages: Pages;
  readonly visitors: Row['visitors'];
  readonly setup?: Row['setup'];
}

const decorated = (name: string, parameter: ParameterDecorator, visitors: Row['visitors']): Read => ({
  name,
  pages: (cached) => page(({ parameter: value }) => value, { cached, parameter }),
  visitors,
});
const direct = (name: string, header: string): Read => ({
  name,
  pages: (cached) => page(({ request }) => request['headers'][header], { cached }),
  visitors: sending(header, 'of ada', 'of bob'),
});

const inLoad: Read[] = [
  decorated(`@Headers('x-user-id')`, Headers('x-user-id'), sending('x-user-id', 'ada', 'bob')),
  {
    name: '@Headers()',
    pages: (cached) => page(({ parameter }) => parameter['x-tenant'], { cached, parameter: Headers() }),
    visitors: byTenant,
  },
  direct(`request.headers['x-tenant']`, 'x-tenant'),
  direct('x-auth-token', 'x-auth-token'),
  decorated('a parameter decorator that reads a header', Tenant(), byTenant),
  decorated(`@Headers('accept-language')`, Headers('accept-language'), byLanguage),
];

const locales = new AsyncLocalStorage<string>();
const tenants = new AsyncLocalStorage<string>();

const beforeLoad: Read[] = [
  {
    name: 'a tenant header that middleware resolves into a context',
    pages: (cached) => page(() => tenants.getStore(), { cached }),
    setup: inFront((request, _response, next) => tenants.run(request['headers']['x-tenant'], next)),
    visitors: byTenant,
  },
  {
    name: 'Accept-Language that middleware resolves into a context',
    pages: (cached) => page(() => locales.getStore(), { cached }),
    setup: inFront((request, _response, next) =>
      locales.run(request['headers']['accept-language'] ?? 'en', next),
    ),
    visitors: byLanguage,
  },
  {
    // As i18next-http-middleware does.
    name: 'Content-Language of the live request and a body in the same language',
    pages: (cached) => page(({ request }) => request['language'], { cached }),
    setup: inFront((request, response, next) => {
      const language = request['headers']['accept-language'] ?? 'en';
      request['language'] = language;
      (response['header'] ?? response['setHeader']).call(response, 'Content-Language', language);
      next();
    }),
    visitors: byLanguage,
  },
];

const byDecorator = ({ pages, name, ...row }: Read): Row => ({
  ...row,
  name,
  application: () => ({ controllers: [pages()] }),
});
const underCacheEverything = ({ pages, name, ...row }: Read): Row => ({
  ...row,
  name: `${name}, under cacheEverything`,
  application: () => ({ controllers: [pages(uncachedHandler)], cache: { cacheEverything: { ttl: 60 } } }),
});

describeRows('headers read by the load', [...inLoad.map(byDecorator), ...inLoad.map(underCacheEverything)]);
describeRows('headers read before the load', [
  ...beforeLoad.map(byDecorator),
  ...beforeLoad.map(underCacheEverything),
]);

const byOrigin = sending('origin', 'https://ada.test', 'https://bob.test');

describeRows('Vary that middleware said already', [
  {
    name: 'a body made of Origin, where CORS says Vary: Origin',
    application: () => ({ controllers: [page(({ request }) => request['headers'].origin)] }),
    setup: (app) => app.enableCors({ origin: true }),
    visitors: byOrigin,
  },
  {
    name: 'a handler that says Vary: Origin after CORS has said it',
    application: () => ({
      controllers: [
        page(({ request, response }) => {
          response['header']('Vary', 'Origin');
          return request['headers'].origin;
        }),
      ],
    }),
    setup: (app) => app.enableCors({ origin: true }),
    visitors: byOrigin,
  },
]);
