import 'reflect-metadata';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway } from '../../../sample/03-gateway/src/gateway.js';
import { conditions } from './cases/conditions.js';
import { credentials } from './cases/credentials.js';
import { directives, targeted } from './cases/directives.js';
import { freshness } from './cases/freshness.js';
import { heads, invalidation, ranges } from './cases/methods.js';
import { requests } from './cases/requests.js';
import { staleness } from './cases/staleness.js';
import { validation } from './cases/validation.js';
import { vary } from './cases/vary.js';
import { run } from './support/run.js';
import { ScriptedOrigin } from './support/origin.js';

const tables = {
  freshness,
  directives,
  targeted,
  requests,
  credentials,
  vary,
  validation,
  conditions,
  staleness,
  heads,
  invalidation,
  ranges,
};

describe.each(['express', 'fastify'] as const)('RFC 9111 on %s', (platform) => {
  const origin = new ScriptedOrigin();
  let app: INestApplication;
  let port: number;

  beforeAll(async () => {
    app = await createGateway(platform, { origin: await origin.listen() });
    await app.listen(0, '127.0.0.1');
    port = ((app.getHttpServer() as Server).address() as AddressInfo).port;
  });
  afterAll(async () => {
    (app.getHttpServer() as Server).closeAllConnections();
    await app.close();
    origin.close();
  });

  describe.each(Object.entries(tables))('%s', (_name, cases) => {
    it.each(cases.map((one) => [`§${one[0]} ${one[1]}`, one] as const))('%s', async (_title, one) => {
      await run(one, origin, port);
    });
  });
});
