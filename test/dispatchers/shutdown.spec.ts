import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { memoryStore } from '../../lib/index.js';
import { serverUrl, type ServerName } from '../servers/url.js';
import { LogBook, type TestApplication } from '../support/application.js';
import { Proxy } from './support/proxy.js';
import { createDispatcher, dispatcherOf, type Line, type TransportName } from './support/transports.js';
import { startWorker } from './support/worker.js';
import { Item, openDatabase, startItems, until } from './support/world.js';

jest.setTimeout(90_000);

let open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.reverse()) await one.close();
  open = [];
});

/** Does something between the end of the dispatchers and that of the application: when Nest waits for its requests. */
function whileRequestsEnd({ module }: TestApplication, request: () => Promise<unknown>): void {
  const nest = module as unknown as { dispose(): Promise<void> };
  const dispose = nest.dispose.bind(nest);
  nest.dispose = () => request().then(dispose);
}

describe.each<[TransportName, ServerName]>([
  ['bullmq', 'redis'],
  ['pg-boss', 'postgres'],
  ['outbox', 'postgres'],
  ['RabbitMQ', 'rabbitmq'],
])('a shutdown with %s', (transport, server) => {
  it('loses no job of a request that is still under way, and leaves no connection', async () => {
    const proxy = await Proxy.to(serverUrl(server));
    open.push(proxy);
    const isDatabase = server === 'postgres';
    const dataSource = await openDatabase(isDatabase ? 'PostgreSQL' : 'sql.js', 'shutdown');
    open.push({ close: () => dataSource.destroy() });
    const { schema } = dataSource.options as { schema?: string };
    const namespace = `shutdown-${transport}-${process.pid}`;
    const line: Line = { transport, url: proxy.url, namespace, schema };
    await dataSource.manager.save(Item, { id: 1, text: 'old' });
    const store = memoryStore();
    const application = async () =>
      startItems(dispatcherOf(line), {
        dataSource,
        rule: { eager: false },
        dispatchers: [await createDispatcher(line, false)],
        options: { namespace, store },
      });
    const { app, items } = await application();
    expect(await items.text(1)).toBe('old');
    whileRequestsEnd(app, () => dataSource.manager.save(Item, { id: 1, text: 'new' }));
    await app.close();
    expect(app.log.errors).toEqual([]);
    await until(() => proxy.connections === 0, 'every connection is closed');
    const worker = { store, dataSources: [dataSource], logger: new LogBook() };
    open.push(await startWorker({ ...line, url: serverUrl(server) }, worker));
    const reader = await application();
    open.push(reader.app);
    await until(async () => (await reader.items.text(1)) === 'new', 'the job is carried out');
  });
});
