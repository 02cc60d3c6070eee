// `npm run bench -- hit`: what a memory hit of a @CacheResult costs, with two partition fields and a 20-item object, beside
// an awaited get of lru-cache. In one process, rounds interleaved.
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { LRUCache } from 'lru-cache';
import { ArgsKeyField, CacheResult, KeyConstructor, RestflowCacheModule } from '../dist/esm/index.js';
import { payload } from './http/payload.mjs';
import { median } from './http/table.mjs';

const [calls = 50_000, rounds = 15] = process.argv.slice(2).map(Number);

class PartitionedKey extends KeyConstructor {
  tenant = new ArgsKeyField('tenantId', { partition: true });
  user = new ArgsKeyField('userId', { partition: true });
}

class PayloadService {
  async frozen(tenantId, userId) {
    return { tenantId, userId, ...payload };
  }

  async cloned(tenantId, userId) {
    return { tenantId, userId, ...payload };
  }
}
for (const [method, isolation] of [
  ['frozen', 'freeze'],
  ['cloned', 'clone'],
]) {
  const descriptor = Object.getOwnPropertyDescriptor(PayloadService.prototype, method);
  CacheResult({ keyConstructor: PartitionedKey, isolation })(PayloadService.prototype, method, descriptor);
  Object.defineProperty(PayloadService.prototype, method, descriptor);
}

class AppModule {}
Module({ imports: [RestflowCacheModule.forRoot()], providers: [PayloadService] })(AppModule);
const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: ['error'] });
await app.init();
const service = app.get(PayloadService);

const lru = new LRUCache({ max: 1000 });
lru.set('tenant=1&user=42', { tenantId: 1, userId: 42, ...payload });

const subjects = {
  'lru-cache get': () => lru.get('tenant=1&user=42'),
  "@CacheResult, isolation 'freeze'": () => service.frozen(1, 42),
  "@CacheResult, isolation 'clone'": () => service.cloned(1, 42),
  'structuredClone of the value': () => globalThis.structuredClone(payload),
};
const times = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));

for (let round = -3; round < rounds; round++) {
  for (const [name, call] of Object.entries(subjects)) {
    const n = name.startsWith('structuredClone') ? calls / 10 : calls;
    const began = process.cpuUsage();
    for (let i = 0; i < n; i++) await call();
    const { user, system } = process.cpuUsage(began);
    if (round >= 0) times[name].push((user + system) / n);
  }
}
await app.close();

for (const [name, list] of Object.entries(times)) {
  const spread = `${Math.min(...list).toFixed(2)}–${Math.max(...list).toFixed(2)}`;
  console.log(`${name.padEnd(34)} ${median(list).toFixed(2).padStart(7)} µs of CPU a call  (${spread})`);
}
