import { type BeforeApplicationShutdown, Controller, Get, Injectable } from '@nestjs/common';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { CacheResponse } from '../../lib/index.js';
import { gate, platforms } from './support/application.js';
import { LANE, type LaneApplication, startLane } from './support/lane.js';

let handled = 0;

@Controller('page')
class Page {
  @Get() @CacheResponse({ ttl: 60, fastLane: LANE }) find(): unknown {
    return { handled: ++handled };
  }
}

let shutdown = gate();

@Injectable()
class SlowShutdown implements BeforeApplicationShutdown {
  beforeApplicationShutdown(): Promise<void> {
    return shutdown.promise;
  }
}

/** A connection that keeps all that it receives. */
class Client {
  readonly socket: Socket;
  text = '';
  readonly closed: Promise<void>;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk) => (this.text += chunk.toString('latin1')));
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
  }

  /** Sends bytes, and resolves when so many answers with this body have come in all. */
  async ask(bytes: string, answers: number): Promise<void> {
    this.socket.write(bytes);
    while (this.text.split('{"handled"').length - 1 < answers)
      await new Promise((resolve) => this.socket.once('data', resolve));
  }
}

const GET = 'GET /page HTTP/1.1\r\nHost: a.test\r\n\r\n';

describe.each(platforms)('the fast lane before the server of %s', (platform) => {
  let app: LaneApplication;
  let client: Client;
  const server = (): Server => app.app.getHttpServer() as Server;
  const begin = async (prepare: (server: Server) => void = () => undefined): Promise<void> => {
    handled = 0;
    app = await startLane(platform, {
      controllers: [Page],
      providers: [SlowShutdown],
      setup: (application) => prepare(application.getHttpServer() as Server),
    });
    client = new Client(app.port);
    await client.ask(GET, 1);
    for (let turn = 2; turn < 5; turn++) await client.ask(GET, turn);
    app.reached();
    client.text = '';
  };
  /** Leaves only the listener of the platform, behind the lane. */
  const alone = (): void => {
    server().removeListener('request', server().listeners('request').at(-1) as never);
  };
  afterEach(async () => {
    shutdown.open();
    client.socket.destroy();
    await app.close();
    shutdown = gate();
  });

  it('answers many requests of one connection, one after the other and pipelined', async () => {
    await begin();
    alone();
    await client.ask(GET, 1);
    await client.ask(GET.repeat(20), 21);
    await client.ask(`${GET}POST /page HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n${GET}`, 23);
    const statuses = [...client.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    expect(statuses).toEqual([...Array<string>(22).fill('200'), '404', '200']);
    expect(app.reached()).toBe(1);
  });

  it('closes a connection when the client asks for it', async () => {
    await begin();
    client.socket.write(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'));
    await client.closed;
    expect(client.text).toMatch(/HTTP\/1\.1 200 OK[^]*connection: close[^]*\{"handled":1\}$/i);
    expect(app.reached()).toBe(0);
  });

  it('answers HTTP/1.0, and closes or keeps the connection as asked', async () => {
    await begin();
    await client.ask('GET /page HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n', 1);
    expect(client.text).toMatch(/connection: keep-alive/i);
    client.socket.write('GET /page HTTP/1.0\r\nHost: a.test\r\n\r\n');
    await client.closed;
    expect(client.text.match(/\{"handled":1\}/g)).toHaveLength(2);
    expect(app.reached()).toBe(0);
  });

  it('heeds the number of requests of a connection', async () => {
    await begin((it) => void (it.maxRequestsPerSocket = 6));
    await client.ask(GET, 1);
    expect(client.text).not.toMatch(/connection: close/i);
    await client.ask(GET, 2);
    expect(client.text).toMatch(/connection: close/i);
    expect(app.reached()).toBe(0);
  });

  it('sends Date with each answer', async () => {
    await begin();
    await client.ask(GET, 1);
    expect(client.text).toMatch(/\r\ndate: [A-Z][a-z]{2}, \d\d /i);
  });

  it('hides no request from other listeners, whenever they were added', async () => {
    const seen: string[] = [];
    const note =
      (name: string) =>
      (_request: IncomingMessage, response: ServerResponse): void => {
        response.once('finish', () => void seen.push(`${name} ${response.statusCode}`));
      };
    await begin((it) => it.prependListener('request', note('before')));
    server().on('request', note('after'));
    seen.length = 0;
    await client.ask(GET, 1);
    expect([seen, app.reached()]).toEqual([['before 200', 'after 200'], 0]);
  });

  it('lets listeners behind it set headers', async () => {
    await begin();
    server().on('request', (_request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('x-behind', 'yes');
    });
    await client.ask(GET, 1);
    expect(client.text).toMatch(/x-behind: yes/i);
  });

  it('leaves upgrades and Expect to their listeners', async () => {
    await begin((it) => {
      it.on('upgrade', (_request, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
      it.on('checkContinue', (_request, response: ServerResponse) => response.writeHead(417).end());
    });
    client.socket.write(GET.replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'));
    await new Promise((resolve) => client.socket.once('data', resolve));
    expect(client.text).toMatch(/^HTTP\/1\.1 417/);
    client.socket.destroy();
    client = new Client(app.port);
    client.socket.write(GET.replace('\r\n\r\n', '\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'));
    await client.closed;
    expect(client.text).toMatch(/^HTTP\/1\.1 101/);
  });

  it('leaves requests to the platform as soon as the application closes, which then closes their connections', async () => {
    await begin();
    const closing = app.app.close();
    await new Promise((resolve) => setImmediate(resolve));
    await client.ask(GET, 1);
    expect(app.reached()).toBe(1);
    shutdown.open();
    await closing;
    await client.closed;
  });

  it('is off when middleware is added while the application runs', async () => {
    await begin();
    const { use } = app.app.getHttpAdapter().getInstance() as { use(code: unknown): void };
    use.call(
      app.app.getHttpAdapter().getInstance(),
      (_request: object, _response: object, next: () => void) => next(),
    );
    await client.ask(GET, 1);
    expect(app.reached()).toBe(1);
    expect(app.complaints.join()).toContain('The fast lane is off');
  });
});
