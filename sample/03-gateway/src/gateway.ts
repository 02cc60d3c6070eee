import { NestFactory } from '@nestjs/core';
import { ExpressAdapter, type NestExpressApplication } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { INestApplication } from '@nestjs/common';
import { METHODS } from 'node:http';
import { type GatewayOptions, GatewayModule } from './gateway.module.js';

/**
 * A gateway that touches nothing: no body parser, no ETag and no header of the platform's own. Every path comes to one
 * route, since routers decode paths; the URL as it came stays in `originalUrl`.
 */
export function createGateway(
  platform: 'express' | 'fastify',
  options: GatewayOptions,
): Promise<INestApplication> {
  return platform === 'fastify' ? onFastify(options) : onExpress(options);
}

const SETTINGS = { bodyParser: false, abortOnError: false, logger: ['warn', 'error'] as const };

async function onExpress(options: GatewayOptions): Promise<INestApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    GatewayModule.forOrigin(options),
    new ExpressAdapter(),
    { ...SETTINGS, logger: [...SETTINGS.logger] },
  );
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use((request: { url: string }, _response: object, next: () => void) => {
    request.url = '/';
    next();
  });
  return app;
}

async function onFastify(options: GatewayOptions): Promise<INestApplication> {
  const adapter = new FastifyAdapter({ rewriteUrl: () => '/' });
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule.forOrigin(options), adapter, {
    ...SETTINGS,
    logger: [...SETTINGS.logger],
  });
  const fastify = adapter.getInstance();
  const unknown = METHODS.filter((method) => !fastify.supportedMethods.includes(method));
  for (const method of unknown) if (method !== 'CONNECT') fastify.addHttpMethod(method, { hasBody: true });
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
  return app;
}
