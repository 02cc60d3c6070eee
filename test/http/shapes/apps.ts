import fastifyCompress from '@fastify/compress';
import fastifyView from '@fastify/view';
import type { INestApplication } from '@nestjs/common';
import compression from 'compression';
import { createRequire } from 'node:module';
import { start, type PlatformName, type TestApplication } from '../support/application.js';
import { controllerOf, type Runs, type Shape } from './shape.js';

const ejs = createRequire(import.meta.url)('ejs') as object;
const VIEWS = new URL('./views', import.meta.url).pathname;

export interface ShapesOptions {
  readonly shapes: readonly Shape[];
  readonly freshness: 'ttl' | 'headers';
  readonly runs: Runs;
  readonly http2?: boolean;
  /** Compresses below the cache. */
  readonly compresses?: boolean;
}

/** An application that answers in every one of these shapes. */
export function startShapes(
  platform: PlatformName,
  { shapes, freshness, runs, http2 = false, compresses = false }: ShapesOptions,
): Promise<TestApplication> {
  return start(platform, {
    controllers: [controllerOf(shapes, freshness, runs)],
    adapter: http2 ? { http2: true } : {},
    // @fastify/view decorates replies with a function, which could know more than it is given.
    cache: { ignoreProperties: ['response.view'] },
    setup: async (app) => {
      app.use(
        (_request: object, response: { setHeader(name: string, value: string): void }, next: () => void) => {
          response.setHeader('X-From-Middleware', 'yes');
          if (freshness === 'headers') response.setHeader('Cache-Control', 'max-age=60');
          next();
        },
      );
      await (platform === 'express' ? onExpress(app, compresses) : onFastify(app, compresses));
    },
  });
}

interface ExpressLike {
  set(name: string, value: string): void;
}

async function onExpress(app: INestApplication, compresses: boolean): Promise<void> {
  const express = app.getHttpAdapter().getInstance() as ExpressLike;
  express.set('views', VIEWS);
  express.set('view engine', 'ejs');
  if (compresses) app.use(compression());
}

interface FastifyLike {
  register(plugin: unknown, options: object): Promise<unknown>;
}

async function onFastify(app: INestApplication, compresses: boolean): Promise<void> {
  const fastify = app.getHttpAdapter().getInstance() as FastifyLike;
  await fastify.register(fastifyView, { engine: { ejs }, root: VIEWS, viewExt: 'ejs' });
  if (compresses) await fastify.register(fastifyCompress, { global: true });
}
