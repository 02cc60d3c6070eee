import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** An address that leads to a server, until the test has it lead elsewhere, nowhere, or to garbage. */
export class TcpProxy {
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  readonly #server: Server;
  #isSilent = false;

  private constructor(private target: number) {
    this.#server = createServer((client) => this.#open(client));
  }

  static async to(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** From now on connections lead to another port; those that are open are cut, or left where they lead. */
  leadTo(port: number, { cut = true } = {}): void {
    this.target = port;
    if (cut) this.cut();
  }

  cut(): void {
    for (const [client] of this.#pairs) client.destroy();
  }

  /**
   * Connections that are open stay so and carry nothing any more, in neither direction; new ones work.
   * @param only those to which this was sent, e.g. the subscribers
   */
  freeze(only?: string): void {
    for (const pair of this.#pairs) {
      const sent = (pair[0] as { sent?: string }).sent ?? '';
      if (only !== undefined && !sent.includes(only)) continue;
      for (const socket of pair) socket.unpipe();
      pair[0].resume();
      pair[1].resume();
      pair[0].removeAllListeners('close');
    }
  }

  /** Like {@link freeze} for all, and new connections answer nothing either, until it is given back. */
  silence(isSilent: boolean): void {
    this.#isSilent = isSilent;
    if (isSilent) this.freeze();
  }

  async close(): Promise<void> {
    this.cut();
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #open(client: Socket): void {
    client.on('error', () => client.destroy());
    if (this.#isSilent) return void client.resume();
    const server = connect(this.target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    server.on('error', () => client.destroy());
    server.on('close', () => {
      client.destroy();
      this.#pairs.delete(pair);
    });
    client.on('close', () => server.destroy());
    client.on('data', (bytes: Buffer) => {
      const noted = client as { sent?: string };
      noted.sent = ((noted.sent ?? '') + bytes.toString('latin1')).slice(0, 4_000);
    });
    client.pipe(server);
    server.pipe(client);
  }
}

/** A server that answers everything with bytes that mean nothing. */
export async function garbageServer(): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () =>
      socket.write(Buffer.from([0x00, 0xff, 0x2b, 0x7f, 0x0d, 0x0a, 0x2a, 0x2d, 0x39])),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
