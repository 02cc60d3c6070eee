import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, it } from '@jest/globals';
import { CacheResponse, RestflowCacheModule } from '../../lib/index.js';
import { certificate } from './support/certificate.js';
import { platforms } from './support/application.js';

@Controller()
class Pages {
  @Get('page') @CacheResponse(60) page(): string {
    return 'page';
  }
}

@Module({
  imports: [RestflowCacheModule.forRoot({ setCacheHeaders: true, dataSources: false })],
  controllers: [Pages],
})
class AppModule {}

/** What the cache did for one request. */
function ask(port: number, client: object = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: '/page', ca: certificate.cert, agent: false, ...client };
    const outgoing = request(options, (incoming) => {
      incoming.resume();
      incoming.on('end', () => resolve(incoming.headers['x-cache-status']));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

it.each(platforms)('a request with a client certificate bypasses the cache on %s', async (platform) => {
  const https = { ...certificate, requestCert: true, rejectUnauthorized: false };
  const app = await (platform === 'express'
    ? NestFactory.create(AppModule, new ExpressAdapter(), { httpsOptions: https, logger: false })
    : NestFactory.create(AppModule, new FastifyAdapter({ https }), { logger: false }));
  await app.listen(0, '127.0.0.1');
  const { port } = app.getHttpServer().address() as AddressInfo;
  expect([await ask(port), await ask(port)]).toEqual(['MISS', 'HIT']);
  expect([await ask(port, certificate), await ask(port, certificate)]).toEqual(['BYPASS', 'BYPASS']);
  await app.close();
});
