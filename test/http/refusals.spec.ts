import { Controller, Get, Header, Query, Req, Res, StreamableFile } from '@nestjs/common';
import { connect } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CacheResponse, type CacheResponseOptions } from '../../lib/index.js';
import { gate, platforms, start, until, type TestApplication } from './support/application.js';

interface AnyResponse {
  header(name: string, value: string): AnyResponse;
}

let handled = 0;
let door = gate();
let streams: PassThrough[] = [];

/** Handlers that give every kind of answer that must not be stored. */
function refusing(options: CacheResponseOptions, lifetime: string): new () => object {
  const Cached = (): MethodDecorator => CacheResponse({ ...options, maxBodyBytes: 100 }) as MethodDecorator;
  @Controller()
  class Refusing {
    @Get('cookie') @Cached() async cookie(
      @Res({ passthrough: true }) response: AnyResponse,
    ): Promise<number> {
      const turn = ++handled;
      await door.promise;
      response.header('Cache-Control', lifetime).header('Set-Cookie', 'a=1');
      return turn;
    }
    @Get('private') @Cached() @Header('Cache-Control', 'private') private(): Promise<number> {
      return this.held();
    }
    @Get('no-store') @Cached() @Header('Cache-Control', 'no-store') noStore(): Promise<number> {
      return this.held();
    }
    @Get('no-life') @Cached() @Header('Cache-Control', 'public, max-age=0') noLife(): Promise<number> {
      return this.held();
    }
    @Get('vary') @Cached() @Header('Vary', '*') vary(): Promise<number> {
      return this.held();
    }
    @Get('personal') @Cached() @Header('Cache-Control', lifetime) personal(): Promise<number> {
      return this.held();
    }
    @Get('large') @Cached() @Header('Cache-Control', lifetime) async large(): Promise<string> {
      return `${await this.held()} ${'l'.repeat(100)}`;
    }
    @Get('large-stream')
    @Cached()
    @Header('Cache-Control', lifetime)
    async stream(): Promise<StreamableFile> {
      const turn = await this.held();
      return new StreamableFile(Readable.from([Buffer.from(`${turn} `), Buffer.alloc(100, 'l')]));
    }
    @Get('slow') @Cached() @Header('Cache-Control', lifetime) slow(
      @Query('breaks') breaks: string | undefined,
    ): StreamableFile {
      const stream = new PassThrough();
      streams.push(stream);
      stream.write(`${++handled} `);
      if (breaks === undefined || streams.length > 1) stream.end('end');
      return new StreamableFile(stream);
    }
    @Get('unkeyed') @Cached() @Header('Cache-Control', lifetime) unkeyed(
      @Req() _request: object,
    ): Promise<number> {
      return this.held();
    }
    private async held(): Promise<number> {
      const turn = ++handled;
      await door.promise;
      return turn;
    }
  }
  return Refusing;
}

const BEARER = { authorization: 'Bearer a' };
const LONG_HOST = { host: 'h'.repeat(1000) };

/** Path, headers of the request, Cache-Status, and what the log says to write. */
type Row = [string, Record<string, string>, string, RegExp];

const COMMON: Row[] = [
  ['cookie', {}, 'fwd=uri-miss', /sets a cookie; set cookies in middleware or another route/],
  ['large', {}, 'fwd=uri-miss', /larger than 100 bytes; maxBodyBytes: 1000 would store/],
  ['unkeyed', LONG_HOST, 'fwd=bypass', /was not cached: .*Host header is longer than 540 characters/],
];

const MODES: [string, CacheResponseOptions, Row[]][] = [
  [
    'ttl',
    { ttl: 60 },
    [
      ...COMMON,
      [
        'private',
        {},
        'fwd=uri-miss',
        /sends Cache-Control: private; remove it if every client may get the answer/,
      ],
      ['no-store', {}, 'fwd=uri-miss', /sends Cache-Control: no-store; remove it/],
      ['no-life', {}, 'fwd=uri-miss', /sends Cache-Control: max-age=0; remove it/],
      ['vary', {}, 'fwd=uri-miss', /Vary: \*, .*; name the request headers that it depends on/],
      ['personal', BEARER, 'fwd=bypass', /bypasses the cache for authenticated .*shared: true/],
    ],
  ],
  [
    'headers',
    { freshness: 'headers' },
    [
      ...COMMON,
      ['private', {}, 'fwd=uri-miss', /it has private; send s-maxage if every client may get it/],
      ['no-store', {}, 'fwd=uri-miss', /it has no-store; send max-age or s-maxage/],
      ['vary', {}, 'fwd=uri-miss', /Vary: \*; name the request headers that it depends on/],
      ['personal', BEARER, 'fwd=uri-miss', /has credentials, .*send public or s-maxage/],
    ],
  ],
];

describe.each(platforms)('on %s', (platform) => {
  describe.each(MODES)("with freshness: '%s', an answer that is refused", (_mode, options, rows) => {
    let app: TestApplication;
    beforeEach(async () => {
      handled = 0;
      door = gate();
      streams = [];
      app = await start(platform, { controllers: [refusing(options, 'max-age=60')] });
    });
    afterEach(() => app.close());
    const told = (reason: RegExp): string[] => app.complaints.filter((line) => reason.test(line));

    it.each(rows)(
      'is named in Cache-Status, and logged once with what to write: %s',
      async (path, headers, status, line) => {
        door.open();
        for (const turn of ['1', '2', '3']) {
          const answer = await app.get(`/${path}`, { headers });
          expect(answer.body).toMatch(new RegExp(`^${turn}\\b`));
          expect(answer.headers['cache-status']).toBe(`restflow; ${status}`);
        }
        expect(told(line)).toHaveLength(1);
      },
    );

    it.each([...rows.map(([path, headers]) => [path, headers] as const), ['large-stream', {}] as const])(
      'delays no waiting request: %s',
      async (path, headers) => {
        const answers = Promise.all([1, 2, 3, 4].map(() => app.get(`/${path}`, { headers })));
        await until(() => handled > 0);
        door.open();
        const bodies = (await answers).map(({ body }) => Number.parseInt(body)).sort();
        expect(bodies).toEqual([1, 2, 3, 4]);
      },
    );

    it('logs once a stream that proves too large', async () => {
      door.open();
      for (const turn of ['1', '2'])
        expect((await app.get('/large-stream')).body).toMatch(new RegExp(`^${turn} l`));
      expect(told(/larger than 100 bytes; maxBodyBytes: 1000 would store/)).toHaveLength(1);
    });

    it.each(['the client goes away', 'the handler breaks off'])(
      'because %s is logged once, and delays no waiting request',
      async (why) => {
        const socket = connect(app.port, '127.0.0.1');
        socket.on('error', () => undefined);
        const begun = new Promise((resolve) => socket.once('data', resolve));
        socket.write(`GET /slow?breaks=1 HTTP/1.1\r\nHost: 127.0.0.1:${app.port}\r\n\r\n`);
        await begun;
        const waiting = app.get('/slow?breaks=1');
        if (why === 'the client goes away') socket.destroy();
        else streams[0]!.destroy(new Error('broken'));
        expect((await waiting).body).toBe('2 end');
        await until(() => told(/before the answer was complete; .*let the handler finish/).length === 1);
        const next = await app.get('/slow?breaks=1');
        expect(next.headers['cache-status']).toMatch(/^restflow; hit; ttl=/);
        socket.destroy();
      },
    );
  });
});
