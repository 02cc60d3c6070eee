import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { connect as connectToRabbitMq } from 'amqplib';
import { Queue } from 'bullmq';
import pg from 'pg';
import { serverUrl } from '../servers/url.js';
import { until } from '../support/until.js';
import { LINE, LIST, ORDER, Sample, Shop, STATEMENT } from './orders.js';

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const canConnect = ({ hostname, port }: URL): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

let sample: Sample;
let shop: Shop;

describe('the sample 02-orders', () => {
  const namespace = `sample-02-${process.pid}-${Date.now()}`;
  let queue: Queue;

  const noJobs = async (): Promise<boolean> => (await queue.count()) + (await queue.getActiveCount()) === 0;

  beforeAll(async () => {
    queue = new Queue(`${namespace}-invalidation`, { connection: { url: serverUrl('redis') } });
    // It is told of a Redis, and brings up a PostgreSQL of its own.
    sample = new Sample({
      NAMESPACE: namespace,
      REDIS_URL: serverUrl('redis'),
      POSTGRES_URL: '',
      TEST_POSTGRES_URL: '',
    });
    shop = new Shop(await sample.web());
    await sample.worker();
  });
  afterAll(async () => {
    await sample.interrupt();
    await queue.obliterate({ force: true });
    await queue.close();
  });

  it('is fresh as its rules say, with the worker, without it, and when it is back', async () => {
    // An order and the list of its customer are fresh at once; other customers' stay.
    const other = await shop.cached('/customers/2/orders');
    const before = await shop.cached(ORDER);
    const list = await shop.cached(LIST);
    const statement = await shop.cached(STATEMENT);
    expect((await shop.addLine()).code).toBe(201);
    expect(await shop.request(ORDER)).toMatchObject({ cache: 'MISS', body: { total: before.total + LINE } });
    expect((await shop.request(LIST)).body[0]).toEqual({ ...list[0], total: list[0].total + LINE });
    expect(await shop.request('/customers/2/orders')).toEqual({ code: 200, cache: 'HIT', body: other });

    // The statement is fresh when the worker has run.
    const total = async (): Promise<number> => (await shop.request(STATEMENT)).body.total;
    await until(async () => (await total()) === statement.total + LINE, 'the worker');

    // A dead worker costs the statement alone: its job waits.
    await until(noJobs, 'an empty queue');
    for (const path of [ORDER, LIST, STATEMENT]) await shop.cached(path);
    process.kill(await sample.worker(), 'SIGKILL');
    await sample.printed(/(The process 'worker' was killed)/);
    await shop.addLine();
    const created = await shop.write('POST', LIST, { lines: [{ product: 'tea', quantity: 1, price: 100 }] });
    expect(created).toMatchObject({ code: 201, body: { total: 100, customer: 'Ada' } });
    expect((await shop.request(ORDER)).body.total).toBe(before.total + 2 * LINE);
    expect((await shop.request(LIST)).body).toHaveLength(list.length + 1);
    expect((await shop.request(LIST)).body[0].total).toBe(list[0].total + 2 * LINE);
    expect(await shop.request(STATEMENT)).toMatchObject({
      cache: 'HIT',
      body: { total: statement.total + LINE },
    });
    expect(await queue.count()).toBeGreaterThan(0);

    // A new worker carries it out.
    sample.pressEnter();
    await sample.worker(1);
    await until(async () => (await total()) === statement.total + 2 * LINE + 100, 'the new worker');
    await until(noJobs, 'an empty queue');
    expect(await queue.getFailedCount()).toBe(0);

    // A change of status, and what the DTOs refuse.
    expect((await shop.write('PATCH', ORDER, { status: 'lost' })).code).toBe(400);
    await shop.cached(STATEMENT);
    await shop.write('PATCH', ORDER, { status: 'cancelled' });
    expect((await shop.request(ORDER)).body.status).toBe('cancelled');
    expect((await shop.request(LIST)).body[0].status).toBe('cancelled');
    await until(async () => (await total()) === statement.total - before.total + 100, 'the cancelled order');
    expect((await shop.request('/customers/99/statement')).body).toEqual({
      customer: 99,
      orders: 0,
      total: 0,
    });
    expect((await shop.write('POST', '/customers/99/orders', { lines: [] })).code).toBe(400);
  });

  it('ends all that it started on Ctrl-C', async () => {
    const postgres = new URL(await sample.printed(/POSTGRES_URL=(\S+)/));
    const processes = [await sample.webProcess(), await sample.worker(-1)];
    expect(processes.map(isAlive)).toEqual([true, true]);
    expect(await canConnect(postgres)).toBe(true);
    expect(await sample.interrupt()).toBe(0);
    expect(processes.map(isAlive)).toEqual([false, false]);
    expect(await canConnect(postgres)).toBe(false);
  });
});

describe('the sample 02-orders with DISPATCHER', () => {
  const database = `sample_02_${process.pid}_${Date.now()}`;
  const admin = new pg.Client({ connectionString: serverUrl('postgres') });
  let one: Sample | undefined;

  beforeAll(() => admin.connect());
  afterEach(async () => {
    await one?.interrupt();
    await admin.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`);
  });
  afterAll(async () => {
    await admin.end();
    const rabbitMq = await connectToRabbitMq(serverUrl('rabbitmq'));
    const channel = await rabbitMq.createChannel();
    await channel.deleteQueue(`${database}-microservice-invalidation`);
    await rabbitMq.close();
  });

  const startWith = async (dispatcher: string): Promise<Sample> => {
    await admin.query(`CREATE DATABASE "${database}"`);
    const postgres = new URL(serverUrl('postgres'));
    postgres.pathname = database;
    one = new Sample({
      DISPATCHER: dispatcher,
      NAMESPACE: `${database}-${dispatcher}`,
      POSTGRES_URL: postgres.href,
      REDIS_URL: serverUrl('redis'),
      ...(dispatcher === 'microservice' && { RABBITMQ_URL: serverUrl('rabbitmq') }),
    });
    return one;
  };

  it.each([
    ['inline', false],
    ['background', false],
    ['pg-boss', true],
    ['microservice', true],
    ['outbox', true],
  ])('%s is fresh at once, and soon where that was left to it', async (dispatcher, hasWorker) => {
    const started = await startWith(dispatcher);
    const shop = new Shop(await started.web());
    if (hasWorker) await started.worker();
    const total = async (): Promise<number> => (await shop.request(STATEMENT)).body.total;
    const [order, list] = [await shop.cached(ORDER), await shop.cached(LIST)];
    const { total: before } = await shop.cached(STATEMENT);

    // Twice: a worker that hears of rules drops, once, what they cover.
    for (const lines of [1, 2]) {
      for (const path of [ORDER, LIST, STATEMENT]) await shop.cached(path);
      expect((await shop.addLine()).code).toBe(201);
      expect((await shop.request(ORDER)).body.total).toBe(order.total + lines * LINE);
      expect((await shop.request(LIST)).body[0].total).toBe(list[0].total + lines * LINE);
      await until(async () => (await total()) === before + lines * LINE, 'a fresh statement');
    }
    expect(await started.interrupt()).toBe(0);
    expect(started.errors()).toEqual([]);
    // None but those that it was told of.
    expect(started.servers()).toEqual([]);
  });

  it('a name that there is none of is refused with those that there are', async () => {
    const unknown = new Sample({ DISPATCHER: 'celery' });
    await unknown.printed(
      /(DISPATCHER is 'celery'; there are: inline, background, bullmq, pg-boss, microservice, outbox\.)/,
    );
    expect(await unknown.ended()).toBe(1);
  });
});
