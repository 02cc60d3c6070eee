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
  class PayloadService {}
  for (const [name, methodOptions] of Object.entries(methods)) {
    const descriptor = {
      value: async function (tenant, user, locale) {
        return load(tenant, user, locale);
      },
      configurable: true,
      writable: true,
    };
    CacheResult({ keyConstructor: PartitionedKey, ttl: '1d', ...methodOptions })(
      PayloadService.prototype,
      name,
      descriptor,
    );
    Object.defineProperty(PayloadService.prototype, name, descriptor);
  }
  class AppModule {}
  const settings = { application: 'bench', version: '1', ...options };
  Module({ imports: [RestflowCacheModule.forRoot(settings)], providers: [PayloadService] })(AppModule);
  const application = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  const service = application.get(PayloadService);
  const cache = application.get(CacheService);
  return { service, cache, of: (name) => cache.for(PayloadService, name), close: () => application.close() };
}
