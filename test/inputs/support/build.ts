import 'reflect-metadata';
import { Module, type INestApplication, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { ContextIdFactory, NestFactory, type ContextId, type HostComponentInfo } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import express from 'express';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { memoryStore, RestflowCacheModule } from '../../../lib/index.js';
import { TestClock } from '../../http/support/test-clock.js';
import { controllerOf, plainController } from './controllers.js';
import { partOf, type Part } from './readers.js';
import { isStep, type Reader, type Recipe, type Stage } from './recipe.js';
import { RunningStep } from './steps.js';
import { read, type AnyRequest } from './ways.js';

export interface RunningRecipe {
  readonly origin: string;
  readonly clock: TestClock;
  close(): Promise<void>;
}

/** Durable providers of one tenant share their context. */
const tenants = new Map<string, ContextId>();
ContextIdFactory.apply({
  attach(contextId: ContextId, request: AnyRequest) {
    const tenant: string | undefined = request['headers']?.['x-tenant'];
    const shared = tenants.get(String(tenant)) ?? ContextIdFactory.create();
    tenants.set(String(tenant), shared);
    return {
      resolve: (info: HostComponentInfo) => (info.isTreeDurable ? shared : contextId),
      payload: { tenant },
    };
  },
});

/** Starts the application of a recipe, with the cache on or off. */
export async function startRecipe(recipe: Recipe, isCached: boolean): Promise<RunningRecipe> {
  const steps = new Map(recipe.steps.map((step) => [step, new RunningStep(step, recipe.platform)]));
  const at = (stage: Stage): RunningStep[] => [...steps.values()].filter(({ step }) => step.stage === stage);
  const find = ({ from }: Reader): Parameters<typeof partOf>[1] =>
    isStep(from) ? (exchange) => steps.get(from)!.find(exchange) : ({ request }) => read(from, request);

  const parts = new Map<string, Part[]>(
    recipe.routes.map((route, one) => [
      route.name,
      route.readers.map((reader, other) => partOf(reader, find(reader), `R${one}${other}`)),
    ]),
  );
  const guards = at('route guard').map((step) => step.asGuard());
  const controllers = recipe.routes.map((route) =>
    controllerOf({ route, parts: parts.get(route.name)!, guards, cachesEverything: recipe.cachesEverything }),
  );
  const all = [...parts.values()].flat();
  const clock = new TestClock();

  @Module({
    imports: [
      RestflowCacheModule.forRoot({
        store: memoryStore(),
        setCacheHeaders: true,
        dataSources: false,
        clock,
        enabled: isCached,
        ...(recipe.cachesEverything && { cacheEverything: { ttl: 600 } }),
      }),
    ],
    controllers: [...controllers, plainController()],
    providers: all.flatMap(({ providers = [] }) => providers),
  })
  class RecipeModule implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      for (const { handle } of at('middleware')) consumer.apply(handle).forRoutes('*path');
    }
  }

  const app = await NestFactory.create(RecipeModule, adapterOf(recipe, at('instance')), {
    logger: false,
    abortOnError: false,
  });
  prepare(app, recipe);
  for (const { handle } of at('use')) app.use(handle);
  addHooks(app, recipe, at('hook'));
  app.useGlobalGuards(...at('guard').map((step) => step.asGuard()));
  app.useGlobalInterceptors(
    ...at('interceptor').map((step) => step.asInterceptor()),
    ...all.flatMap(({ globalInterceptor }) => globalInterceptor ?? []),
  );
  await app.listen(0, '127.0.0.1');
  return running(app, clock);
}

function running(app: INestApplication, clock: TestClock): RunningRecipe {
  const server = app.getHttpServer() as Server;
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clock,
    close: () => {
      server.closeAllConnections();
      return app.close();
    },
  };
}

const PREFIX = /^\/t\/(\w+)(?=\/)/;

function stripPrefix(request: AnyRequest): string {
  const [prefix, tenant] = PREFIX.exec(request['url']) ?? [''];
  request['rewrittenTenant'] = tenant;
  return request['url'].slice(prefix.length);
}

function adapterOf(recipe: Recipe, early: readonly RunningStep[]): ExpressAdapter | FastifyAdapter {
  if (recipe.platform === 'fastify')
    return new FastifyAdapter({
      trustProxy: recipe.trustsProxy,
      ...(recipe.stripsPrefix && { rewriteUrl: stripPrefix }),
    });
  const instance = express();
  for (const { handle } of early) instance.use(handle);
  return new ExpressAdapter(instance);
}

/** What the application has besides its steps. */
function prepare(app: INestApplication, recipe: Recipe): void {
  const isExpress = recipe.platform === 'express';
  if (recipe.hasCors) app.enableCors({ origin: true, credentials: true });
  if (recipe.trustsProxy && isExpress) app.getHttpAdapter().getInstance().set('trust proxy', true);
  if (recipe.stripsPrefix && isExpress)
    app.use((request: AnyRequest, _response: unknown, next: () => void) => {
      request['url'] = stripPrefix(request);
      next();
    });
  if (!recipe.parsesCookies) return;
  if (isExpress) app.use(parseCookies);
  else {
    const fastify = app.getHttpAdapter().getInstance();
    fastify.decorateRequest('cookies', null);
    fastify.addHook('onRequest', parseCookies);
  }
}

function parseCookies(request: AnyRequest, _response: unknown, next: () => void): void {
  const pairs = [...String(request['headers'].cookie ?? '').matchAll(/([^=; ]+)=([^;]*)/g)];
  request['cookies'] = Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
  next();
}

function addHooks(app: INestApplication, { platform }: Recipe, steps: readonly RunningStep[]): void {
  for (const { handle } of steps)
    if (platform === 'express') app.use(handle);
    else app.getHttpAdapter().getInstance().addHook('preHandler', handle);
}
