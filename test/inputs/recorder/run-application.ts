import 'reflect-metadata';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type CallHandler,
  type ExecutionContext,
  type INestApplication,
  Module,
  type NestInterceptor,
  type Type,
} from '@nestjs/common';
import { ApplicationConfig, NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { RecordedApplication, RecordedRequest } from './application.interface.js';
import { learnNodeMembers, type Observer } from './recorder.js';
import { commonRequests } from './requests.js';
import { ThingsController } from './things.controller.js';

const settings = { logger: false, abortOnError: false } as const;

/** Stands where the cache's interceptor stands, before all others: the load is everything inside of it. */
class Boundary implements NestInterceptor {
  constructor(private readonly observer: Observer) {}

  intercept(context: ExecutionContext, next: CallHandler): ReturnType<CallHandler['handle']> {
    const response = context.switchToHttp().getResponse<object>();
    const raw = 'raw' in response ? (response.raw as object) : response;
    // Patched last, so called first: the head reaches this layer before all others.
    for (const method of ['writeHead', 'flushHeaders', 'write', 'end'] as const) {
      const original = Reflect.get(raw, method) as (...args: unknown[]) => unknown;
      Reflect.set(raw, method, (...args: unknown[]) => {
        this.observer.enter('after');
        return Reflect.apply(original, raw, args) as unknown;
      });
    }
    this.observer.enter('load');
    return next.handle();
  }
}

/** Answers one request with a plain server of Node's, for the members that all messages have. */
export async function runOnNode(): Promise<void> {
  const server = http.createServer((request, response) => {
    response.end();
    learnNodeMembers(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await sendOne((server.address() as AddressInfo).port, { path: '/' }, []);
  server.close();
}

export async function runOnExpress(application: RecordedApplication, observer: Observer): Promise<void> {
  const adapter = new ExpressAdapter();
  adapter.use((request: object, response: object, next: () => void) => {
    observer.begin({ raw: request, response });
    next();
  });
  const app = await NestFactory.create<NestExpressApplication>(moduleOf(application), adapter, {
    ...settings,
    ...application.options,
  });
  app.set('trust proxy', true);
  await application.express!(app);
  await send(app, application, observer);
}

export async function runOnFastify(application: RecordedApplication, observer: Observer): Promise<void> {
  const adapter = new FastifyAdapter({ trustProxy: true });
  const fastify = adapter.getInstance();
  addFirstHook(fastify, (request, response, done) => {
    observer.begin({ request, raw: request.raw, response, rawResponse: response.raw });
    done();
  });
  fastify.addHook('onSend', (_request, _reply, _payload, done) => {
    observer.enter('after');
    done();
  });
  const app = await NestFactory.create<NestFastifyApplication>(moduleOf(application), adapter, {
    ...settings,
    ...application.options,
  });
  await application.fastify!(app);
  await send(app, application, observer);
}

type Hook = (request: { raw: object }, response: { raw: object }, done: () => void) => void;

/** Nest's adapter has hooks of its own, such as that of enableCors(), before anybody else can add one. */
function addFirstHook(fastify: { after(run: () => void): unknown }, hook: Hook): void {
  const symbol = Object.getOwnPropertySymbols(fastify).find(
    ({ description }) => description === 'fastify.hooks',
  )!;
  fastify.after(() =>
    (fastify as unknown as Record<symbol, { onRequest: Hook[] }>)[symbol]!.onRequest.unshift(hook),
  );
}

function moduleOf({ imports = [], controllers = [], providers = [] }: RecordedApplication): Type {
  class RootModule {}
  Module({ imports, controllers: [ThingsController, ...controllers], providers })(RootModule);
  return RootModule;
}

async function send(
  app: INestApplication,
  application: RecordedApplication,
  observer: Observer,
): Promise<void> {
  app.get(ApplicationConfig).getGlobalInterceptors().unshift(new Boundary(observer));
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  let cookies: string[] = [];
  for (const request of [...commonRequests, ...(application.requests ?? [])]) {
    const given = await sendOne(port, request, cookies);
    observer.end();
    cookies = [...cookies, ...given];
  }
  await app.close();
}

/** Sends one request with the cookies that earlier answers set, and waits for the end of all that follows it. */
function sendOne(
  port: number,
  { method = 'GET', path, headers = {}, body }: RecordedRequest,
  cookies: readonly string[],
): Promise<string[]> {
  const jar = [headers['cookie'], ...cookies].filter(Boolean).join('; ');
  return new Promise((resolve, reject) => {
    const all = { ...headers, ...(jar ? { cookie: jar } : {}) };
    const request = http.request(
      { host: '127.0.0.1', port, method, path, headers: all, agent: false },
      (response) => {
        if (response.statusCode! >= 500)
          reject(new Error(`${method} ${path} was answered with ${response.statusCode}`));
        response.resume();
        response.on('end', () => {
          const set = response.headers['set-cookie'] ?? [];
          // Listeners for the end of the response run within the next turns.
          setTimeout(() => resolve(set.map((cookie) => cookie.split(';')[0]!)), 20);
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}
