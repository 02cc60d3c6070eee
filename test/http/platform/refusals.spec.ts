import {
  BadRequestException,
  Controller,
  Get,
  NotFoundException,
  Res,
  Sse,
  StreamableFile,
} from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import { connect } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { interval, map, timeout } from 'rxjs';
import { platforms, start, type TestApp } from './support/apps.js';
import { until } from '../../support/until.js';
import { pause } from './support/recorder.js';
import { essence, fetchRaw } from './support/wire.js';

interface RawLike extends NodeJS.WritableStream {
  statusCode: number;
  setHeader(name: string, value: string): void;
  writeHead(status: number, headers?: object): void;
  addTrailers(trailers: object): void;
  socket: { destroy(): void };
}
type AnyResponse = RawLike & { raw?: RawLike };
const rawOf = (response: AnyResponse): RawLike => response.raw ?? response;

async function* breaking() {
  yield Buffer.from('part');
  await pause(10);
  throw new Error('the source broke');
}
async function* endless() {
  for (;;) {
    yield Buffer.from('x'.repeat(1000));
    await pause(2);
  }
}

let opened: Readable[] = [];
const open = (source: Readable): Readable => {
  opened.push(source);
  return source;
};

@Controller()
class Refused {
  @Get('not-found') notFound() {
    throw new NotFoundException();
  }
  @Get('mid-stream') midStream(@Res() response: AnyResponse) {
    rawOf(response).write('part');
    throw new BadRequestException();
  }
  @Get('mid-stream-later') async midStreamLater(@Res() response: AnyResponse) {
    rawOf(response).write('part');
    await pause(5);
    throw new Error('too late');
  }
  @Get('file-breaks') fileBreaks() {
    return new StreamableFile(open(Readable.from(breaking())));
  }
  @Get('generator-breaks') generatorBreaks() {
    return breaking();
  }
  @Get('pipe-breaks') pipeBreaks(@Res() response: AnyResponse) {
    const raw = rawOf(response);
    pipeline(Readable.from(breaking()), raw, () => undefined);
  }
  @Get('pipe-breaks-and-ends') pipeBreaksAndEnds(@Res() response: AnyResponse) {
    const raw = rawOf(response);
    const source = Readable.from(breaking());
    source.on('error', () => raw.end());
    source.pipe(raw);
  }
  @Get('endless') endlessly() {
    return new StreamableFile(open(Readable.from(endless())));
  }
  @Get('endless-pipe') endlessPipe(@Res() response: AnyResponse) {
    open(Readable.from(endless())).pipe(rawOf(response));
  }
  @Get('never') never(@Res() _response: AnyResponse) {
    return new Promise(() => undefined);
  }
  @Get('large') large() {
    return 'l'.repeat(2000);
  }
  @Get('large-stream') largeStream() {
    return new StreamableFile(
      Readable.from([Buffer.alloc(600, 1), Buffer.alloc(600, 2), Buffer.alloc(600, 3)]),
    );
  }
  @Get('large-pipe') largePipe(@Res() response: AnyResponse) {
    Readable.from([Buffer.alloc(600, 1), Buffer.alloc(600, 2)]).pipe(rawOf(response));
  }
  @Get('wrong-length') wrongLength() {
    return new StreamableFile(Readable.from([Buffer.from('four')]), { length: 5 });
  }
  @Get('wrong-length-raw') wrongLengthRaw(@Res() response: AnyResponse) {
    rawOf(response).writeHead(200, { 'Content-Length': '5' });
    rawOf(response).end('four');
  }
  @Sse('events') events() {
    return interval(5).pipe(map((id) => ({ data: { id } })));
  }
  @Get('events-by-hand') eventsByHand(@Res() response: AnyResponse) {
    rawOf(response).writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    rawOf(response).write('data: 1\n\n');
  }
  @Get('trailers') trailers(@Res() response: AnyResponse) {
    rawOf(response).write('body');
    rawOf(response).addTrailers({ 'X-Sum': '1' });
    rawOf(response).end();
  }
  @Get('trailer-header') trailerHeader(@Res() response: AnyResponse) {
    rawOf(response).setHeader('Trailer', 'X-Sum');
    rawOf(response).write('body');
    rawOf(response).addTrailers({ 'X-Sum': '1' });
    rawOf(response).end();
  }
  @Get('destroyed') destroyed(@Res() response: AnyResponse) {
    rawOf(response).write('part');
    rawOf(response).socket.destroy();
  }
  @Get('upgrade') upgrade(@Res() response: AnyResponse) {
    rawOf(response).writeHead(101, { Upgrade: 'echo', Connection: 'Upgrade' });
    rawOf(response).end();
  }
  @Get('bad-chunk') badChunk(@Res() response: AnyResponse) {
    (rawOf(response) as { end(chunk: unknown): void }).end({ not: 'bytes' });
  }
  @Get('bad-status') badStatus(@Res() response: AnyResponse) {
    rawOf(response).statusCode = 99999;
    rawOf(response).end('never seen');
  }
}

describe.each(platforms)('done() on %s', (platform) => {
  let app: TestApp;
  afterEach(async () => {
    for (const source of opened) source.destroy();
    opened = [];
    await app.close();
  });

  const run = async (path: string, maxBodyBytes = 1000) => {
    app = await start(platform, Refused);
    app.recorder.maxBodyBytes = maxBodyBytes;
    const answer = await fetchRaw(app.port, path).catch((error: Error) => error);
    return { answer, recordings: await app.recorder.settled(1) };
  };

  /** Until the interceptor has seen the requests. */
  const handled = async (requests: number) => {
    await until(() => app.recorder.patterns.length >= requests);
  };

  /** Goes away once it has read the first bytes. */
  const leave = async (path: string, requests = 1) => {
    app = await start(platform, Refused);
    const socket = connect(app.port, '127.0.0.1');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(requests));
    const answered = new Promise((resolve) => socket.once('data', resolve));
    await (path === '/never' ? handled(requests) : answered);
    socket.destroy();
    return app.recorder.settled(requests);
  };

  it('says aborted, once, when the handler fails after it began to answer', async () => {
    const { recordings } = await run('/mid-stream');
    expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
  });

  it('says aborted, once, when the handler fails later', async () => {
    const { recordings } = await run('/mid-stream-later');
    expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
  });

  it.each(['file-breaks', 'generator-breaks', 'pipe-breaks', 'pipe-breaks-and-ends'])(
    'says aborted, once, when the source breaks: %s',
    async (path) => {
      const { recordings } = await run(`/${path}`);
      expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
    },
  );

  it.each(['endless', 'endless-pipe'])(
    'says aborted, once, when the client leaves, and the source is stopped: %s',
    async (path) => {
      const recordings = await leave(`/${path}`);
      expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
      if (path === 'endless') expect(opened[0]?.destroyed).toBe(true);
    },
  );

  it('says aborted when the client leaves before anything was sent', async () => {
    expect(await leave('/never')).toEqual([{ refusal: 'aborted', status: undefined }]);
  });

  it('says aborted for each pipelined request when the connection goes', async () => {
    const recordings = await leave('/never', 15);
    expect(recordings).toEqual(Array.from(recordings, () => ({ refusal: 'aborted', status: undefined })));
    expect(recordings).toHaveLength(app.recorder.patterns.length);
  });

  it('says aborted when the server cuts the connection', async () => {
    const { recordings } = await run('/destroyed');
    expect(recordings).toEqual([{ refusal: 'aborted', status: 200 }]);
  });

  it.each(['large', 'large-stream', 'large-pipe'])(
    'says too-large, once, and the client gets everything: %s',
    async (path) => {
      const { answer, recordings } = await run(`/${path}`);
      expect(recordings).toEqual([{ refusal: 'too-large', status: 200 }]);
      const whole = { large: 2000, 'large-stream': 1800, 'large-pipe': 1200 }[path];
      expect('body' in answer && answer.body.length).toBe(whole);
    },
  );

  it('keeps a body of exactly the bound', async () => {
    const { recordings } = await run('/large', 2000);
    expect(recordings[0]?.response?.body).toHaveLength(2000);
  });

  it.each(['wrong-length', 'wrong-length-raw'])(
    'says length-mismatch when less was sent than declared: %s',
    async (path) => {
      app = await start(platform, Refused);
      // The client waits for the byte that never comes.
      fetchRaw(app.port, `/${path}`).catch(() => undefined);
      const recordings = await app.recorder.settled(1);
      expect(recordings).toEqual([{ refusal: 'length-mismatch', status: 200 }]);
    },
  );

  it.each(['events', 'events-by-hand'])('says event-stream as soon as the head says so: %s', async (path) => {
    expect((await leave(`/${path}`)).map(({ refusal }) => refusal)).toEqual(['event-stream']);
  });

  it.each(['trailers', 'trailer-header'])('says trailers: %s', async (path) => {
    const { recordings } = await run(`/${path}`);
    expect(recordings.map(({ refusal }) => refusal)).toEqual(['trailers']);
  });

  it('says hijacked when the protocol is switched', async () => {
    expect((await leave('/upgrade')).map(({ refusal }) => refusal)).toEqual(['hijacked']);
  });

  it('records the answer of an exception filter', async () => {
    const { answer, recordings } = await run('/not-found');
    expect(recordings[0]?.response?.status).toBe(404);
    expect(essence(await fetchRaw(app.port, '/not-found'))).toEqual(essence(answer as never));
    expect(recordings).toHaveLength(1);
  });

  it('records the answer of the filter, not the one that the handler failed to send', async () => {
    const { answer, recordings } = await run('/bad-chunk');
    expect('status' in answer && answer.status).toBe(500);
    expect(recordings.map(({ response }) => response?.status)).toEqual([500]);
  });

  it('says aborted when other middleware refuses the head, and the filter answers without our headers', async () => {
    app = await start(platform, Refused);
    app.recorder.decide = () => ({ add: { 'X-Ours': '1' } });
    const answer = await fetchRaw(app.port, '/bad-status');
    expect([answer.status, answer.get('x-ours')]).toEqual([500, undefined]);
    expect(await app.recorder.settled(1)).toEqual([{ refusal: 'aborted', status: 99999 }]);
  });
});

describe.each(platforms)('an interceptor outside on %s', (platform) => {
  it('that gives up before the answer has its own answer sent, and done() comes once', async () => {
    const outer = {
      intercept: (_context: unknown, next: { handle(): import('rxjs').Observable<unknown> }) =>
        next.handle().pipe(timeout(20)),
    };
    const app = await start(platform, Refused, { interceptorsOutside: [outer] });
    const answer = await fetchRaw(app.port, '/never');
    const recordings = await app.recorder.settled(1);
    expect(answer.status).toBe(500);
    expect(recordings.map(({ response }) => response?.status)).toEqual([500]);
    await app.close();
  });
});
