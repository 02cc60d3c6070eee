// node bench/start/boot.mjs express|fastify with|without: how long an application with 200 handlers takes from the
// definition of its classes until it listens; `with` caches each handler and binds a rule to it. The data source is open
// before, and in both.
import 'reflect-metadata';
import { Controller, Get, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { DataSource, EntitySchema } from 'typeorm';
import {
  CacheResponse,
  invalidates,
  KeyConstructor,
  RestflowCacheModule,
  RouteParamsKeyField,
} from '../../dist/esm/index.js';
import { startClock } from './clock.mjs';

const CONTROLLERS = 20;
const HANDLERS = 10;

const [platform, variant] = process.argv.slice(2);
const isCached = variant === 'with';

const entities = Array.from({ length: CONTROLLERS }, (_, i) => {
  const target = { [`Entity${i}`]: class {} }[`Entity${i}`];
  const columns = { id: { type: Number, primary: true, generated: true }, slug: { type: String } };
  return new EntitySchema({ name: `Entity${i}`, target, columns });
});
const dataSource = new DataSource({ type: 'sqljs', entities, synchronize: true });
await dataSource.initialize();

const end = startClock();

class SlugKey extends KeyConstructor {
  slug = new RouteParamsKeyField('slug', { partition: true });
}

/** A controller whose handlers each read one article, and whose rules drop the article that changed. */
function controllerOf({ options: { target } }, index) {
  const name = `Controller${index}`;
  const owner = { [name]: class {} }[name];
  for (let i = 0; i < HANDLERS; i++) {
    const method = `find${i}`;
    const value = { [method]: async (slug) => ({ slug }) }[method];
    const descriptor = { value, configurable: true, writable: true };
    Object.defineProperty(owner.prototype, method, descriptor);
    Reflect.defineMetadata('design:paramtypes', [String], owner.prototype, method);
    Param('slug')(owner.prototype, method, 0);
    if (isCached) {
      const invalidatesOn = [invalidates(target, { fieldMapping: { slug: 'slug' } })];
      CacheResponse({ ttl: 60, keyConstructor: SlugKey, invalidatesOn })(owner.prototype, method, descriptor);
    }
    Get(`things-${i}/:slug`)(
      owner.prototype,
      method,
      Object.getOwnPropertyDescriptor(owner.prototype, method),
    );
    Object.defineProperty(owner.prototype, method, descriptor);
  }
  Controller(`controller-${index}`)(owner);
  return owner;
}

class AppModule {}
Module({
  imports: isCached ? [RestflowCacheModule.forRoot()] : [],
  controllers: entities.map(controllerOf),
  providers: [{ provide: DataSource, useValue: dataSource }],
})(AppModule);

const adapter = platform === 'express' ? new ExpressAdapter() : new FastifyAdapter();
const application = await NestFactory.create(AppModule, adapter, { logger: ['error', 'warn'] });
await application.listen(0, '127.0.0.1');
end();
