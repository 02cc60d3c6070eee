import { Controller, Get, Header, Injectable, Param, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, CacheResult } from '../../lib/index.js';
import { gate, platforms, start, until, type Answer, type TestApplication } from './support/application.js';

interface AnyRequest {
  headers: object;
}
interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

let handled = 0;
let loaded = 0;
let doors: ReturnType<typeof gate>[] = [];
let streams: PassThrough[] = [];
const held = async (): Promise<number> => {
  const turn = ++handled;
  await doors[turn - 1]?.promise;
  return turn;
};

@Injectable()
class Inner {
  @CacheResult(30)
  async find(id: string): Promise<string> {
    return `inner ${id} ${++loaded}`;
  }
}

@Controller()
class Sharing {
  constructor(private readonly inner: Inner) {}

  @Get('slow') @CacheResponse(60) slow(): Promise<number> {
    return held();
  }
  @Get('forbidden') @CacheResponse(60) @Header('Cache-Control', 'no-store') forbidden(): Promise<number> {
    return held();
  }
  @Get('cookie') @CacheResponse(60) async cookie(
    @Res({ passthrough: true }) response: AnyResponse,
  ): Promise<number> {
    const turn = await held();
    response.header('Set-Cookie', `turn=${turn}`);
    return turn;
  }
  @Get('private') @CacheResponse(60) async private(@Req() request: AnyRequest): Promise<string> {
    const turn = await held();
    return `${Object.keys(request.headers).length} ${turn}`;
  }
  @Get('fails') @CacheResponse(60) async fails(): Promise<void> {
    throw new Error(`turn ${await held()}`);
  }
  @Get('streamed') @CacheResponse(60) streamed(
    @Query('store') store: string,
    @Res({ passthrough: true }) response: AnyResponse,
  ): StreamableFile {
    handled++;
    if (store === 'no') response.header('Cache-Control', 'no-store');
    const stream = new PassThrough();
    streams.push(stream);
    stream.write(`begin ${handled} `);
    return new StreamableFile(stream);
  }
  @Get('nested/:id')
  @CacheResponse(60)
  async nested(@Param('id') id: string): Promise<string> {
    handled++;
    return this.inner.find(id);
  }
  @Get('made-of/:id')
  @CacheResponse(60)
  async madeOf(@Param('id') id: string): Promise<string> {
    const inner = await this.inner.find(id);
    return `${inner}, ${await held()}`;
  }
  @Get('made-by-headers/:id')
  @CacheResponse({ freshness: 'headers' })
  @Header('Cache-Control', 'max-age=60')
  madeByHeaders(@Param('id') id: string): Promise<string> {
    return this.madeOf(id);
  }
}

/** Sends a request and hangs up once the handler runs, or once some bytes came. */
function hangUp(port: number, path: string, when: 'running' | 'data'): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`),
    );
    const before = handled;
    socket.on('data', () => when === 'data' && socket.destroy());
    socket.on('close', () => resolve());
    if (when === 'running') void until(() => handled > before).then(() => socket.destroy());
  });
}

describe.each(platforms)('concurrent requests on %s', (platform) => {
  let app: TestApplication;
  beforeEach(async () => {
    handled = loaded = 0;
    doors = [];
    streams = [];
    app = await start(platform, { controllers: [Sharing], providers: [Inner] });
  });
  afterEach(() => app.close());

  const together = (path: string, count: number): Promise<Answer[]> =>
    Promise.all(Array.from({ length: count }, () => app.get(path)));

  it('run the handler once, and all get its answer', async () => {
    doors = [gate()];
    const answers = together('/slow', 20);
    await app.held(20);
    doors[0]!.open();
    expect(new Set((await answers).map(({ body }) => body))).toEqual(new Set(['1']));
    expect(handled).toBe(1);
  });

  it.each(['forbidden', 'cookie', 'private'])(
    'behind an answer that may not be shared each run their own: %s',
    async (path) => {
      doors = [gate()];
      const answers = together(`/${path}`, 5);
      await app.held(5);
      doors[0]!.open();
      const bodies = (await answers).map(({ body }) => body);
      expect(new Set(bodies).size).toBe(5);
      expect(handled).toBe(5);
    },
  );

  it('behind a handler that fails each get the error of their own', async () => {
    doors = [gate()];
    const answers = together('/fails', 3);
    await app.held(3);
    doors[0]!.open();
    expect((await answers).map(({ status }) => status)).toEqual([500, 500, 500]);
    expect(handled).toBe(3);
  });

  it('behind an answer that may not be stored continue while its body is still sent', async () => {
    const first = app.get('/streamed?store=no');
    await until(() => handled === 1);
    const second = app.get('/streamed?store=no');
    await until(() => handled === 2);
    streams.forEach((stream) => stream.end('end'));
    expect([(await first).body, (await second).body]).toEqual(['begin 1 end', 'begin 2 end']);
  });

  it('after one that could not be shared do not wait for each other for a while', async () => {
    await app.get('/forbidden');
    doors = [gate(), gate(), gate()];
    const answers = together('/forbidden', 2);
    await until(() => handled === 3);
    doors.forEach(({ open }) => open());
    await answers;
  });

  it('behind a client that hangs up while the handler runs are answered by another run', async () => {
    doors = [gate()];
    const gone = hangUp(app.port, '/slow', 'running');
    await until(() => handled === 1);
    const waiting = app.get('/slow');
    await gone;
    expect((await waiting).body).toBe('2');
    doors[0]!.open();
    expect((await app.get('/slow')).cache).toBe('HIT');
  });

  it('behind a client that hangs up in the middle of the body are answered whole', async () => {
    await hangUp(app.port, '/streamed?store=yes', 'data');
    const waiting = app.get('/streamed?store=yes');
    await until(() => streams.length === 2);
    streams[1]!.end('end');
    expect((await waiting).body).toBe('begin 2 end');
    expect((await app.get('/streamed?store=yes')).body).toBe('begin 2 end');
  });

  it('a stream that breaks is not stored', async () => {
    const first = app.get('/streamed?store=yes').catch((error: Error) => error);
    await until(() => streams.length === 1);
    streams[0]!.destroy(new Error('broken'));
    await first;
    const second = app.get('/streamed?store=yes');
    await until(() => streams.length === 2);
    streams[1]!.end('end');
    expect((await second).body).toBe('begin 2 end');
  });

  it('an answer that was loading while its route was dropped is neither stored nor taken by who came after', async () => {
    doors = [gate(), gate()];
    const before = app.get('/slow');
    await until(() => handled === 1);
    await app.cache.for(Sharing, 'slow').invalidateAll();
    const after = app.get('/slow');
    await until(() => handled === 2);
    doors[1]!.open();
    expect((await after).body).toBe('2');
    doors[0]!.open();
    expect((await before).body).toBe('1');
    expect((await app.get('/slow')).body).toBe('2');
  });

  it.each(['made-of', 'made-by-headers'])(
    'an answer made from what was dropped meanwhile is not taken by who came after: %s',
    async (path) => {
      doors = [gate()];
      const before = app.get(`/${path}/1`);
      await until(() => handled === 1);
      await app.cache.for(Inner, 'find').deleteCache('1');
      const after = app.get(`/${path}/1`);
      await app.held(2);
      doors[0]!.open();
      expect((await before).body).toBe('inner 1 1, 1');
      expect((await after).body).toBe('inner 1 2, 2');
    },
  );

  it('an answer inherits tags and lifetime of the results it was made from, whether they were hits or not', async () => {
    for (const id of ['1', '2']) {
      if (id === '2') await app.app.get(Inner).find(id);
      expect((await app.get(`/nested/${id}`)).cache).toBe('MISS');
      await app.cache.for(Inner, 'find').deleteCache(id);
      const fresh = await app.get(`/nested/${id}`);
      expect([fresh.cache, fresh.body]).toEqual(['MISS', `inner ${id} ${loaded}`]);
    }
    app.clock.advance(29);
    expect((await app.get('/nested/1')).cache).toBe('HIT');
    app.clock.advance(2);
    expect((await app.get('/nested/1')).cache).toBe('MISS');
  });
});
