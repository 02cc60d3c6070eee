import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ArgsKeyField,
  CacheResult,
  CacheService,
  KeyConstructor,
  RestflowCacheModule,
} from '../dist/esm/index.js';

export class PartitionedKey extends KeyConstructor {
  static meta = { namespace: 'payloads' };
  tenant = new ArgsKeyField('tenant', { partition: true });
  user = new ArgsKeyField('user', { partition: true });
}

/**
 * An application whose service has one cached method for each entry of `methods`: name → options.
 * @param {(tenant: number, user: number) => unknown} load
 */
export async function cachedService(methods, load, options = {}) {
  const all = Object.entries(methods);
  // An application has many classes; one with thousands of methods is no application.
  const classes = [];
  for (let from = 0; from < all.length; from += METHODS_OF_CLASS)
    classes.push(classOf(all.slice(from, from + METHODS_OF_CLASS), load, classes.length));
  const [PayloadService] = classes;
  class AppModule {}
  const settings = { application: 'bench', version: '1', ...options };
  Module({ imports: [RestflowCacheModule.forRoot(settings)], providers: classes })(AppModule);
  const application = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  const service = application.get(PayloadService);
  const cache = application.get(CacheService);
  return { service, cache, of: (name) => cache.for(PayloadService, name), close: () => application.close() };
}

const METHODS_OF_CLASS = 100;

function classOf(methods, load, number) {
  const name = number === 0 ? 'PayloadService' : `PayloadService${number}`;
  const owner = { [name]: class {} }[name];
  for (const [method, options] of methods) {
    const descriptor = {
      value: async function (tenant, user, locale) {
        return load(tenant, user, locale);
      },
      configurable: true,
      writable: true,
    };
    CacheResult({ keyConstructor: PartitionedKey, ttl: '1d', ...options })(
      owner.prototype,
      method,
      descriptor,
    );
    Object.defineProperty(owner.prototype, method, descriptor);
  }
  return owner;
}
