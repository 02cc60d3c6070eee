// One server with one route, /payload: a Nest application, node:http, or Fastify with @fastify/caching. Answers each message with its
// processor time and how often its handler has run.
import 'reflect-metadata';
import { createServer } from 'node:http';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { payload } from '../rig/payload.mjs';
import { options, serve } from '../rig/processes.mjs';
import { variantOf } from './variants.mjs';

const given = options();
let runs = 0;

function handler() {
  runs++;
  return payload;
}

/** node:http, writing the bytes and the headers of an answer of ours. */
async function raw({ head, body, status = 200 }) {
  const bytes = Buffer.from(body, 'base64');
  const server = createServer((request, response) => {
    response.writeHead(status, head);
    response.end(status === 304 ? undefined : bytes);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address().port;
}

/** @fastify/caching has headers, and a store for handlers to use: the answer itself it does not keep. */
async function fastifyCaching() {
  const { fastify } = await import('fastify');
  const { default: caching } = await import('@fastify/caching');
  const app = fastify();
  await app.register(caching, { privacy: caching.privacy.PUBLIC, expiresIn: 3600 });
  app.get('/payload', async () => handler());
  await app.listen({ port: 0, host: '127.0.0.1' });
  return app.server.address().port;
}

async function nest() {
  const { imports = [], decorators = [], inside } = await variantOf(given);
  class PayloadController {
    find() {
      return inside === undefined ? handler() : inside(handler, 'GET /payload');
    }
  }
  const method = Object.getOwnPropertyDescriptor(PayloadController.prototype, 'find');
  Reflect.defineMetadata('design:paramtypes', [], PayloadController.prototype, 'find');
  for (const decorate of [...decorators, Get('payload')])
    decorate(PayloadController.prototype, 'find', method);
  Controller()(PayloadController);

  class AppModule {}
  Module({ imports, controllers: [PayloadController] })(AppModule);
  const adapter = given.platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
  const app = await NestFactory.create(AppModule, adapter, { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  return app.getHttpServer().address().port;
}

const kinds = { raw: () => raw(given), 'fastify-caching': fastifyCaching };
const port = await (kinds[given.platform] ?? nest)();
serve(() => ({ cpu: process.cpuUsage(), runs }), { port });
