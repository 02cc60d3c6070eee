import { Controller, Get, Req } from '@nestjs/common';
import { afterEach, expect, it } from '@jest/globals';
import { connect, type ClientHttp2Session } from 'node:http2';
import { CacheResponse } from '../../lib/index.js';
import { start, type TestApplication } from '../http/support/application.js';
import type { AnyRequest } from './support/ways.js';

@Controller()
class Pages {
  @Get('authority') @CacheResponse(60) authority(@Req() { raw }: AnyRequest): string {
    return raw.authority;
  }
  @Get('scheme') @CacheResponse(60) scheme(@Req() { raw }: AnyRequest): string {
    return raw.scheme;
  }
  @Get('address') @CacheResponse(60) address(@Req() { raw }: AnyRequest): string {
    return `${raw.socket.remoteAddress}:${raw.socket.remotePort}`;
  }
  @Get('connection') @CacheResponse(60) connection(@Req() { raw }: AnyRequest): string {
    return String(raw.socket.visitor ?? 'nobody');
  }
  @Get('session') @CacheResponse(60) session(@Req() { raw }: AnyRequest): string {
    return String(raw.stream.session.visitor ?? 'nobody');
  }
  @Get('body') @CacheResponse(60) async body(@Req() { raw }: AnyRequest): Promise<string> {
    let text = '';
    for await (const chunk of raw) text += String(chunk);
    return `body ${text}`;
  }
  @Get('trailers') @CacheResponse(60) async trailers(@Req() { raw }: AnyRequest): Promise<string> {
    for await (const chunk of raw) void chunk;
    return `trailers ${raw.trailers['x-user'] ?? 'none'}`;
  }
}

let app: TestApplication;
const sessions: ClientHttp2Session[] = [];

async function open(): Promise<ClientHttp2Session> {
  app = await start('fastify', {
    controllers: [Pages],
    adapter: { http2: true },
    setup: (nest) =>
      nest
        .getHttpAdapter()
        .getInstance()
        .addHook('onRequest', async ({ raw }: AnyRequest) => {
          if (raw.headers['user-agent'] === undefined) return;
          raw.socket.visitor = raw.stream.session.visitor = raw.headers['user-agent'];
        }),
  });
  return session();
}

function session(): ClientHttp2Session {
  const made = connect(`http://127.0.0.1:${app.port}`);
  sessions.push(made);
  return made;
}

afterEach(async () => {
  for (const one of sessions.splice(0)) one.destroy();
  await app.close();
});

interface Sent {
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly trailers?: Record<string, string>;
}

function ask(
  from: ClientHttp2Session,
  path: string,
  { headers, body, trailers }: Sent = {},
): Promise<string> {
  const hasMore = body !== undefined || trailers !== undefined;
  const stream = from.request(
    { ':path': path, ...headers },
    { endStream: !hasMore, waitForTrailers: trailers !== undefined },
  );
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  if (hasMore) stream.end(body);
  return new Promise((resolve, reject) => {
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    stream.on('error', reject).on('end', () => resolve(text));
  });
}

it('a host beside another one chooses its own answer', async () => {
  const client = await open();
  expect(await ask(client, '/authority', { headers: { ':authority': 'evil.test', host: 'a.test' } })).toBe(
    'evil.test',
  );
  expect(await ask(client, '/authority', { headers: { ':authority': 'a.test', host: 'a.test' } })).toBe(
    'a.test',
  );
});

it('a scheme that is not that of the connection chooses its own answer', async () => {
  const client = await open();
  const host = { ':authority': 'a.test' };
  expect(await ask(client, '/scheme', { headers: { ...host, ':scheme': 'javascript' } })).toBe('javascript');
  expect(await ask(client, '/scheme', { headers: host })).toBe('http');
});

it('the address of a client is in no answer to another one', async () => {
  const client = await open();
  const first = await ask(client, '/address', { headers: { ':authority': 'a.test' } });
  expect(await ask(session(), '/address', { headers: { ':authority': 'a.test' } })).not.toBe(first);
});

it.each(['/connection', '/session'])(
  'what code keeps for a connection is in no answer on another one: %s',
  async (path) => {
    const client = await open();
    const host = { ':authority': 'a.test' };
    expect(await ask(client, path, { headers: { ...host, 'user-agent': 'Ada' } })).toBe('Ada');
    expect(await ask(session(), path, { headers: { ...host, 'user-agent': 'Bob' } })).toBe('Bob');
    expect(await ask(client, path, { headers: host })).toBe('Ada');
    expect(await ask(session(), path, { headers: host })).toBe('nobody');
    expect(await ask(client, path, { headers: { ...host, 'user-agent': 'Eve' } })).toBe('Eve');
  },
);

it('a body, or trailers, that no header announces are in no answer to another request', async () => {
  const client = await open();
  const headers = { ':authority': 'a.test' };
  expect(await ask(client, '/body', { headers, body: 'ada' })).toBe('body ada');
  expect(await ask(client, '/body', { headers, body: 'bob' })).toBe('body bob');
  expect(await ask(client, '/body', { headers })).toBe('body ');
  expect(await ask(client, '/trailers', { headers, body: 'x', trailers: { 'x-user': 'ada' } })).toBe(
    'trailers ada',
  );
  expect(await ask(client, '/trailers', { headers })).toBe('trailers none');
});
