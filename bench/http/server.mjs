// One Nest application with one route: node bench/http/server.mjs express|fastify bare|CacheInterceptor|restflow|limit
import 'reflect-metadata';
import { Controller, Get, Module, UseInterceptors } from '@nestjs/common';
import { CacheInterceptor, CacheModule } from '@nestjs/cache-manager';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { CacheResponse, RestflowCacheModule } from '../../dist/esm/index.js';
import { WriteBytes } from './limit.mjs';
import { payload } from './payload.mjs';

const [platform, variant] = process.argv.slice(2);

const variants = {
  bare: { imports: [], decorators: [] },
  CacheInterceptor: {
    imports: [CacheModule.register({ ttl: 3_600_000 })],
    decorators: [UseInterceptors(CacheInterceptor)],
  },
  restflow: { imports: [RestflowCacheModule.forRoot()], decorators: [CacheResponse(3600)] },
  limit: { imports: [], decorators: [UseInterceptors(WriteBytes)] },
};
const { imports, decorators } = variants[variant];

class PayloadController {
  find() {
    return payload;
  }
}
const handler = Object.getOwnPropertyDescriptor(PayloadController.prototype, 'find');
Reflect.defineMetadata('design:paramtypes', [], PayloadController.prototype, 'find');
for (const decorate of [...decorators, Get('payload')])
  decorate(PayloadController.prototype, 'find', handler);
Controller()(PayloadController);

class AppModule {}
Module({ imports, controllers: [PayloadController] })(AppModule);

const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
const app = await NestFactory.create(AppModule, adapter, { logger: ['error'] });
await app.listen(0, '127.0.0.1');
process.send?.({ port: app.getHttpServer().address().port });
process.on('message', () => process.send({ cpu: process.cpuUsage() }));
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
if (!process.send) console.log(await app.getUrl());
