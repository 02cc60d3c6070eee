import { Controller, Get } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { FastifyInstance } from 'fastify';
import { CacheResponse } from '../../../lib/index.js';
import { start, type TestApplication } from '../support/application.js';

@Controller()
class Texts {
  @Get('text')
  @CacheResponse('1h')
  find() {
    return { text: 'x'.repeat(100) };
  }
}

let app: TestApplication;
afterEach(() => app.close());

/** Starts it with hooks of the user's own, and answers how often a reply was taken out of Fastify's hands. */
async function running(hooks: (fastify: FastifyInstance) => void): Promise<() => number> {
  let direct = 0;
  app = await start('fastify', {
    controllers: [Texts],
    setup: (nest) => {
      const fastify = nest.getHttpAdapter().getInstance() as FastifyInstance;
      hooks(fastify);
      fastify.addHook('onRequest', (_request, reply, next) => {
        const hijack = reply.hijack.bind(reply);
        reply.hijack = () => {
          direct++;
          return hijack();
        };
        next();
      });
    },
  });
  await app.get('/text');
  return () => direct;
}

const nothing = (): void => undefined;

describe('a hit on fastify', () => {
  it('is written directly where nothing of the user’s follows', async () => {
    const direct = await running(nothing);
    const hit = await app.get('/text');
    expect([hit.cache, hit.status, JSON.parse(hit.body), direct()]).toEqual([
      'HIT',
      200,
      { text: 'x'.repeat(100) },
      1,
    ]);
  });

  it('keeps the headers that hooks of the user’s gave the reply', async () => {
    const direct = await running((fastify) =>
      fastify.addHook('onRequest', (_request, reply, next) => {
        reply.header('X-Own', 'yes').raw.setHeader('X-Raw', 'yes');
        next();
      }),
    );
    const hit = await app.get('/text');
    expect([hit.cache, hit.headers['x-own'], hit.headers['x-raw'], direct()]).toEqual([
      'HIT',
      'yes',
      'yes',
      1,
    ]);
  });

  it('joins its Vary to that of the user’s hooks', async () => {
    await running((fastify) =>
      fastify.addHook('onRequest', (_request, reply, next) => {
        reply.raw.setHeader('Vary', 'Origin');
        next();
      }),
    );
    expect((await app.get('/text')).headers['vary']).toMatch(/Origin/);
  });

  it('goes through the onSend hooks of the user’s', async () => {
    const direct = await running((fastify) =>
      fastify.addHook('onSend', (_request, _reply, payload, next) => next(null, `<${String(payload)}>`)),
    );
    const hit = await app.get('/text');
    expect([hit.cache, hit.body.at(0), hit.body.at(-1), direct()]).toEqual(['HIT', '<', '>', 0]);
  });

  it('is seen by the onResponse hooks, with its status', async () => {
    const seen: number[] = [];
    await running((fastify) =>
      fastify.addHook('onResponse', (_request, reply, next) => {
        seen.push(reply.statusCode);
        next();
      }),
    );
    await app.get('/text');
    await app.get('/text', { 'if-none-match': '*' });
    expect(seen).toEqual([200, 200, 304]);
  });

  it('leaves 304, HEAD and empty answers to Fastify', async () => {
    const direct = await running(nothing);
    const head = await app.get('/text', { method: 'HEAD' });
    expect([head.cache, head.body, direct()]).toEqual(['HIT', '', 0]);
  });
});
