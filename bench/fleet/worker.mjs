// One process of a fleet: a Fastify application on memory over Redis. While it answers requests, it drops entries at random: one for
// every twenty requests.
import 'reflect-metadata';
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  CacheResponse,
  CacheService,
  KeyConstructor,
  memoryStore,
  RestflowCacheModule,
  RouteParamsKeyField,
  tieredStore,
} from '../../dist/esm/index.js';
import { redisStore } from '../../dist/esm/redis.js';
import { payload } from '../rig/payload.mjs';
import { options, serve } from '../rig/processes.mjs';

const { redis, namespace } = options();
const KEYS = 1_000;
const WRITES = 0.05;
let runs = 0;
let writes = 0;

class ItemKey extends KeyConstructor {
  id = new RouteParamsKeyField('id', { partition: true });
}
class ItemsController {
  find(id) {
    runs++;
    return { ...payload, id };
  }
}
const handler = Object.getOwnPropertyDescriptor(ItemsController.prototype, 'find');
Reflect.defineMetadata('design:paramtypes', [String], ItemsController.prototype, 'find');
Param('id')(ItemsController.prototype, 'find', 0);
for (const decorate of [
  CacheResponse({ ttl: 3600, keyConstructor: ItemKey, keyLimit: false }),
  Get('items/:id'),
])
  decorate(ItemsController.prototype, 'find', handler);
Controller()(ItemsController);
class AppModule {}
const store = tieredStore({
  l1: memoryStore(),
  l2: redisStore({ url: redis, failoverGrace: false, timeout: 10_000 }),
});
const settings = { application: 'bench', version: '1', namespace, store };
Module({ imports: [RestflowCacheModule.forRoot(settings)], controllers: [ItemsController] })(AppModule);
const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['error'] });
await app.listen(0, '127.0.0.1');

const find = app.get(CacheService).for(ItemsController, 'find');
const answered = () => {
  const { methods } = app.get(CacheService).metrics();
  const { hits, misses, stale, bypasses } = methods.find(({ name }) => name === find.name);
  return hits + misses + stale + bypasses;
};

let seen = answered();
let due = 0;
setInterval(() => {
  const now = answered();
  due += (now - seen) * WRITES;
  seen = now;
  for (; due >= 1; due--) {
    const id = String(Math.floor(Math.random() * KEYS)).padStart(9, '0');
    writes++;
    void find.deletePartition({ id });
  }
}, 5);
serve(() => ({ cpu: process.cpuUsage(), runs, writes }), { port: app.getHttpServer().address().port });
