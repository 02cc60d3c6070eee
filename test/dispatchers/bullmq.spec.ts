import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { DataSource } from 'typeorm';
import { bullMqDispatcher, type BullMqOptions } from '../../lib/bullmq.js';
import type { CacheRuntime } from '../../lib/cache/cache-runtime.js';
import { CACHE_RUNTIME } from '../../lib/cache/runtime-token.js';
import { memoryStore, type InvalidationJob, type RestflowCacheOptions } from '../../lib/index.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { Deferred } from '../support/gate.js';
import { Proxy } from './support/proxy.js';
import { failingStore, Item, openDatabase, startItems, until, type Started } from './support/world.js';

let turn = 0;
let namespace: string;
let dataSource: DataSource;
let queue: Queue;
let open: { close(): Promise<unknown> }[];

const connectionTo = (url: string): BullMqOptions['connection'] => ({
  host: new URL(url).hostname,
  port: Number(new URL(url).port),
  maxRetriesPerRequest: null,
  retryStrategy: () => 50,
});

beforeEach(async () => {
  namespace = `bullmq-${process.pid}-${++turn}`;
  dataSource = await openDatabase('sql.js', 'bullmq');
  await dataSource.manager.save(Item, { id: 1, text: 'old' });
  queue = new Queue(`${namespace}-invalidation`, { connection: connectionTo(serverUrl('redis')) });
  open = [];
});
afterEach(async () => {
  for (const one of open) await one.close();
  await queue.obliterate({ force: true });
  await queue.close();
  await dataSource.destroy();
});

const dispatcher = (options: Partial<BullMqOptions> = {}) =>
  bullMqDispatcher({ connection: connectionTo(serverUrl('redis')), ...options });

const app = async (
  bullmq: Partial<BullMqOptions>,
  rule: object = {},
  options: RestflowCacheOptions = {},
): Promise<Started> => {
  const started = await startItems('bullmq', {
    dataSource,
    rule,
    dispatchers: [dispatcher(bullmq)],
    options: { namespace, ...options },
  });
  open.push(started.app);
  return started;
};

const worker = async (
  store = memoryStore(),
  bullmq: Partial<BullMqOptions> = {},
): Promise<TestApplication> => {
  const options = { namespace, store, dispatchers: [dispatcher(bullmq)] };
  const started = await TestApplication.start([], options);
  open.push(started);
  return started;
};

const done = async (): Promise<boolean> => (await queue.count()) + (await queue.getActiveCount()) === 0;

describe('the bullmq dispatcher', () => {
  it('gets the job of a write, and a worker in another process runs it', async () => {
    const store = memoryStore();
    const { items } = await app({ work: false }, { eager: false }, { store });
    await items.text(1);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await queue.count()) === 1, 'the job');
    const [job] = await queue.getJobs(['waiting']);
    expect(job!.data).toMatchObject({ namespace, mode: 'purge', done: false });
    expect(job!.opts).toMatchObject({ attempts: 25, jobId: (job!.data as InvalidationJob).id });
    expect(await items.text(1)).toBe('old');
    const { log } = await worker(store);
    await until(done, 'an empty queue');
    expect(await items.text(1)).toBe('new');
    expect(log.errors).toEqual([]);
  });

  it('keeps jobs while no worker runs, and a new worker runs them', async () => {
    const store = memoryStore();
    const { items } = await app({ work: false }, { eager: false }, { store });
    const first = await worker(store);
    await items.text(1);
    await dataSource.manager.save(Item, { id: 1, text: 'two' });
    await until(async () => (await items.text(1)) === 'two', 'the first change');
    await first.close();
    await dataSource.manager.save(Item, { id: 1, text: 'three' });
    expect(await items.text(1)).toBe('two');
    await worker(store);
    await until(async () => (await items.text(1)) === 'three', 'the second change');
  });

  it('loses no job while its Redis is unavailable, and delays no write', async () => {
    const proxy = await Proxy.to(serverUrl('redis'));
    const { items } = await app({ connection: connectionTo(proxy.url) }, { eager: false });
    await items.text(1);
    await dataSource.manager.save(Item, { id: 1, text: 'two' });
    await until(async () => (await items.text(1)) === 'two', 'the first change');
    proxy.cut();
    for (const text of ['three', 'four', 'five']) {
      // Returns before the Redis is back.
      await dataSource.manager.save(Item, { id: 1, text });
    }
    proxy.mend();
    await until(async () => (await items.text(1)) === 'five', 'the last change');
    for (const one of open.splice(0)) await one.close();
    await proxy.close();
  });

  it('retries jobs that the store refused, and finally keeps them as failed', async () => {
    const { app: started } = await app({ attempts: 2 });
    const store = failingStore(started);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await queue.getFailedCount()) === 1, 'a dead job');
    const [dead] = await queue.getFailed();
    expect(dead).toMatchObject({ attemptsMade: 2, failedReason: 'store down' });
    expect(started.log.errors.join()).toContain('is dead and stays there as failed');
    store.restore();
    await dead!.retry();
    await until(async () => (await queue.getFailedCount()) === 0 && (await done()), 'its revival');
  });

  it.each<[string, object]>([
    ['is no job', { hello: 1 }],
    [
      'is of another namespace',
      { id: 'x', namespace: 'other', rule: 'r', tags: [], mode: 'purge', done: false },
    ],
  ])('makes a job that %s dead at once, and runs the next job', async (_, data) => {
    const { items } = await app({}, { eager: false });
    await items.text(1);
    await queue.add('x', data, { attempts: 5 });
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await items.text(1)) === 'new', 'the next job');
    await until(async () => (await queue.getFailedCount()) === 1, 'a dead job');
    expect((await queue.getFailed())[0]!.attemptsMade).toBe(1);
  });

  it('sends the jobs of a rule to the queue of its dispatcherConfig', async () => {
    const name = `${namespace}-other`;
    const other = new Queue(name, { connection: connectionTo(serverUrl('redis')) });
    open.push({ close: () => other.obliterate({ force: true }).then(() => other.close()) });
    const store = memoryStore();
    const rule = { eager: false, dispatcherConfig: { queue: name } };
    const { items } = await app({}, rule, { store });
    await items.text(1);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await other.count()) === 1, 'the job in that queue');
    await worker(store, { work: [name] });
    await until(async () => (await items.text(1)) === 'new', 'the worker of that queue');
  });

  it('runs jobs correctly any number of times and in any order', async () => {
    const { items, app: started } = await app({});
    const job = (id: string): object => ({
      id,
      namespace,
      rule: 'r',
      tags: [`${namespace}:g:all`],
      mode: 'purge',
      done: false,
    });
    for (const id of ['b', 'a', 'b', 'a']) await queue.add('r', job(id));
    await until(done, 'all of them');
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    expect(await items.text(1)).toBe('new');
    expect(started.log.errors).toEqual([]);
  });

  it('does not close a connection of the application, even if its worker does not end in time', async () => {
    const connection = new Redis(serverUrl('redis'), { maxRetriesPerRequest: null });
    const { app: started } = await app({ connection });
    const runtime = started.module.get<CacheRuntime>(CACHE_RUNTIME);
    const [asked, work] = [new Deferred(), new Deferred()];
    runtime.bump = () => {
      asked.resolve();
      return work.promise;
    };
    const isIdle = async (): Promise<boolean> =>
      (await queue.getWorkers()).some(({ cmd }) => cmd === 'bzpopmin');
    await until(isIdle, 'a worker that is connected');
    await queue.add('r', { id: 'x', namespace, rule: 'r', tags: [], mode: 'purge', done: false });
    await asked.promise;
    await started.close();
    expect(await connection.ping()).toBe('PONG');
    work.resolve();
    // Behind what the worker has still to say.
    await queue.getActiveCount();
    await connection.quit();
  });

  it.each<[object, RegExp]>([
    [{}, /connection is missing.*\{ url \}/],
    [{ connection: 'redis://localhost' }, /connection is 'redis:.*\{ url \}/],
    [{ connection: {}, queues: [] }, /unknown option queues\. Did you mean queue\?/],
    [{ connection: {}, work: 'yes' }, /work is 'yes'/],
  ])('refuses the options %j', (options, message) => {
    expect(() => bullMqDispatcher(options as BullMqOptions)).toThrow(message);
  });
});
