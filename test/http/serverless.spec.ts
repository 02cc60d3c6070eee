import { Controller, Get } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage } from 'node:http';
import { CacheResponse } from '../../lib/index.js';
import { platforms, start, type TestApplication } from './support/application.js';

@Controller()
class Pages {
  @Get('page') @CacheResponse(60) page(): string {
    return 'page';
  }
}

describe.each(platforms)('requests that a serverless adapter makes on %s', (platform) => {
  let app: TestApplication;
  afterEach(() => app.close());

  it.each([
    [0, 'HIT'],
    [4, 'BYPASS'],
  ])('a GET with content-length: %d as a number is a %s', async (length, status) => {
    app = await start(platform, { controllers: [Pages] });
    const server = app.app.getHttpServer() as NodeJS.EventEmitter;
    server.prependListener('request', ({ headers }: IncomingMessage) => {
      Object.assign(headers, { 'content-length': length });
    });
    await app.get('/page');
    expect((await app.get('/page')).cache).toBe(status);
  });
});
