import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Recording, ResponseHead } from '../../../lib/http/platform.interface.js';
import { ExpressPlatform } from '../../../lib/http/platform/express.platform.js';
import { pause } from './support/recorder.js';
import { fetchRaw } from './support/wire.js';

let server: Server;
afterEach(() => void server.close());

/** Records one response that is written by hand. */
async function written(write: (response: ServerResponse, request: IncomingMessage) => unknown) {
  const recordings: Recording[] = [];
  const heads: ResponseHead[] = [];
  let response!: ServerResponse;
  server = createServer((request, live) => {
    response = live;
    live.setHeader('X-Base', 'base');
    const head = (seen: ResponseHead) => void heads.push(seen);
    new ExpressPlatform().record(request as never, live as never, {
      maxBodyBytes: 1e6,
      head,
      done: (r) => recordings.push(r),
    });
    write(live, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answer = await fetchRaw((server.address() as AddressInfo).port, '/');
  await pause(5);
  return { answer, recordings, heads, response, recorded: recordings[0]?.response };
}

describe('writes on a raw response', () => {
  it.each<[string, string, (response: ServerResponse) => void]>([
    [
      'strings with encodings',
      'hé€llo',
      (r) => (r.write('68c3a9', 'hex'), r.write('€'), r.end('bGxv', 'base64')),
    ],
    [
      'typed arrays that are filled again',
      'aabb',
      (r) => {
        const chunk = new Uint8Array(2).fill(97);
        r.write(chunk, () => {
          chunk.fill(98);
          r.end(chunk, () => chunk.fill(99));
        });
      },
    ],
    ['part of a larger buffer', 'bc', (r) => r.end(Buffer.from('abcd').subarray(1, 3))],
    ['an end without a chunk', '', (r) => r.end()],
    ['an end with only a callback', 'x', (r) => (r.write('x'), r.end(() => undefined))],
    ['empty writes', 'x', (r) => (r.write(''), r.write('x'), r.end(''))],
    ['two ends', 'x', (r) => (r.end('x'), r.end())],
    ['null as the last chunk', 'x', (r) => (r.write('x'), r.end(null))],
  ])('is recorded as it goes out: %s', async (_name, body, write) => {
    const { answer, recorded, recordings } = await written(write);
    expect(answer.body.toString()).toBe(body);
    expect(recorded?.body.toString()).toBe(body);
    expect(recordings).toHaveLength(1);
  });

  it.each<[string, unknown[]]>([
    ['an object', [203, { 'X-One': '1', 'X-Two': ['a', 'b'] }]],
    ['a reason and an object', [203, 'Fine', { 'X-One': '1', 'X-Two': ['a', 'b'] }]],
    ['a flat list', [203, ['X-One', '1', 'X-Two', 'a', 'X-Two', 'b']]],
    [
      'a list of pairs',
      [
        203,
        [
          ['X-One', '1'],
          ['X-Two', ['a', 'b']],
        ],
      ],
    ],
    ['undefined and an object', [203, undefined, { 'X-One': '1', 'X-Two': ['a', 'b'] }]],
  ])('counts what writeHead() was called with: %s', async (_name, args) => {
    const { answer, recorded, heads } = await written(
      (r) => ((r.writeHead as (...all: unknown[]) => void)(...args), r.end('x')),
    );
    expect([answer.status, answer.headers.filter(([name]) => name.startsWith('x-'))]).toEqual([
      203,
      [
        ['x-base', 'base'],
        ['x-one', '1'],
        ['x-two', 'a'],
        ['x-two', 'b'],
      ],
    ]);
    expect([recorded?.status, recorded?.headers]).toEqual([
      203,
      [
        ['X-One', '1'],
        ['X-Two', ['a', 'b']],
      ],
    ]);
    expect(heads).toHaveLength(1);
  });

  it('is judged when the headers are flushed', async () => {
    const { recorded, heads } = await written((r) => {
      r.setHeader('X-Early', '1');
      r.flushHeaders();
      r.end('x');
    });
    expect(recorded?.headers).toEqual([['X-Early', '1']]);
    expect(heads.map(({ body }) => body)).toEqual([undefined]);
  });

  it('answers whether the buffer is full, and calls back, as before', async () => {
    let pressure: boolean | undefined;
    let calledBack = false;
    const { recorded } = await written((r) => {
      pressure = r.write(Buffer.alloc(200_000), () => (calledBack = true));
      r.end();
    });
    expect([pressure, calledBack, recorded?.body.length]).toEqual([false, true, 200_000]);
  });

  it('leaves the methods as they were', async () => {
    const { response } = await written((r) => r.end('x'));
    const { write, end, writeHead, flushHeaders } = Object.getPrototypeOf(response) as ServerResponse;
    expect([response.write, response.end, response.writeHead, response.flushHeaders]).toEqual([
      write,
      end,
      writeHead,
      flushHeaders,
    ]);
    expect([
      response.listenerCount('pipe'),
      response.listeners('close').some((l) => String(l).includes('aborted')),
    ]).toEqual([0, false]);
  });

  it('is in memory of its own, which nothing else keeps alive', async () => {
    const { recorded } = await written((r) => r.end('small'));
    expect(recorded?.body.buffer.byteLength).toBe(5);
  });

  it('is not recorded when the answer was already out', async () => {
    const recordings: Recording[] = [];
    server = createServer((request, response) => {
      response.end('early');
      new ExpressPlatform().record(request as never, response as never, {
        maxBodyBytes: 1,
        head: () => undefined,
        done: (r) => recordings.push(r),
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await fetchRaw((server.address() as AddressInfo).port, '/');
    expect(recordings).toEqual([{ refusal: 'aborted', status: undefined }]);
  });
});
