// A Fastify application with one cached route, /items/:id, whose id is its partition.
import 'reflect-metadata';
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  CacheResponse,
  KeyConstructor,
  RestflowCacheModule,
  RouteParamsKeyField,
} from '../../dist/esm/index.js';
import { payload } from './payload.mjs';

/** One partition: with the tags of the whole cache, the method and the key there are four. */
class ItemKey extends KeyConstructor {
  id = new RouteParamsKeyField('id', { partition: true });
}

let runs = 0;

/** How often the handler has run. */
export const itemRuns = () => runs;

export class ItemsController {
  find(id) {
    runs++;
    return { ...payload, id };
  }
}

const { prototype } = ItemsController;
Reflect.defineMetadata('design:paramtypes', [String], prototype, 'find');
Param('id')(prototype, 'find', 0);
for (const decorate of [
  CacheResponse({ ttl: 3600, keyConstructor: ItemKey, keyLimit: false }),
  Get('items/:id'),
])
  decorate(prototype, 'find', Object.getOwnPropertyDescriptor(prototype, 'find'));
Controller()(ItemsController);

/** @param {{ store: object, namespace?: string }} settings of the cache */
export async function itemsApplication(settings) {
  class AppModule {}
  const cache = RestflowCacheModule.forRoot({ application: 'bench', version: '1', ...settings });
  Module({ imports: [cache], controllers: [ItemsController] })(AppModule);
  return NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['error'] });
}
