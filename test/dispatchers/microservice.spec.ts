import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable, type INestMicroservice } from '@nestjs/common';
import {
  ClientProxyFactory,
  Transport,
  type ClientOptions,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { connect, type Channel, type ChannelModel } from 'amqplib';
import { lastValueFrom } from 'rxjs';
import type { DataSource } from 'typeorm';
import {
  ArgsKeyField,
  CacheResult,
  inlineKeyConstructor,
  InvalidatesOnEvent,
  memoryStore,
  RestflowCacheModule,
  type CacheStore,
} from '../../lib/index.js';
import {
  invalidationController,
  invalidationEvents,
  microserviceDispatcher,
  type EventClient,
} from '../../lib/microservices.js';
import { serverUrl } from '../servers/url.js';
import { LogBook } from '../support/application.js';
import { Proxy } from './support/proxy.js';
import { Item, openDatabase, startItems, until, type Started } from './support/world.js';

let turn = 0;
let namespace: string;
let dataSource: DataSource;
let store: CacheStore;
let log: LogBook;
let open: { close(): Promise<unknown> }[];

beforeEach(async () => {
  namespace = `micro-${process.pid}-${++turn}`;
  dataSource = await openDatabase('sql.js', 'microservice');
  await dataSource.manager.save(Item, { id: 1, text: 'old' });
  store = memoryStore();
  log = new LogBook();
  open = [];
});
afterEach(async () => {
  for (const one of open.reverse()) await one.close();
  await dataSource.destroy();
});

async function start(transport: object): Promise<Started> {
  const client = ClientProxyFactory.create(transport as ClientOptions) as EventClient;
  const started = await startItems('microservice', {
    dataSource,
    rule: { eager: false },
    dispatchers: [microserviceDispatcher({ client })],
    options: { namespace, store },
  });
  open.push(started.app);
  await started.items.text(1);
  return started;
}

async function startWorker(transport: object, ack: boolean): Promise<INestMicroservice> {
  const module = await Test.createTestingModule({
    imports: [RestflowCacheModule.forRoot({ store, namespace })],
    controllers: [invalidationController({ namespace, ack })],
  })
    .setLogger(log)
    .compile();
  const worker = module.createNestMicroservice<MicroserviceOptions>(transport as MicroserviceOptions);
  await worker.listen();
  open.push(worker);
  return worker;
}

const write = (text: string): Promise<unknown> => dataSource.manager.save(Item, { id: 1, text });
const reads = (items: Started['items'], text: string): Promise<void> =>
  until(async () => (await items.text(1)) === text, `the value ${text}`);

describe('the microservice dispatcher on RabbitMQ', () => {
  let connection: ChannelModel;
  let channel: Channel;
  const queue = (): string => `${namespace}-queue`;
  const queueOptions = (): object => ({
    durable: true,
    arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': `${queue()}-dead` },
  });
  // A client that acknowledges would be refused its reply queue.
  const transport = (consumes = false, url = serverUrl('rabbitmq')): object => ({
    transport: Transport.RMQ,
    options: {
      urls: [url],
      queue: queue(),
      queueOptions: queueOptions(),
      persistent: true,
      ...(consumes ? { noAck: false } : {}),
      prefetchCount: 10,
      socketOptions: { reconnectTimeInSeconds: 0.1 },
    },
  });
  const waiting = async (name = queue()): Promise<number> => (await channel.checkQueue(name)).messageCount;

  beforeEach(async () => {
    connection = await connect(serverUrl('rabbitmq'));
    channel = await connection.createChannel();
    await channel.assertQueue(`${queue()}-dead`);
    await channel.assertQueue(queue(), queueOptions());
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
    for (const name of [queue(), `${queue()}-dead`]) await channel.deleteQueue(name);
    await connection.close();
  });

  it('brings the events of @InvalidatesOnEvent, and keeps a message until the store has dropped the entries', async () => {
    @Injectable()
    class Prices {
      loads = 0;
      @CacheResult({
        keyConstructor: inlineKeyConstructor({
          fields: { sku: new ArgsKeyField('sku', { partition: true }) },
        }),
      })
      @InvalidatesOnEvent('price.changed', { partition: (event: { sku: string }) => ({ sku: event.sku }) })
      @InvalidatesOnEvent({ topic: 'prices' })
      async find(sku: string): Promise<string> {
        return `${sku} ${++this.loads}`;
      }
    }
    const module = await Test.createTestingModule({
      imports: [RestflowCacheModule.forRoot({ store, namespace })],
      providers: [Prices],
      controllers: [invalidationEvents({ of: [Prices], ack: true })],
    })
      .setLogger(log)
      .compile();
    const worker = module.createNestMicroservice<MicroserviceOptions>(transport(true) as MicroserviceOptions);
    await worker.listen();
    open.push(worker);
    const prices = worker.get(Prices);
    const both = (): Promise<string[]> => Promise.all(['a', 'b'].map((sku) => prices.find(sku)));
    const client = ClientProxyFactory.create(transport() as ClientOptions);
    open.push(client as never);
    expect(await both()).toEqual(['a 1', 'b 2']);
    // It fails for the first message, which comes again.
    const bump = jest.spyOn(store, 'bump').mockImplementationOnce(() => Promise.reject(new Error('full')));
    await lastValueFrom(client.emit('price.changed', { sku: 'a' }), { defaultValue: undefined });
    await until(async () => (await prices.find('a')) === 'a 3', 'the entry to be dropped');
    expect(await both()).toEqual(['a 3', 'b 2']);
    expect(bump).toHaveBeenCalledTimes(2);
    await lastValueFrom(client.emit({ topic: 'prices' }, {}), { defaultValue: undefined });
    await until(async () => (await prices.find('b')) !== 'b 2', 'all entries to be dropped');
    await until(async () => (await waiting()) === 0, 'the queue to be empty');
  });

  it('gets the job of a write, keeps it while no worker runs, and a new worker runs it', async () => {
    const { items } = await start(transport());
    await write('two');
    await until(async () => (await waiting()) === 1, 'the first job');
    expect(await items.text(1)).toBe('old');
    const worker = await startWorker(transport(true), true);
    await reads(items, 'two');
    await worker.close();
    open.pop();
    await write('three');
    await until(async () => (await waiting()) === 1, 'the second job');
    await startWorker(transport(true), true);
    await reads(items, 'three');
    expect(log.errors).toEqual([]);
  });

  it('loses no job while the broker is unavailable, and delays no write', async () => {
    const proxy = await Proxy.to(serverUrl('rabbitmq'));
    const { items } = await start(transport(false, proxy.url));
    await startWorker(transport(true), true);
    await write('two');
    await reads(items, 'two');
    proxy.cut();
    // They return before the broker is back.
    for (const text of ['three', 'four']) await write(text);
    proxy.mend();
    await reads(items, 'four');
    for (const one of open.splice(0).reverse()) await one.close();
    await proxy.close();
  });

  it('sends a job that can never run to the dead letter exchange, and runs the next job', async () => {
    const { items } = await start(transport());
    await startWorker(transport(true), true);
    const poison = { pattern: `${namespace}.invalidation`, data: { hello: 1 } };
    channel.sendToQueue(queue(), Buffer.from(JSON.stringify(poison)));
    await write('two');
    await reads(items, 'two');
    await until(async () => (await waiting(`${queue()}-dead`)) === 1, 'a dead job');
    expect(await waiting()).toBe(0);
  });

  it('requeues a job whose store failed, until it succeeds', async () => {
    const { items } = await start(transport());
    const { bump } = store;
    let failures = 2;
    store.bump = (tags, mode) => {
      if (failures-- > 0) throw new Error('store down');
      return bump.call(store, tags, mode);
    };
    await startWorker(transport(true), true);
    await write('two');
    await reads(items, 'two');
    expect(failures).toBeLessThan(0);
  });
});

describe('the microservice dispatcher on NATS', () => {
  const transport = (): object => ({ transport: Transport.NATS, options: { servers: [serverUrl('nats')] } });

  // A worker's subscription reaches the server after listen() has returned, and only a value that differs is a change.
  const reachesTheWorker = (items: Started['items'], text: string): Promise<void> => {
    let writes = 0;
    return until(async () => {
      await write(`${text} ${++writes}`);
      return (await items.text(1))?.startsWith(text) === true;
    }, `a value ${text}`);
  };

  it('delivers at most once, to every worker that listens', async () => {
    const { items } = await start(transport());
    await write('lost');
    expect(await items.text(1)).toBe('old');
    const worker = await startWorker(transport(), false);
    await reachesTheWorker(items, 'two');
    await worker.close();
    open.pop();
    await startWorker(transport(), false);
    await reachesTheWorker(items, 'three');
  });

  it('logs that the transport has no acknowledgements, and runs the job', async () => {
    const { items } = await start(transport());
    await startWorker(transport(), true);
    await reachesTheWorker(items, 'new');
    await until(() => log.errors.join().includes('acknowledges messages of RabbitMQ'), 'a line in the log');
  }, 90_000);

  it('logs and drops a job that can never run, and runs the next job', async () => {
    const { items } = await start(transport());
    await startWorker(transport(), false);
    await reachesTheWorker(items, 'before');
    const client = ClientProxyFactory.create(transport() as ClientOptions) as EventClient;
    open.push({ close: async () => client.close() });
    await client.connect();
    await lastValueFrom(client.emit(`${namespace}.invalidation`, { hello: 1 }), { defaultValue: undefined });
    await until(() => log.errors.join().includes('other than an invalidation job'), 'a line in the log');
    await reachesTheWorker(items, 'after');
  });
});

it.each<[object, RegExp]>([
  [{}, /client.*a ClientProxy/],
  [{ client: { emit: () => undefined }, topic: 'x' }, /unknown option topic/],
])('refuses the options %j', (options, message) => {
  expect(() => microserviceDispatcher(options as { client: EventClient })).toThrow(message);
});
