import { Controller, Get, Header, Res } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import compress from '@fastify/compress';
import compression from 'compression';
import helmet from 'helmet';
import { randomBytes } from 'node:crypto';
import { CacheResponse } from '../../lib/index.js';
import {
  platforms,
  start,
  type Answer,
  type ApplicationOptions,
  type TestApplication,
} from '../http/support/application.js';
import { uniqueName } from '../support/unique.js';
import { STORES, storeOf } from './support/rows.js';
import { inFront, rawOf } from './support/surroundings.js';
import type { AnyRequest } from './support/ways.js';

let handled = 0;

@Controller()
class Pages {
  /** As with express-cache-controller: middleware makes a header of it as the head goes out. */
  @Get('controlled') @CacheResponse(60) controlled(@Res({ passthrough: true }) response: AnyRequest): object {
    rawOf(response)['cacheControl'] = { noStore: true, private: true };
    return { turn: ++handled };
  }

  @Get('nonce') @CacheResponse(60) @Header('Content-Type', 'text/html') nonce(
    @Res({ passthrough: true }) response: AnyRequest,
  ): string {
    return `<script nonce="${rawOf(response)['locals'].cspNonce}">1</script>`;
  }

  @Get('large') @CacheResponse(60) large(): object {
    return { text: 'compressible '.repeat(1000) };
  }
}

/** Writes Cache-Control as late as it can be written. */
const cacheController = inFront((_request, response, next) => {
  const raw = rawOf(response);
  const { writeHead } = raw;
  raw['writeHead'] = (...args: unknown[]) => {
    const { noStore, private: isPrivate } = raw['cacheControl'] ?? {};
    if (noStore && isPrivate) raw['setHeader']('Cache-Control', 'private, no-store');
    return Reflect.apply(writeHead, raw, args);
  };
  next();
});

describe.each(platforms)('heads on %s', (platform) => {
  const running: TestApplication[] = [];
  afterEach(async () => {
    await Promise.all(running.splice(0).map((app) => app.close()));
  });

  describe.each(STORES)('in %s', (storeName) => {
    async function run(setup: NonNullable<ApplicationOptions['setup']>): Promise<TestApplication> {
      const cache = { store: storeOf(storeName), namespace: uniqueName('heads') };
      const app = await start(platform, { controllers: [Pages], cache, setup });
      running.push(app);
      return app;
    }

    it('obey a Cache-Control that middleware writes as the head goes out', async () => {
      const app = await run((one) => cacheController(one, platform));
      const answers: Answer[] = [];
      for (const viewer of ['ada', 'bob']) answers.push(await app.get('/controlled', { 'x-viewer': viewer }));
      answers.push(await app.get('/controlled'));
      expect(new Set(answers.map(({ body }) => body)).size).toBe(answers.length);
      expect(answers.map(({ headers }) => headers['cache-control'])).toEqual(
        Array(answers.length).fill('private, no-store'),
      );
    });

    it('never meet a body with the CSP nonce of another response', async () => {
      const app = await run((one) => {
        one.use((_request: unknown, response: AnyRequest, next: () => void) => {
          (response['locals'] ??= {}).cspNonce = randomBytes(16).toString('hex');
          next();
        });
        const nonce = (_request: unknown, response: AnyRequest): string =>
          `'nonce-${response['locals'].cspNonce}'`;
        one.use(helmet({ contentSecurityPolicy: { directives: { scriptSrc: [nonce as never] } } }));
      });
      const nonces = new Set<string>();
      for (let visitor = 0; visitor < 4; visitor++) {
        const { headers, body } = await app.get('/nonce');
        const sent = /'nonce-(\w+)'/.exec(String(headers['content-security-policy']))![1]!;
        expect(body).toContain(`nonce="${sent}"`);
        nonces.add(sent);
      }
      expect(nonces.size).toBe(4);
    });

    it('have no strong validator in common for compressed and plain bytes', async () => {
      const app = await run(async (one) => {
        if (platform === 'express') one.use(compression());
        else await one.getHttpAdapter().getInstance().register(compress, { global: true });
      });
      const strong = new Map<string, Set<string>>();
      for (const encoding of ['gzip', 'identity', 'gzip', 'identity', 'br']) {
        const { headers, bytes } = await app.get('/large', { 'accept-encoding': encoding });
        const etag = headers['etag'];
        expect(headers['content-encoding']).toBe(encoding === 'identity' ? undefined : encoding);
        if (typeof etag !== 'string' || etag.startsWith('W/')) continue;
        const bodies = strong.get(etag) ?? new Set();
        strong.set(etag, bodies.add(bytes.toString('base64')));
      }
      for (const bodies of strong.values()) expect(bodies.size).toBe(1);
    });
  });
});
