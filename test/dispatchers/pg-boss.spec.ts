import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import PgBoss from 'pg-boss';
import type { DataSource } from 'typeorm';
import {
  memoryStore,
  type DispatcherHost,
  type InvalidationJob,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { pgBossDispatcher, type PgBossOptions } from '../../lib/pg-boss.js';
import { serverUrl } from '../servers/url.js';
import { TestApplication } from '../support/application.js';
import { failingStore, Item, openDatabase, startItems, until, type Started } from './support/world.js';

const SCHEMA = `boss_${process.env['JEST_WORKER_ID'] ?? '0'}`;
const bossOf = (): PgBoss => new PgBoss({ connectionString: serverUrl('postgres'), schema: SCHEMA });

let namespace: string;
let queue: string;
let dataSource: DataSource;
let open: TestApplication[];

beforeEach(async () => {
  namespace = `boss-${randomUUID().slice(0, 8)}`;
  queue = `${namespace}-invalidation`;
  dataSource = await openDatabase('PostgreSQL', 'boss_items');
  await dataSource.manager.save(Item, { id: 1, text: 'old' });
  open = [];
});
afterEach(async () => {
  for (const app of open) await app.close();
  await dataSource.destroy();
});

const dispatcher = (options: Partial<PgBossOptions> = {}) =>
  pgBossDispatcher({ boss: bossOf(), pollInterval: 1, ...options });

const start = async (
  boss: Partial<PgBossOptions>,
  rule: object = {},
  options: RestflowCacheOptions = {},
): Promise<Started> => {
  const given = { dataSource, rule, dispatchers: [dispatcher(boss)], options: { namespace, ...options } };
  const started = await startItems('pg-boss', given);
  open.push(started.app);
  return started;
};

/** For a dispatcher without an application. */
const nothing = (): undefined => undefined;
const host = (): DispatcherHost => ({
  namespace,
  config: {},
  handle: nothing,
  dataSources: [],
  coarser: nothing,
  failed: nothing,
});
const jobOf = (): InvalidationJob => ({
  id: randomUUID(),
  namespace,
  rule: 'r',
  tags: [],
  mode: 'purge',
  done: false,
});

interface Row {
  readonly id: string;
  readonly state: string;
  readonly retry_count: number;
  readonly data: unknown;
}
const jobs = (name = queue): Promise<Row[]> =>
  dataSource.query(`SELECT * FROM "${SCHEMA}".job WHERE name = $1 ORDER BY created_on`, [name]);
const states = async (name?: string): Promise<string> => (await jobs(name)).map(({ state }) => state).join();

describe('the pg-boss dispatcher', () => {
  it('inserts the job in the transaction of the change, and a worker runs it', async () => {
    const store = memoryStore();
    const { items } = await start({ work: false }, { eager: false }, { store });
    await items.text(1);
    await dataSource.transaction(async (manager) => {
      await manager.update(Item, 1, { text: 'new' });
      expect(await jobs()).toEqual([]);
    });
    const [job] = await jobs();
    expect(job).toMatchObject({ state: 'created', data: { id: job!.id, namespace, done: false } });
    expect(await items.text(1)).toBe('old');
    const worker = await TestApplication.start([], { namespace, store, dispatchers: [dispatcher()] });
    open.push(worker);
    await until(async () => (await states()) === 'completed', 'the job');
    expect(await items.text(1)).toBe('new');
    expect(worker.log.errors).toEqual([]);
  });

  it('inserts no job of a rolled back transaction, and fails a transaction whose job it cannot insert', async () => {
    await start({ work: false });
    const undone = dataSource.transaction(async (manager) => {
      await manager.save(Item, { id: 1, text: 'never' });
      throw new Error('no');
    });
    await expect(undone).rejects.toThrow('no');
    expect(await jobs()).toEqual([]);
    await dataSource.query(`ALTER TABLE "${SCHEMA}".job RENAME TO job_away`);
    try {
      await expect(dataSource.manager.save(Item, { id: 1, text: 'new' })).rejects.toMatchObject({
        code: 'DISPATCHER_ENQUEUE',
      });
    } finally {
      await dataSource.query(`ALTER TABLE "${SCHEMA}".job_away RENAME TO job`);
    }
    expect((await dataSource.manager.findOneByOrFail(Item, { id: 1 })).text).toBe('old');
  });

  it("contains the job of a query builder's statement exactly if the statement is committed", async () => {
    await start({ work: false });
    await expect(dataSource.manager.insert(Item, { id: 1, text: 'twice' })).rejects.toThrow();
    expect(await jobs()).toEqual([]);
    await dataSource.createQueryBuilder().update(Item).set({ text: 'new' }).where({ id: 1 }).execute();
    expect(await jobs()).toHaveLength(1);
    await dataSource.query(`ALTER TABLE "${SCHEMA}".job RENAME TO job_away`);
    try {
      await expect(dataSource.manager.delete(Item, 1)).rejects.toMatchObject({ code: 'DISPATCHER_ENQUEUE' });
    } finally {
      await dataSource.query(`ALTER TABLE "${SCHEMA}".job_away RENAME TO job`);
    }
    expect(await dataSource.manager.findBy(Item, {})).toMatchObject([{ id: 1, text: 'new' }]);
  }, 90_000);

  it('inserts the jobs of changes that are made before it is started', async () => {
    const boss = dispatcher({ work: false });
    const context = { config: {}, handle: nothing };
    await dataSource.transaction(async ({ queryRunner }) =>
      boss.enqueue!([jobOf()], context, { queryRunner: queryRunner!, dataSource }),
    );
    await boss.dispatch([jobOf()], context);
    await boss.start!(host());
    await until(async () => (await states()) === 'created,created', 'both jobs');
    await boss.close!();
  }, 90_000);

  it('creates a queue again that was deleted', async () => {
    const boss = bossOf();
    await start({ boss, work: false });
    await boss.deleteQueue(queue);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    expect(await states()).toBe('created');
  });

  it('fails a transaction whose queue was deleted and cannot be created', async () => {
    const boss = bossOf();
    await start({ boss, work: false });
    await boss.deleteQueue(queue);
    boss.createQueue = () => Promise.resolve();
    await expect(dataSource.manager.save(Item, { id: 1, text: 'new' })).rejects.toMatchObject({
      code: 'DISPATCHER_ENQUEUE',
    });
    expect((await dataSource.manager.findOneByOrFail(Item, { id: 1 })).text).toBe('old');
  });

  it('takes a job that is sent again for sent', async () => {
    const boss = dispatcher({ work: false });
    const failures: string[] = [];
    await boss.start!({ ...host(), failed: (_, message) => void failures.push(message) });
    const job = jobOf();
    for (let sending = 0; sending < 2; sending++) await boss.dispatch([job], { config: {}, handle: nothing });
    await boss.close!();
    expect([failures, await states()]).toEqual([[], 'created']);
  }, 90_000);

  it('sends jobs without a transaction to the queue of their rule', async () => {
    const boss = dispatcher({ work: false });
    await boss.start!(host());
    for (const name of ['one', 'two'])
      await boss.dispatch([jobOf()], { config: { queue: `${queue}-${name}` }, handle: nothing });
    await boss.close!();
    expect([await states(`${queue}-one`), await states(`${queue}-two`)]).toEqual(['created', 'created']);
  }, 90_000);

  it('retries jobs that the store refused, and finally moves them to the dead letter queue', async () => {
    const { app } = await start({ retryLimit: 1 });
    const store = failingStore(app);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await states(`${queue}-dead`)) === 'created', 'a dead job');
    expect((await jobs())[0]).toMatchObject({ state: 'failed', retry_count: 1 });
    store.restore();
  });

  it.each<[string, object]>([
    ['is no job', { hello: 1 }],
    [
      'is of another namespace',
      { id: 'x', namespace: 'other', rule: 'r', tags: [], mode: 'purge', done: false },
    ],
  ])('makes a job that %s dead at once, and runs the next job', async (_, data) => {
    const { items } = await start({}, { eager: false });
    await items.text(1);
    const boss = bossOf();
    await boss.start();
    await boss.send(queue, data);
    await boss.stop({ graceful: false, wait: true });
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await items.text(1)) === 'new', 'the next job');
    await until(async () => (await jobs(`${queue}-dead`)).length === 1, 'a dead job');
    expect((await jobs(`${queue}-dead`))[0]!.data).toEqual(data);
  });

  it('starts while another process creates its queues', async () => {
    const boss = bossOf();
    const createQueue = boss.createQueue.bind(boss);
    let calls = 0;
    boss.createQueue = (...args) =>
      ++calls === 2 ? Promise.reject(new Error('deadlock detected')) : createQueue(...args);
    const { app } = await start({ boss });
    expect([calls, app.log.errors]).toEqual([3, []]);
  });

  it.each<[object, RegExp]>([
    [{}, /boss.*new PgBoss/],
    [{ boss: { send: () => undefined }, retries: 3 }, /unknown option retries/],
  ])('refuses the options %j', (options, message) => {
    expect(() => pgBossDispatcher(options as PgBossOptions)).toThrow(message);
  });
});
