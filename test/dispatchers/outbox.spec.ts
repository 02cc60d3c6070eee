import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { systemClock } from '../../lib/common/time.js';
import { OutboxTable } from '../../lib/dispatchers/outbox/outbox-table.js';
import { memoryStore, outboxDispatcher, outboxMigration, type OutboxOptions } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { SharedMemory } from '../support/shared-memory.js';
import { DATABASES, isShared } from '../support/databases.js';
import { failingStore, Item, openDatabase, startItems, until, type Started } from './support/world.js';

const FAST = { pollInterval: 20 };

interface Row {
  readonly id: string;
  readonly job: string;
  readonly attempts: number;
  readonly dead_at: unknown;
  readonly error: string | null;
}

describe.each(DATABASES)('the outbox on %s', (database) => {
  let dataSource: DataSource;
  let open: Started[];

  beforeEach(async () => {
    dataSource = await openDatabase(database, 'outbox');
    await dataSource.manager.save(Item, { id: 1, text: 'old' });
    await migrate('up');
    open = [];
  });
  afterEach(async () => {
    for (const { app } of open) await app.close();
    await dataSource.destroy();
  });

  const migrate = async (direction: 'up' | 'down'): Promise<void> => {
    const runner = dataSource.createQueryRunner();
    const migration = new (outboxMigration())();
    expect(migration.name).toMatch(/\d{13}$/);
    await migration[direction](runner as never);
    await runner.release();
  };
  const table = (): string =>
    database === 'PostgreSQL'
      ? `"${(dataSource.options as { schema: string }).schema}"."restflow_outbox"`
      : 'restflow_outbox';
  const rows = (): Promise<Row[]> => dataSource.query(`SELECT * FROM ${table()} ORDER BY due_at`);
  const start = async (options: OutboxOptions = {}, more: object = {}): Promise<Started> => {
    const dispatchers = [outboxDispatcher({ ...FAST, ...options })];
    const started = await startItems('outbox', { dataSource, dispatchers, ...more });
    open.push(started);
    return started;
  };
  const empty = async (): Promise<boolean> => (await rows()).length === 0;

  it('keeps jobs of statements that ran before the application had started', async () => {
    const outbox = outboxDispatcher({ work: false });
    const job = {
      id: 'early',
      namespace: 'restflow',
      rule: 'r',
      tags: [],
      mode: 'purge' as const,
      done: false,
    };
    const nothing = (): undefined => undefined;
    await outbox.dispatch([job], { config: {}, handle: nothing });
    const host = { namespace: 'restflow', config: {}, handle: nothing, coarser: nothing, failed: nothing };
    await outbox.start!({ ...host, dataSources: [dataSource] });
    await outbox.close!();
    expect((await rows()).map(({ id }) => id)).toEqual(['early']);
  });

  it('stores a job once, even if its writer got no response and writes it again', async () => {
    const job = {
      id: 'twice',
      namespace: 'restflow',
      rule: 'r',
      tags: [],
      mode: 'purge' as const,
      done: false,
    };
    const outbox = new OutboxTable(dataSource as never, 'restflow_outbox');
    for (let i = 0; i < 2; i++) await outbox.insert(dataSource, [job]);
    expect(await rows()).toHaveLength(1);
  });

  it('contains a job from the commit on, and a worker runs it', async () => {
    const store = memoryStore();
    const { items } = await start({ work: false }, { rule: { eager: false }, options: { store } });
    await items.text(1);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    const [row] = await rows();
    expect(JSON.parse(row!.job)).toMatchObject({
      id: row!.id,
      namespace: 'restflow',
      mode: 'purge',
      done: false,
    });
    expect(await items.text(1)).toBe('old');
    // The worker knows neither the cached class nor its rules.
    const dispatchers = [outboxDispatcher(FAST)];
    const worker = await TestApplication.start([], { store, dispatchers, dataSources: [dataSource] });
    await until(empty, 'an empty outbox');
    expect(await items.text(1)).toBe('new');
    expect(worker.log.errors).toEqual([]);
    await worker.close();
  });

  it('fails no transaction of a database without its table, for a rule of a process whose database has it', async () => {
    const store = new SharedMemory();
    await start({ work: false }, { rule: { eager: false }, options: { store } });
    const other = await openDatabase(database, 'outbox_elsewhere');
    const worker = await TestApplication.start([], {
      store,
      dispatchers: [outboxDispatcher({ work: false })],
      dataSources: [other, dataSource],
      clock: systemClock,
    });
    await other.manager.save(Item, { id: 2, text: 'new' });
    expect(await other.manager.countBy(Item, { text: 'new' })).toBe(1);
    // Beside those of schemas that are new to the store, which drop the whole method.
    const ofChange = async (): Promise<Row[]> => (await rows()).filter(({ job }) => job.includes('id=2'));
    await until(async () => (await ofChange()).length === 1, 'the job, where there is a table');
    expect(
      worker.log.warnings.filter((line) => /'outbox'.*after the commit instead/.test(line)),
    ).toHaveLength(1);
    await worker.close();
    await other.destroy();
  });

  it('contains no job of a rolled back transaction', async () => {
    await start({ work: false });
    const undone = dataSource.transaction(async (manager) => {
      await manager.save(Item, { id: 1, text: 'never' });
      throw new Error('no');
    });
    await expect(undone).rejects.toThrow('no');
    expect(await rows()).toEqual([]);
  });

  it("contains the job of a query builder's statement exactly if the statement is committed", async () => {
    await start({ work: false });
    const update = (): Promise<unknown> => dataSource.manager.update(Item, { id: 1 }, { text: 'new' });
    const insert = (): Promise<unknown> => dataSource.manager.insert(Item, { id: 1, text: 'twice' });
    await expect(insert()).rejects.toThrow();
    expect(await rows()).toEqual([]);
    const undone = dataSource.transaction(async (manager) => {
      await manager.createQueryBuilder().update(Item).set({ text: 'never' }).execute();
      throw new Error('no');
    });
    await expect(undone).rejects.toThrow('no');
    expect(await rows()).toEqual([]);
    await update();
    expect(await rows()).toHaveLength(1);
    await migrate('down');
    await expect(dataSource.manager.delete(Item, 1)).rejects.toThrow(/outboxMigration/);
    expect(await dataSource.manager.findBy(Item, {})).toMatchObject([{ id: 1, text: 'new' }]);
  });

  it('keeps jobs of rules with eager: false until they have run, in the same process', async () => {
    const { items, app } = await start({}, { rule: { eager: false } });
    await items.text(1);
    await dataSource.manager.update(Item, 1, { text: 'new' });
    await until(async () => (await items.text(1)) === 'new', 'the new value');
    await until(empty, 'an empty outbox');
    expect(app.log.errors).toEqual([]);
  });

  it('retries jobs that the store refused, and finally keeps them as dead', async () => {
    const { app } = await start({ attempts: 2 });
    const bump = failingStore(app);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await rows())[0]?.error === 'store down', 'the first attempt');
    expect((await rows())[0]).toMatchObject({ attempts: 1, dead_at: null });
    await until(async () => (await rows())[0]?.dead_at !== null, 'the last attempt');
    expect((await rows())[0]).toMatchObject({ attempts: 2, error: 'store down' });
    expect(app.log.errors.join()).toContain('is dead and stays in the outbox');
    bump.restore();
    await dataSource.query(`UPDATE ${table()} SET dead_at = NULL, due_at = 0`);
    await until(empty, 'the job carried out after all');
  });

  it.each<[string, string]>([
    ['is not JSON', '{'],
    ['is no job', '{"hello": 1}'],
    [
      'is of another namespace',
      JSON.stringify({
        id: 'x',
        namespace: 'other',
        rule: 'r',
        tags: ['other:g:all'],
        mode: 'purge',
        done: false,
      }),
    ],
    [
      'has tags of another namespace',
      JSON.stringify({
        id: 'x',
        namespace: 'restflow',
        rule: 'r',
        tags: ['other:g:all'],
        mode: 'purge',
        done: false,
      }),
    ],
  ])('makes a job that %s dead at once, and runs the next job', async (_, job) => {
    const insert = `INSERT INTO ${table()} (id, namespace, job, attempts, due_at) VALUES`;
    await dataSource.query(`${insert} ('x', 'restflow', '${job}', 0, 0)`);
    await start();
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(
      async () => (await rows()).length === 1 && (await rows())[0]!.dead_at !== null,
      'one dead job',
    );
    expect((await rows())[0]).toMatchObject({ id: 'x', attempts: 1 });
  });

  it('does not run jobs of another namespace', async () => {
    await start({}, { options: { namespace: 'other' } });
    const insert = `INSERT INTO ${table()} (id, namespace, job, attempts, due_at) VALUES`;
    await dataSource.query(`${insert} ('x', 'restflow', '{}', 0, 0)`);
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    await until(async () => (await rows()).length === 1, 'its own jobs done');
    expect((await rows())[0]).toMatchObject({ id: 'x', attempts: 0 });
  });

  it('fails the transaction if its table is missing, and names the migration to run', async () => {
    await start({ work: false });
    await migrate('down');
    await expect(dataSource.manager.save(Item, { id: 1, text: 'new' })).rejects.toThrow(/outboxMigration/);
    expect((await dataSource.manager.findOneByOrFail(Item, { id: 1 })).text).toBe('old');
  });

  it('creates its table with createTable: true', async () => {
    await migrate('down');
    await start({ createTable: true, work: false });
    await start({ createTable: true, work: false });
    await dataSource.manager.save(Item, { id: 1, text: 'new' });
    expect(await rows()).toHaveLength(2);
  });

  it('keeps the invalidation of raw SQL that the store refused', async () => {
    const { app } = await start({ work: false });
    const bump = failingStore(app);
    await dataSource.query(`UPDATE ${dataSource.getMetadata(Item).tablePath} SET text = 'raw'`);
    await until(async () => (await rows()).length === 1, 'the job');
    bump.restore();
    await dataSource.query(`UPDATE ${dataSource.getMetadata(Item).tablePath} SET text = 'raw'`);
    expect(await rows()).toHaveLength(1);
  });

  it('has a migration that TypeORM runs and reverts', async () => {
    await migrate('down');
    const options = { ...dataSource.options, synchronize: false, migrations: [outboxMigration()] };
    const migrating = await new DataSource(options).initialize();
    await migrating.runMigrations();
    expect(await migrating.query(`SELECT * FROM ${table()}`)).toEqual([]);
    await migrating.undoLastMigration();
    await expect(migrating.query(`SELECT * FROM ${table()}`)).rejects.toThrow();
    await migrating.destroy();
  });

  if (!isShared(database)) {
    it('never gives a job to two relays', async () => {
      await start({ work: false });
      for (let id = 10; id < 60; id++) await dataSource.manager.insert(Item, { id, text: 'x' });
      expect(await rows()).toHaveLength(50);
      const handled: string[] = [];
      const of = new OutboxTable(dataSource as never, 'restflow_outbox');
      const claim = async (): Promise<void> => {
        for (;;) {
          const claims = await of.claim('restflow', 5, Date.now() + 60_000);
          if (claims.length === 0) return;
          handled.push(...claims.map(({ id }) => id));
        }
      };
      await Promise.all([claim(), claim(), claim()]);
      expect([handled.length, new Set(handled).size]).toEqual([50, 50]);
    });
  }
});
