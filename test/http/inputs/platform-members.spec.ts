import http, { type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { type PlatformMembers, platformMembers } from '../../../lib/http/inputs/platform-members.js';

type Middleware = (request: any, response: any, next: () => void) => void;

const tenant = Symbol('tenant');
let closing: (() => unknown) | undefined;
afterEach(async () => {
  await closing?.();
});

/** What Express's request holds of other code, after this middleware. */
async function foreignOnExpress(middleware: Middleware, extend?: (app: any) => void): Promise<PropertyKey[]> {
  const app = new ExpressAdapter().getInstance();
  extend?.(app);
  let members: PlatformMembers;
  app.use((request: object, _response: unknown, next: () => void) => {
    members = platformMembers('express.request', request);
    next();
  });
  app.use(middleware);
  const found = new Promise<PropertyKey[]>((resolve) =>
    app.use((request: object, response: http.ServerResponse) => {
      resolve(members.foreign(request));
      response.end();
    }),
  );
  const server = http.createServer(app).listen(0, '127.0.0.1');
  closing = () => server.close();
  await new Promise((resolve) => server.once('listening', resolve));
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return found;
}

/** What Fastify's request holds of other code, by plugins that this function stands for. */
async function foreignOnFastify(decorate: (fastify: any) => void): Promise<PropertyKey[]> {
  const fastify = new FastifyAdapter().getInstance();
  let members: PlatformMembers;
  fastify.addHook(
    'onRequest',
    async (request) => void (members = platformMembers('fastify.request', request)),
  );
  decorate(fastify);
  let found: PropertyKey[] = [];
  fastify.get('/', async (request) => {
    found = members.foreign(request);
    return '';
  });
  closing = () => fastify.close();
  await fetch(await fastify.listen());
  return found;
}

describe('On Express, of the members of a request, others have put there', () => {
  test('what middleware adds, under a name or a symbol', async () => {
    const found = await foreignOnExpress((request, _response, next) => {
      request.account = {};
      request[tenant] = 'acme';
      Object.defineProperty(request, 'hidden', { get: () => 'never read', enumerable: false });
      next();
    });
    expect(found).toEqual(['account', 'hidden', tenant]);
  });

  test('what middleware puts over a getter or a method of the framework', async () => {
    const found = await foreignOnExpress((request, _response, next) => {
      Object.defineProperty(request, 'query', { value: { tenant: 'acme' } });
      request.get = () => 'acme';
      next();
    });
    expect(found).toEqual(['query', 'get']);
  });

  test('what an application defines on the prototype', async () => {
    const define = (app: any): void => {
      Object.defineProperty(app.request, 'tenant', { get: () => 'acme' });
    };
    expect(await foreignOnExpress((_request, _response, next) => next(), define)).toEqual(['tenant']);
  });

  test('not the methods of Node that tracers wrap, nor the listeners of anybody', async () => {
    const found = await foreignOnExpress((request: IncomingMessage, _response, next) => {
      const { on } = request;
      request.on = function (...args) {
        return on.apply(this, args);
      };
      request.once('close', () => {});
      void request.headersDistinct;
      next();
    });
    expect(found).toEqual([]);
  });
});

describe('On Fastify, of the members of a request, others have put there', () => {
  test('the request id, and nothing where there are no plugins', async () => {
    expect(await foreignOnFastify(() => {})).toEqual(['id']);
  });

  test('decorators of all kinds, before the watch began and without one being read', async () => {
    const found = await foreignOnFastify((fastify) => {
      fastify.decorateRequest('user', null);
      fastify.decorateRequest('csrfToken', () => 'token');
      fastify.decorateRequest('tenant', {
        getter: () => {
          throw new Error('read');
        },
      });
    });
    expect(found.sort()).toEqual(['csrfToken', 'id', 'tenant', 'user']);
  });

  test('what a hook adds, under a symbol described like those of Fastify too', async () => {
    const alike = Symbol('fastify.request.tenant');
    const found = await foreignOnFastify((fastify) =>
      fastify.addHook('onRequest', async (request: any) => void (request[alike] = 'acme')),
    );
    expect(found).toEqual(['id', alike]);
  });
});

describe('A member that is absent', () => {
  test('is the platform’s only under a name that the platform uses', async () => {
    await foreignOnExpress((request, _response, next) => {
      const members = platformMembers('express.request', request);
      expect(members.has('rawBody')).toBe(true);
      expect(members.has('toString')).toBe(true);
      for (const name of ['user', 'session', 'cookies', 'id', 'log']) expect(members.has(name)).toBe(false);
      next();
    });
    expect.assertions(7);
  });
});
