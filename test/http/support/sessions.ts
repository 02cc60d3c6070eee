import type { INestApplication } from '@nestjs/common';
import type { PlatformName } from './application.js';

interface Session {
  secret?: string;
  user?: unknown;
}

interface RequestLike {
  headers: Record<string, string | undefined>;
  session?: Session;
  cookies?: Record<string, string>;
}

interface RawResponse {
  end(...args: unknown[]): unknown;
  writeHead(...args: unknown[]): unknown;
  on(event: string, listener: () => void): void;
}

/**
 * Sessions as the usual packages keep them. On Express as express-session: the session and the cookies are properties,
 * and are read again as the head is written and as the response ends. On Fastify as @fastify/session: a decorated
 * property, read again in an onSend hook.
 *
 * @param lazy as cookie-session and @fastify/secure-session: the session is an accessor
 */
export function sessions(app: INestApplication, platform: PlatformName, lazy = false): void {
  if (platform === 'express') {
    app.use((request: RequestLike, response: RawResponse, next: () => void) => {
      open(request);
      if (lazy) makeLazy(request);
      const { end, writeHead } = response;
      response.writeHead = (...args) => {
        touch(request);
        return Reflect.apply(writeHead, response, args);
      };
      response.end = (...args) => {
        touch(request);
        return Reflect.apply(end, response, args);
      };
      next();
    });
    return;
  }
  const fastify = app.getHttpAdapter().getInstance() as {
    decorateRequest(name: string, value: unknown): void;
    addHook(name: string, hook: (...args: never[]) => Promise<unknown>): void;
  };
  fastify.decorateRequest('session', lazy ? { getter: sessionOf } : null);
  fastify.decorateRequest('cookies', null);
  fastify.addHook('onRequest', async (request: RequestLike) => open(request, lazy));
  fastify.addHook('onSend', async (request: RequestLike, _reply: unknown, payload: unknown) => {
    touch(request);
    return payload;
  });
}

function open(request: RequestLike, lazy = false): void {
  const sid = sidOf(request);
  request.cookies = sid === undefined ? {} : { sid };
  if (!lazy) request.session = sessionOf.call(request);
}

function sidOf(request: RequestLike): string | undefined {
  return /sid=([\w-]+)/.exec(request.headers['cookie'] ?? '')?.[1];
}

function sessionOf(this: RequestLike): Session {
  const sid = sidOf(this);
  return sid === 'logged-in' ? { user: { id: 1 } } : { secret: `secret of ${sid}` };
}

function makeLazy(request: RequestLike): void {
  const { session } = request;
  Object.defineProperty(request, 'session', { configurable: true, enumerable: true, get: () => session });
}

function touch(request: RequestLike): void {
  if (request.session === undefined) throw new Error('the session is gone');
  JSON.stringify(request.session);
  void request.headers['cookie'];
}
