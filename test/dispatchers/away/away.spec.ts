import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { memoryStore } from '../../../lib/index.js';
import { serverUrl, type ServerName } from '../../servers/url.js';
import { LogBook } from '../../support/application.js';
import { Proxy } from '../support/proxy.js';
import { createDispatcher, dispatcherOf, type Line, type TransportName } from '../support/transports.js';
import { startWorker } from '../support/worker.js';
import { Item, openDatabase, startItems, until } from '../support/world.js';

jest.setTimeout(120_000);

const BROKERS: [TransportName, ServerName][] = [
  ['bullmq', 'redis'],
  ['RabbitMQ', 'rabbitmq'],
  ['NATS', 'nats'],
];
const lineOf = (transport: TransportName, url: string): Line => ({
  transport,
  url,
  namespace: `away-${transport}-${process.pid}`,
});

let open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.reverse()) await one.close();
  open = [];
});

/** The URL of a broker at a port where nobody listens. */
async function deadUrl(name: ServerName): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(serverUrl(name));
  url.port = String((server.address() as AddressInfo).port);
  await new Promise((resolve) => server.close(resolve));
  return url.href;
}

describe.each(BROKERS)('%s, away when the application boots', (transport, server) => {
  it('does not prevent booting, writing or shutting down', async () => {
    const files = ['../../support/typescript.mjs', './lonely-application.ts'];
    const [loader, file] = files.map((path) => new URL(path, import.meta.url));
    const line = JSON.stringify(lineOf(transport, await deadUrl(server)));
    const args = ['--no-warnings', '--import', loader!.href, file!.pathname, line];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    open.push({ close: async () => void child.kill('SIGKILL') });
    const output = { said: '', log: '' };
    child.stdout.on('data', (chunk) => (output.said += chunk));
    child.stderr.on('data', (chunk) => (output.log += chunk));
    const [code] = (await once(child, 'close')) as [number];
    expect([output.said, code]).toEqual(['booted\nwritten\nclosed\n', 0]);
    const [, whileClosing] = output.log.split('closing\n');
    expect(whileClosing).toContain('3 invalidation jobs could not be sent');
    // Nothing waits in a process that ends.
    expect(whileClosing).not.toContain('wait in memory');
  });

  it('gets all jobs that were written meanwhile, when it is available', async () => {
    const proxy = await Proxy.to(serverUrl(server));
    open.push(proxy);
    proxy.cut();
    const dataSource = await openDatabase('sql.js', 'away');
    open.push({ close: () => dataSource.destroy() });
    await dataSource.manager.save(Item, { id: 1, text: 'old' });
    const [line, store] = [lineOf(transport, proxy.url), memoryStore()];
    const direct = { ...line, url: serverUrl(server) };
    open.push(await startWorker(direct, { store, dataSources: [], logger: new LogBook() }));
    const { app, items } = await startItems(dispatcherOf(line), {
      dataSource,
      rule: { eager: false },
      dispatchers: [await createDispatcher(line, false)],
      options: { namespace: line.namespace, store },
    });
    open.push(app);
    expect(await items.text(1)).toBe('old');
    await dataSource.manager.save(Item, { id: 1, text: 'new 0' });
    expect(await items.text(1)).toBe('old');
    proxy.mend();
    let changes = 0;
    await until(async () => {
      // NATS delivers to a subscription that is at the server, and it may be later there than its listen() returned.
      if (transport === 'NATS') await dataSource.manager.save(Item, { id: 1, text: `new ${++changes}` });
      return (await items.text(1))?.startsWith('new');
    }, 'the worker is told');
  });
});
