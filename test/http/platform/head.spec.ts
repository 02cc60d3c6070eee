import { Controller, Get, Header, Res, StreamableFile } from '@nestjs/common';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Readable } from 'node:stream';
import type { HeadDecision } from '../../../lib/http/platform.interface.js';
import { platforms, start, type TestApp } from './support/apps.js';
import { fetchRaw } from './support/wire.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
  send(body: unknown): void;
}

@Controller()
class Heads {
  @Get('json') json(@Res({ passthrough: true }) response: AnyResponse) {
    response.header('Vary', 'Accept');
    response.header('Last-Modified', 'Thu, 01 Jan 2026 00:00:00 GMT');
    return { id: 1 };
  }
  @Get('typed') @Header('Content-Type', 'text/csv') typed() {
    return 'a,b';
  }
  @Get('buffer') buffer(@Res() response: AnyResponse) {
    response.send(Buffer.from('bytes'));
  }
  @Get('nothing') nothing() {
    return undefined;
  }
  @Get('stream') stream() {
    return new StreamableFile(Readable.from([Buffer.from('st'), Buffer.from('ream')]), {
      type: 'text/plain',
    });
  }
  @Get('broken-stream') brokenStream() {
    return new StreamableFile(Readable.from(breaking()), { type: 'text/plain' });
  }
}

async function* breaking() {
  yield Buffer.from('part');
  throw new Error('the source broke');
}

describe.each(platforms)('the head on %s', (platform) => {
  let app: TestApp;
  afterEach(() => app.close());

  const startWith = async (decision: HeadDecision) => {
    app = await start(platform, Heads);
    app.recorder.decide = () => decision;
  };

  it.each([
    ['json', '{"id":1}'],
    ['typed', 'a,b'],
    ['buffer', 'bytes'],
    ['nothing', ''],
    ['stream', undefined],
  ])('is told once, with the body where that is known: %s', async (path, body) => {
    await startWith({});
    await fetchRaw(app.port, `/${path}`);
    await app.recorder.settled(1);
    expect(app.recorder.heads).toHaveLength(1);
    expect(app.recorder.heads[0]?.status).toBe(200);
    expect(app.recorder.heads[0]?.body?.toString()).toBe(body);
  });

  it.each(['json', 'stream'])('gets headers that are sent and not recorded: %s', async (path) => {
    await startWith({ add: { ETag: '"strong"', 'X-Cache-Status': 'MISS', Vary: 'Cookie' } });
    const miss = await fetchRaw(app.port, `/${path}`);
    const [recording] = await app.recorder.settled(1);
    expect(miss.headers.filter(([name]) => name === 'etag')).toEqual([['etag', '"strong"']]);
    expect(miss.get('x-cache-status')).toBe('MISS');
    expect(miss.get('vary')).toBe(path === 'json' ? 'Accept, Cookie' : 'Cookie');
    const recorded = JSON.stringify(recording?.response?.headers);
    expect(recorded).not.toContain('strong');
    expect(recorded).not.toContain('MISS');
    expect(recording?.response?.vary).toEqual(path === 'json' ? ['Accept'] : []);
  });

  it('gets headers on a replay that win over the recorded ones', async () => {
    await startWith({});
    await fetchRaw(app.port, '/json');
    await app.recorder.settled(1);
    app.recorder.add = { ETag: '"strong"', Age: '3', Vary: 'Cookie' };
    const hit = await fetchRaw(app.port, '/json');
    expect(hit.headers.filter(([name]) => name === 'etag')).toEqual([['etag', '"strong"']]);
    expect(hit.get('age')).toBe('3');
    expect(hit.get('vary')).toBe('Accept, Cookie');
  });

  it.each(['json', 'typed', 'buffer', 'stream', 'nothing'])(
    'can become a 304 while the full response is recorded: %s',
    async (path) => {
      await startWith({ notModified: true, add: { ETag: '"strong"' } });
      const miss = await fetchRaw(app.port, `/${path}`);
      const [recording] = await app.recorder.settled(1);
      expect(miss.status).toBe(304);
      expect(miss.body).toHaveLength(0);
      expect(miss.get('etag')).toBe('"strong"');
      for (const name of ['content-type', 'content-length', 'transfer-encoding'])
        expect(miss.get(name)).toBeUndefined();

      app.recorder.decide = () => undefined;
      const hit = await fetchRaw(app.port, `/${path}`);
      const full = await fetchRaw(app.port, `/${path}?again`);
      expect(recording?.response?.status).toBe(200);
      expect([hit.status, hit.body.toString(), hit.get('content-type')]).toEqual([
        200,
        full.body.toString(),
        full.get('content-type'),
      ]);
      expect(app.recorder.recordings).toHaveLength(2);
      expect(app.complaints).toEqual([]);
    },
  );

  it('keeps the headers in a 304 that a cache updates itself with', async () => {
    await startWith({ notModified: true });
    const miss = await fetchRaw(app.port, '/json');
    expect([miss.get('vary'), miss.get('last-modified')]).toEqual([
      'Accept',
      'Thu, 01 Jan 2026 00:00:00 GMT',
    ]);
  });

  it('refuses a stream that breaks behind a 304', async () => {
    await startWith({ notModified: true });
    const miss = await fetchRaw(app.port, '/broken-stream').catch((error: Error) => error);
    const recordings = await app.recorder.settled(1);
    expect(miss).toBeDefined();
    expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
  });

  it.each(['json', 'typed', 'stream'])('replays as a 304 without body, type and length: %s', async (path) => {
    await startWith({});
    await fetchRaw(app.port, `/${path}`);
    await app.recorder.settled(1);
    app.recorder.notModified = true;
    app.recorder.add = { ETag: '"strong"' };
    const hit = await fetchRaw(app.port, `/${path}`);
    expect([hit.status, hit.body.length, hit.get('etag')]).toEqual([304, 0, '"strong"']);
    for (const name of ['content-type', 'content-length', 'transfer-encoding'])
      expect(hit.get(name)).toBeUndefined();
    expect(app.complaints).toEqual([]);
  });

  it('still answers when the caller fails', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockReturnValue(undefined);
    await startWith({});
    app.recorder.decide = () => {
      throw new Error('a fault of the cache');
    };
    const miss = await fetchRaw(app.port, '/json');
    await app.recorder.settled(1);
    expect([miss.status, miss.body.toString()]).toEqual([200, '{"id":1}']);
    expect(String(warned.mock.calls)).toContain('a fault of the cache');
    warned.mockRestore();
  });

  it('of a HEAD request is judged, but not recorded', async () => {
    await startWith({ add: { 'X-Cache-Status': 'BYPASS' } });
    const miss = await fetchRaw(app.port, '/json', { method: 'HEAD' });
    const recordings = await app.recorder.settled(1);
    expect([miss.status, miss.get('x-cache-status'), miss.body.length]).toEqual([200, 'BYPASS', 0]);
    expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
  });
});
