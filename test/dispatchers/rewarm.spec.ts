import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ClientProxyFactory, Transport, type ClientOptions } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { Queue } from 'bullmq';
import PgBoss from 'pg-boss';
import { DataSource } from 'typeorm';
import { bullMqDispatcher } from '../../lib/bullmq.js';
import {
  memoryStore,
  outboxDispatcher,
  RestflowCacheModule,
  type CacheStore,
  type Dispatcher,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { invalidationController, microserviceDispatcher, type EventClient } from '../../lib/microservices.js';
import { pgBossDispatcher } from '../../lib/pg-boss.js';
import { serverUrl } from '../servers/url.js';
import { LogBook, TestApplication } from '../support/application.js';
import { Item, itemsService, openDatabase, startItems, until, type Started } from './support/world.js';

let turn = 0;
let namespace: string;
let dataSource: DataSource;
let store: CacheStore;
let open: (() => Promise<unknown>)[];

beforeEach(() => {
  namespace = `rewarm-${process.pid}-${++turn}`;
  store = memoryStore();
  open = [];
});
afterEach(async () => {
  for (const close of open.reverse()) await close();
});

async function openItems(database: 'sql.js' | 'PostgreSQL' = 'sql.js'): Promise<void> {
  dataSource = await openDatabase(database, 'rewarm');
  open.push(() => dataSource.destroy());
  await dataSource.manager.save(Item, { id: 1, text: 'old' });
}

async function start(
  dispatcher: string,
  dispatchers: readonly Dispatcher[],
  options: RestflowCacheOptions = {},
): Promise<Started> {
  const given = {
    dataSource,
    rule: { rewarm: true },
    dispatchers,
    options: { namespace, store, ...options },
  };
  const started = await startItems(dispatcher, given);
  open.push(() => started.app.close());
  return started;
}

/** Another connection, as a worker has: what entities it knows is part of the identity of the values that it makes. */
async function ownDataSource(): Promise<DataSource> {
  const own = await new DataSource({ ...dataSource.options, synchronize: false }).initialize();
  open.push(() => own.destroy());
  return own;
}

const change = (): Promise<unknown> => dataSource.manager.save(Item, { id: 1, text: 'new' });

/** Nobody reads until the value has been recomputed. */
async function recomputes({ items: writer, app }: Started, worker = writer): Promise<void> {
  await writer.text(1);
  const before = worker.loads;
  await change();
  const stored = app.cache.for(writer.constructor as ReturnType<typeof itemsService>, 'text');
  await until(
    async () => worker.loads > before && (await stored.getCachedMetadata(1)) !== null,
    'a recompute that is stored',
  );
  expect(await writer.text(1)).toBe('new');
  expect(worker.loads).toBe(before + 1);
  if (worker !== writer) expect(writer.loads).toBe(1);
}

/** What a worker without the class has to say; the value is dropped all the same. */
async function drops(writer: Started['items'], log: LogBook): Promise<void> {
  await writer.text(1);
  await change();
  await until(() => log.warnings.length > 0, 'a reason');
  expect(log.warnings).toEqual([
    expect.stringMatching(/Items\.text was not recomputed.*no provider or controller of this process/),
  ]);
  expect(await writer.text(1)).toBe('new');
  expect(writer.loads).toBe(2);
}

describe('the background dispatcher', () => {
  it('recomputes without delaying the write', async () => {
    await openItems();
    await recomputes(await start('background', []));
  });
});

describe('the outbox', () => {
  it('recomputes in the process that runs its jobs', async () => {
    await openItems();
    await recomputes(await start('outbox', [outboxDispatcher({ pollInterval: 20, createTable: true })]));
  });
});

/** A queue: its dispatcher, for who works it and who does not. */
const queues = {
  bullmq: (work: boolean): Dispatcher => {
    const { hostname, port } = new URL(serverUrl('redis'));
    const connection = { host: hostname, port: Number(port), maxRetriesPerRequest: null };
    const queue = new Queue(`${namespace}-invalidation`, { connection });
    open.push(() => queue.obliterate({ force: true }).finally(() => queue.close()));
    return bullMqDispatcher({ connection, work });
  },
  'pg-boss': (work: boolean): Dispatcher => {
    const schema = `boss_rewarm_${process.env['JEST_WORKER_ID'] ?? '0'}`;
    const boss = new PgBoss({ connectionString: serverUrl('postgres'), schema });
    return pgBossDispatcher({ boss, work, pollInterval: 1 });
  },
};

describe.each(['bullmq', 'pg-boss'] as const)('the %s dispatcher', (name) => {
  const work = queues[name];
  beforeEach(() => openItems(name === 'pg-boss' ? 'PostgreSQL' : 'sql.js'));

  it('recomputes in the process that runs the jobs of its queue', async () => {
    const writer = await start(name, [work(false)]);
    const worker = await start(name, [work(true)], { dataSources: [await ownDataSource()] });
    await recomputes(writer, worker.items);
  });

  it('leaves dropped what its worker has no provider for', async () => {
    const { items } = await start(name, [work(false)]);
    const worker = await TestApplication.start([], { namespace, store, dispatchers: [work(true)] });
    open.push(() => worker.close());
    await drops(items, worker.log);
  });
});

describe('the microservice dispatcher', () => {
  const transport = (consumes: boolean): object => ({
    transport: Transport.RMQ,
    options: {
      urls: [serverUrl('rabbitmq')],
      queue: `${namespace}-queue`,
      queueOptions: { durable: false, autoDelete: true },
      ...(consumes ? { noAck: false } : {}),
    },
  });
  const dispatcher = (): Dispatcher =>
    microserviceDispatcher({
      client: ClientProxyFactory.create(transport(false) as ClientOptions) as EventClient,
    });

  async function startWorker(log: LogBook, ...providers: ReturnType<typeof itemsService>[]) {
    const dataSources = [await ownDataSource()];
    const options = { namespace, store, dataSources, dispatchers: [dispatcher()] };
    const module = await Test.createTestingModule({
      imports: [RestflowCacheModule.forRoot(options)],
      controllers: [invalidationController({ namespace, ack: true })],
      providers,
    })
      .setLogger(log)
      .compile();
    const worker = module.createNestMicroservice(transport(true));
    await worker.listen();
    open.push(() => worker.close());
    return worker;
  }

  beforeEach(() => openItems());

  it('recomputes in the microservice', async () => {
    const Items = itemsService('microservice', { rewarm: true });
    const worker = await startWorker(new LogBook(), Items);
    worker.get(Items).source = dataSource;
    await recomputes(await start('microservice', [dispatcher()]), worker.get(Items));
  });

  it('leaves dropped what the microservice has no provider for', async () => {
    const log = new LogBook();
    const { items } = await start('microservice', [dispatcher()]);
    // Nest has one logger in a process: that of the application that began last.
    await startWorker(log);
    await drops(items, log);
  });
});
