import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestApplication } from '@nestjs/common';
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { createGateway } from '../../sample/03-gateway/src/gateway.js';
import { gate, pause, send, until, type Answer } from './support/application.js';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => unknown;

describe.each(['express', 'fastify'] as const)('the gateway on %s', (platform) => {
  let app: INestApplication;
  let origin: Server;
  let port: number;
  let asked: { method: string; url: string; headers: string[]; body: string }[] = [];
  let handle: Handler = () => undefined;
  let paths = 0;

  beforeAll(async () => {
    origin = createServer(async (incoming, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      asked.push({ method: incoming.method!, url: incoming.url!, headers: incoming.rawHeaders, body });
      handle(incoming, response, body);
    });
    await new Promise<void>((resolve) => origin.listen(0, '127.0.0.1', resolve));
    const { port: behind } = origin.address() as AddressInfo;
    app = await createGateway(platform, { origin: `http://127.0.0.1:${behind}`, timeout: 1_000 });
    await app.listen(0, '127.0.0.1');
    port = ((app.getHttpServer() as Server).address() as AddressInfo).port;
  });
  afterAll(async () => {
    (app.getHttpServer() as Server).closeAllConnections();
    await app.close();
    origin.closeAllConnections();
    origin.close();
  });

  /** A path of its own for each test, and what the origin does there. */
  function at(handler: Handler): string {
    asked = [];
    handle = handler;
    return `/gateway-${++paths}`;
  }
  const fresh = (response: ServerResponse): ServerResponse =>
    response.setHeader('Cache-Control', 'max-age=60');

  it.each([
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'PATCH',
    'DELETE',
    'OPTIONS',
    'TRACE',
    'PROPFIND',
    'REPORT',
    'MKCOL',
    'PURGE',
    'LINK',
  ])('passes %s on', async (method) => {
    const path = at((_, response) => response.end('done'));
    const answer = await send(port, path, { method });
    expect([answer.status, answer.body, asked[0]!.method]).toEqual([
      200,
      method === 'HEAD' ? '' : 'done',
      method,
    ]);
  });

  it.each(['/a//b', '/%2e%2e/a', '/%zz', '/a%2Fb', '/?', '/?a=1&a=2&%zz', '/a;b=c', '/:x/*y', '//host/x'])(
    'passes the path %s on as it is',
    async (suffix) => {
      const path = at((_, response) => response.end('done')) + suffix;
      expect((await send(port, path)).status).toBe(200);
      expect(asked[0]!.url).toBe(path);
    },
  );

  it.each(['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data', ''])(
    'passes a body of type "%s" on unread',
    async (type) => {
      const path = at((_, response, body) => response.end(body.toUpperCase()));
      const headers: Record<string, string> = type === '' ? {} : { 'Content-Type': type };
      const answer = await send(port, path, { method: 'POST', body: '{not json', headers });
      expect([answer.body, asked[0]!.body]).toEqual(['{NOT JSON', '{not json']);
    },
  );

  it('passes large bodies on, both ways', async () => {
    const large = 'x'.repeat(20 * 1024 * 1024);
    const path = at((_, response, body) => response.end(body));
    const answer = await send(port, path, { method: 'PUT', body: large });
    expect(answer.bytes.length).toBe(large.length);
  });

  it('passes headers on as they are, but those of the connection', async () => {
    const path = at((_, response) =>
      response
        .writeHead(299, 'Well Done', [
          ...[
            'X-Odd',
            'ä',
            'X-Rep',
            '1',
            'x-other',
            'b',
            'X-Rep',
            '2',
            'Set-Cookie',
            'a=1',
            'Set-Cookie',
            'b=2',
          ],
          ...['Connection', 'X-Hop, close', 'X-Hop', '1', 'Proxy-Authenticate', 'Basic'],
        ])
        .end(),
    );
    const incoming = await new Promise<IncomingMessage>((resolve) =>
      request(
        { port, path, headers: { 'X-Rep': ['1', '2'], TE: 'trailers', Connection: 'X-Own', 'X-Own': '1' } },
        resolve,
      ).end(),
    );
    incoming.resume();
    const { rawHeaders, statusCode, statusMessage } = incoming;
    expect([statusCode, statusMessage]).toEqual([299, 'Well Done']);
    expect(rawHeaders.slice(0, 12)).toEqual([
      ...['X-Odd', 'ä', 'X-Rep', '1', 'X-Rep', '2', 'x-other', 'b', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
    ]);
    const lower = rawHeaders.map((text) => text.toLowerCase());
    for (const name of ['x-hop', 'proxy-authenticate', 'etag', 'x-powered-by', 'cache-control'])
      expect(lower).not.toContain(name);
    const got = asked[0]!.headers.join('\n');
    expect(got).toContain('X-Rep\n1\nX-Rep\n2');
    expect(got).not.toMatch(/X-Own|TE\n/);
  });

  it('sends a stored response like the first one', async () => {
    const path = at((_, response) => {
      response.setHeader('X-Rep', ['1', '2']).setHeader('Content-Type', 'text/x');
      fresh(response).end('bytes');
    });
    const [first, second] = [await send(port, path), await send(port, path)];
    expect(asked).toHaveLength(1);
    const { age, 'content-length': length, ...rest } = second.headers;
    const { 'content-length': _, 'transfer-encoding': __, ...before } = first.headers;
    expect([age, length, second.body, second.status]).toEqual(['0', '5', first.body, first.status]);
    expect(rest).toEqual(before);
  });

  it('one request to the origin serves all who ask at the same time', async () => {
    const { promise, open } = gate();
    const path = at(async (_, response) => {
      await promise;
      fresh(response).end('shared');
    });
    const answers = Array.from({ length: 10 }, () => send(port, path));
    await until(() => asked.length === 1);
    await pause(20);
    open();
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(Array(10).fill('shared'));
    expect(asked).toHaveLength(1);
  });

  it('nobody waits for, or gets, what is one user’s own', async () => {
    const path = at((incoming, response) => {
      response.setHeader('Cache-Control', 'private, max-age=60');
      response.write(' ');
      setTimeout(() => response.end(incoming.headers['x-user']), 50);
    });
    const users = Array.from({ length: 10 }, (_, user) => String(user));
    const answers = await Promise.all(users.map((user) => send(port, path, { headers: { 'X-User': user } })));
    expect(answers.map(({ body }) => body.trim())).toEqual(users);
  });

  it('answers 502 for an origin that hangs up, and 504 for one that is silent', async () => {
    expect(
      (
        await send(
          port,
          at((incoming) => incoming.socket.destroy()),
        )
      ).status,
    ).toBe(502);
    expect(
      (
        await send(
          port,
          at(() => undefined),
        )
      ).status,
    ).toBe(504);
    expect(
      (
        await send(
          port,
          at(() => undefined),
          { method: 'POST', body: 'x' },
        )
      ).status,
    ).toBe(504);
  });

  it.each([{ 'Content-Length': '100' }, { 'Transfer-Encoding': 'chunked' }])(
    'an answer that breaks off breaks off, and is not stored: %j',
    async (framing) => {
      const path = at((_, response) => {
        response.writeHead(200, { 'Cache-Control': 'max-age=60', ...framing });
        response.write('half');
        setTimeout(() => response.destroy(), 20);
      });
      await expect(send(port, path)).rejects.toThrow(/aborted|hang up/);
      handle = (_, response) => fresh(response).end('whole');
      expect((await send(port, path)).body).toBe('whole');
    },
  );

  it('a client that goes away takes the request to the origin with it, and nothing is stored', async () => {
    let closed = false;
    const path = at((_, response) => {
      fresh(response).write('half');
      response.on('close', () => (closed = true));
    });
    const socket = connect(port, '127.0.0.1', () => socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    await until(() => closed);
    handle = (_, response) => fresh(response).end('whole');
    expect((await send(port, path, { headers: { Host: 'a' } })).body).toBe('whole');
  });

  it('the first byte does not wait for the last', async () => {
    const { promise, open } = gate();
    const path = at(async (_, response) => {
      fresh(response).write('first');
      await promise;
      response.end(' last');
    });
    const incoming = await new Promise<IncomingMessage>((resolve) =>
      request({ host: '127.0.0.1', port, path }, resolve).end(),
    );
    const first = await new Promise<Buffer>((resolve) => incoming.once('data', resolve));
    expect(first.toString()).toBe('first');
    open();
    await new Promise((resolve) => incoming.on('end', resolve).resume());
    const again: Answer = await send(port, path);
    expect([again.body, asked.length]).toEqual(['first last', 1]);
  });
});
