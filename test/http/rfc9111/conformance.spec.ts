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
import { ask } from './support/client.js';
import { Http2Client } from './support/http2-client.js';
import { createHttp2Gateway } from './support/http2-gateway.js';
import { ScriptedOrigin } from './support/origin.js';
import { run } from './support/run.js';
import type { Case } from './support/steps.js';

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

/** Headers that HTTP/2 of Node takes once. */
const ONCE = /^(expires|age|date|etag|last-modified|if-none-match):/i;

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
      await run(one, origin, (request) => ask(port, request));
    });
  });
});

describe('RFC 9111 over HTTP/2', () => {
  const origin = new ScriptedOrigin();
  let app: INestApplication;
  let client: Http2Client;

  beforeAll(async () => {
    app = await createHttp2Gateway(await origin.listen());
    await app.listen(0, '127.0.0.1');
    client = new Http2Client(((app.getHttpServer() as Server).address() as AddressInfo).port);
  });
  afterAll(async () => {
    client.close();
    await app.close();
    origin.close();
  });

  describe.each(Object.entries(tables))('%s', (_name, cases) => {
    const known = cases.filter((one) => !isOfHttp1(one));
    it.each(known.map((one) => [`§${one[0]} ${one[1]}`, one] as const))('%s', async (_title, one) => {
      await run(one, origin, (request) => client.ask(request));
    });
  });
});

/** What Node's HTTP/2 cannot say: header lines of a connection (RFC 9113 §8.2.2), and a header twice that may stand once. */
function isOfHttp1([, , ...steps]: Case): boolean {
  return steps.some(({ ask: asked, origin: { lines = [] } }) => {
    const isOfConnection = asked.some((line) => /^(connection|host|upgrade|te):/i.test(line));
    return isOfConnection || isRepeated(asked) || isRepeated(lines);
  });
}

function isRepeated(lines: readonly string[]): boolean {
  const names = lines.filter((line) => ONCE.test(line)).map((line) => line.split(':')[0]!.toLowerCase());
  return new Set(names).size < names.length;
}
