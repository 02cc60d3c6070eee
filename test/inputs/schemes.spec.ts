import { Controller, Get, Module, Param, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { describe, expect, it } from '@jest/globals';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { CacheResponse, RestflowCacheModule, type CacheStore } from '../../lib/index.js';
import { platforms, send, type PlatformName } from '../http/support/application.js';
import { certificate } from '../http/support/certificate.js';
import { uniqueName } from '../support/unique.js';
import { STORES, storeOf } from './support/rows.js';
import type { AnyRequest } from './support/ways.js';

@Controller()
class Pages {
  @Get('page/:id') @CacheResponse(60) page(
    @Param('id') id: string,
    @Req() { protocol, hostname }: AnyRequest,
  ): object {
    return { id, next: `${protocol}://${hostname}/page/2` };
  }
}

async function run(
  platform: PlatformName,
  isSecure: boolean,
  cache: { store: CacheStore; namespace: string },
) {
  @Module({
    imports: [RestflowCacheModule.forRoot({ ...cache, dataSources: false })],
    controllers: [Pages],
  })
  class AppModule {}
  const adapter =
    platform === 'express'
      ? new ExpressAdapter()
      : new FastifyAdapter(isSecure ? ({ https: certificate } as object) : {});
  const app = await NestFactory.create(AppModule, adapter, {
    logger: false,
    abortOnError: false,
    ...(isSecure && platform === 'express' && { httpsOptions: certificate }),
  });
  await app.listen(0, '127.0.0.1');
  return { app, port: (app.getHttpServer().address() as AddressInfo).port };
}

const headers = { host: 'a.test' };

function sendSecurely(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, headers, agent: false, rejectUnauthorized: false };
    const outgoing = request(options, (incoming) => {
      let body = '';
      incoming.on('data', (chunk) => (body += chunk));
      incoming.on('end', () => resolve(body));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

describe.each(platforms)('one application on HTTP and HTTPS, on %s', (platform) => {
  it.each(STORES)('has a page for each scheme in %s', async (storeName) => {
    const namespace = uniqueName('schemes');
    const store = storeOf(storeName);
    const plain = await run(platform, false, { store, namespace });
    const secure = await run(platform, true, {
      store: storeName === 'memory' ? store : storeOf(storeName),
      namespace,
    });
    try {
      for (let turn = 0; turn < 2; turn++) {
        expect((await send(plain.port, '/page/1', { headers })).body).toContain('http://a.test/');
        expect(await sendSecurely(secure.port, '/page/1')).toContain('https://a.test/');
      }
    } finally {
      await plain.app.close();
      await secure.app.close();
    }
  });
});
