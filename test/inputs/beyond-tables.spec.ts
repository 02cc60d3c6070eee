import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { APP_GUARD, APP_INTERCEPTOR } from '@nestjs/core';
import { map } from 'rxjs';
import { page } from './support/pages.js';
import { describeRows, sending, type Row } from './support/rows.js';
import { inFront, rawOf } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

/** A header that is neutral before the load: what is made of it must be seen where it is left. */
const byAgent = sending('user-agent', 'Ada/1', 'Bob/1');
const agentOf = (request: AnyRequest): string => String(request['headers']['user-agent'] ?? 'none');

const row = (
  name: string,
  show: Parameters<typeof page>[0],
  front: (request: AnyRequest, response: AnyRequest) => void,
  more: Partial<Row> = {},
): Row => ({
  name,
  application: () => ({ controllers: [page(show)] }),
  setup: inFront((request, response, next) => {
    front(request, response);
    next();
  }),
  visitors: byAgent,
  ...more,
});
const nothing = (): void => undefined;
/** As servers do that serve several applications, and adapters of serverless platforms. */
const inFrontOfPlatform =
  (run: (request: AnyRequest) => void): Row['setup'] =>
  (app) =>
    void app.getHttpServer().prependListener('request', run);
const context = new AsyncLocalStorage<string>();
const KEY = Symbol('visitor');

describeRows('beyond the tables', [
  row(
    'X-Forwarded-Host, read by hand without a trusted proxy',
    ({ request }) => request['headers']['x-forwarded-host'],
    nothing,
    {
      visitors: sending('x-forwarded-host', 'a.test', 'evil.test'),
    },
  ),
  row(
    'X-Forwarded-Proto, read by hand without a trusted proxy',
    ({ request }) => request['headers']['x-forwarded-proto'],
    nothing,
    {
      visitors: sending('x-forwarded-proto', 'https', 'javascript'),
    },
  ),
  row('the spelling of the target', ({ request }) => request['url'], nothing, {
    visitors: {
      ada: { path: (id) => `/page/${id}?q=<script>` },
      bob: { path: (id) => `/page/${id}?q=%3Cscript%3E` },
      anonymous: { path: (id) => `/page/${id}?q=%3cscript%3e` },
    },
  }),
  row('the spelling of the original target', ({ request }) => request['originalUrl'], nothing, {
    visitors: {
      ada: { path: (id) => `/page/${id}?q="'>` },
      bob: { path: (id) => `/page/${id}?q=%22'>` },
      anonymous: { path: (id) => `/page/${id}?q=%22%27%3E` },
    },
  }),
  row('the spelling of the path', ({ request }) => rawOf(request)['url'], nothing, {
    visitors: {
      ada: { path: (id) => `/page/%3${id}` },
      bob: { path: (id) => `/page/${id}` },
      anonymous: {},
    },
  }),
  row('headers that are printed', ({ request }) => inspect(request['headers']), nothing),
  row(
    'a request that is printed',
    ({ request }) => inspect(rawOf(request)).match(/(Ada|Bob)\/1/)?.[0],
    nothing,
  ),
  row(
    'headers that are sent to a worker',
    ({ request }) => {
      const { port1, port2 } = new MessageChannel();
      port1.postMessage({ headers: request['headers'] });
      const { message } = receiveMessageOnPort(port2) as { message: { headers: object } };
      port1.close();
      return message.headers;
    },
    nothing,
  ),
  row('headers that are copied by JSON', ({ request }) => JSON.stringify(request['headers']), nothing),
  row(
    'a member of the connection',
    ({ request }) => rawOf(request)['socket'].visitor,
    (request) => {
      rawOf(request)['socket'].visitor = agentOf(request);
    },
  ),
  row(
    'a member of the connection of some',
    ({ request }) => rawOf(request)['socket'].visitor,
    (request) => {
      if (/^Ada|Bob/.test(agentOf(request))) rawOf(request)['socket'].visitor = { name: agentOf(request) };
    },
  ),
  row(
    'a method over one of the framework',
    () => 'same',
    (request, response) => {
      const agent = agentOf(request);
      const send = response['send'];
      response['send'] = function (body: unknown) {
        return send.call(
          this,
          typeof body === 'string' ? body.replace('same', agent) : { ...(body as object), agent },
        );
      };
    },
  ),
  row(
    'the serializer of a reply',
    () => 'same',
    (request, response) => {
      const agent = agentOf(request);
      response['serializer']((body: object) => JSON.stringify({ ...body, agent }));
    },
    { platforms: ['fastify'] },
  ),
  row(
    'headers that a hook adds',
    ({ request }) => request['headers']['x-visitor'],
    (request) => {
      if (agentOf(request).startsWith('Ada')) request['headers'] = { 'x-visitor': agentOf(request) };
    },
    { platforms: ['fastify'] },
  ),
  row(
    'a symbol of the request',
    ({ request }) => request[KEY],
    (request) => {
      request[KEY] = agentOf(request);
    },
  ),
  row(
    'a hidden member',
    ({ request }) => request['visitor'],
    (request) => {
      Object.defineProperty(request, 'visitor', { value: agentOf(request) });
    },
  ),
  row(
    'a getter that keeps what it knows',
    ({ request }) => request['visitor'],
    (request) => {
      const agent = agentOf(request);
      Object.defineProperty(request, 'visitor', { get: () => agent, configurable: true });
    },
  ),
  row(
    'a prototype of one request',
    ({ request }) => request['visitor'],
    (request) => {
      const agent = agentOf(request);
      Object.setPrototypeOf(
        request,
        Object.create(Object.getPrototypeOf(request), { visitor: { get: () => agent } }),
      );
    },
  ),
  row(
    'a snapshot of a context',
    ({ request }) => request['inside'](() => context.getStore()),
    (request) => {
      context.run(agentOf(request), () => (request['inside'] = AsyncLocalStorage.snapshot()));
    },
  ),
  {
    name: 'a context that an interceptor enters',
    application: () => ({
      controllers: [page(() => context.getStore())],
      providers: [
        {
          provide: APP_INTERCEPTOR,
          useValue: {
            intercept: (execution: any, next: any) => {
              const request = execution.switchToHttp().getRequest();
              context.enterWith(agentOf(request));
              return next.handle();
            },
          },
        },
      ],
    }),
    visitors: byAgent,
  },
  {
    name: 'a context that a guard enters',
    application: () => ({
      controllers: [page(() => context.getStore())],
      providers: [
        {
          provide: APP_GUARD,
          useValue: {
            canActivate: (execution: any) => {
              context.enterWith(agentOf(execution.switchToHttp().getRequest()));
              return true;
            },
          },
        },
      ],
    }),
    visitors: byAgent,
  },
  {
    name: 'an interceptor that adds to the body after the handler',
    application: () => ({
      controllers: [page(() => 'same')],
      providers: [
        {
          provide: APP_INTERCEPTOR,
          useValue: {
            intercept: (execution: any, next: any) =>
              next
                .handle()
                .pipe(
                  map((body: object) => ({ ...body, agent: agentOf(execution.switchToHttp().getRequest()) })),
                ),
          },
        },
      ],
    }),
    visitors: byAgent,
  },
  row(
    'params that middleware added to the query',
    ({ request }) => request['query'].visitor,
    (request) => {
      const visitor = agentOf(request);
      Object.defineProperty(request, 'query', {
        value: { ...request['query'], visitor },
        configurable: true,
        writable: true,
        enumerable: true,
      });
    },
  ),
  {
    ...row(
      'a member that code in front of the platform left',
      ({ request }) => rawOf(request)['visitor'],
      nothing,
    ),
    setup: inFrontOfPlatform((request) => {
      request['visitor'] = agentOf(request);
    }),
  },
  {
    ...row(
      'a member that code in front of the platform left for some',
      ({ request }) => rawOf(request)['visitor'],
      nothing,
    ),
    setup: inFrontOfPlatform((request) => {
      if (agentOf(request) !== 'none') request['visitor'] = agentOf(request);
    }),
  },
]);
