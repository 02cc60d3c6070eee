import { AsyncLocalStorage } from 'node:async_hooks';
import { page } from './support/pages.js';
import { describeRows, type Row, type Sent } from './support/rows.js';
import { rawOf } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

const target = (prefix: string): Sent => ({ path: (id) => `${prefix}/page/${id}` });
const tenants = new AsyncLocalStorage<string | undefined>();

function stripTenant(request: AnyRequest): string {
  const [prefix, tenant] = /^\/t\/(\w+)(?=\/)/.exec(request['url']) ?? [''];
  request['tenant'] = tenant;
  return request['url'].slice(prefix.length);
}

/** `/t/:tenant` is stripped by middleware on Express, by rewriteUrl on Fastify. */
const stripped = (name: string, show: Parameters<typeof page>[0]): Row => ({
  name,
  application: (platform) => ({
    controllers: [page(show)],
    adapter: platform === 'fastify' ? { rewriteUrl: stripTenant } : {},
  }),
  setup: (app, platform) => {
    if (platform === 'express')
      app.use((request: AnyRequest, _response: unknown, next: () => void) => {
        request['url'] = stripTenant(request);
        tenants.run(request['tenant'], next);
      });
    else
      app
        .getHttpAdapter()
        .getInstance()
        .addHook('onRequest', (request: AnyRequest, _reply: unknown, done: () => void) =>
          tenants.run(request['raw'].tenant, done),
        );
  },
  visitors: { ada: target('/t/acme'), bob: target('/t/globex'), anonymous: target('') },
});

const queried = (name: string, ada: string, bob: string, anonymous: string): Row => {
  const asking = (query: string): Sent => ({ path: (id) => `/page/${id}?${query}` });
  return {
    name,
    application: () => ({ controllers: [page(({ request }) => request['query'])] }),
    visitors: { ada: asking(ada), bob: asking(bob), anonymous: asking(anonymous) },
  };
};

describeRows('the URL as the client sent it', [
  stripped(
    'a stripped /t/:tenant that the page reads from the request',
    ({ request }) => rawOf(request)['tenant'],
  ),
  stripped('a stripped /t/:tenant that the page reads from a context', () => tenants.getStore()),
  stripped(
    'a stripped /t/:tenant that the page reads from originalUrl',
    ({ request }) => request['originalUrl'],
  ),
  {
    name: 'a link to the host of an absolute target',
    application: () => ({
      controllers: [
        page(({ request }) => new URL('/next', new URL(rawOf(request)['url'], 'http://a.test')).href),
      ],
    }),
    visitors: { ada: target('http://ada.test'), bob: target('http://evil.test'), anonymous: target('') },
  },
  {
    name: 'a redirect to the host of an absolute target',
    application: () => ({
      controllers: [
        page(({ request, response }) => {
          response['status'](301);
          response['header'](
            'Location',
            new URL('/next', new URL(rawOf(request)['url'], 'http://a.test')).href,
          );
        }),
      ],
    }),
    visitors: { ada: target('http://ada.test'), bob: target('http://evil.test'), anonymous: target('') },
  },
  queried('the order of repeated query values', 'sort=a&sort=b', 'sort=b&sort=a', 'sort=a'),
  queried('repeated query values', 'sort=a&sort=a&sort=b', 'sort=a&sort=b', 'sort=b&sort=a&sort=a'),
  queried('bracketed and plain query names', 'sort[]=a', 'sort=a', 'sort[0]=a'),
]);
