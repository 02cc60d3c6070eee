import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DataSource, type DataSourceOptions } from 'typeorm';
import {
  type Bus,
  CACHE_CHANNELS,
  type Dispatcher,
  InvalidationDispatcher,
  memoryStore,
  tieredStore,
  type VerifyEvent,
} from '../../lib/index.js';
import type { TestApplication } from '../support/application.js';
import { SharedMemory } from '../support/shared-memory.js';
import { Author, Book, Books, fill, startShop, verified, writePast } from './support/shop.js';

/** A shared store whose messages to other processes are lost, and whose heartbeat is not. */
class LossyStore extends SharedMemory {
  openBus(): Bus {
    return {
      isTrusted: () => true,
      listen: () => undefined,
      attach: () => undefined,
      close: async () => undefined,
    };
  }
}

describe('a verified hit', () => {
  const running: TestApplication[] = [];
  const start = async (...options: Parameters<typeof startShop>): Promise<TestApplication> => {
    const app = await startShop(...options);
    running.push(app);
    return app;
  };
  const events: VerifyEvent[] = [];
  const listen = (event: unknown): void => void events.push(event as VerifyEvent);
  afterEach(async () => {
    unsubscribe(CACHE_CHANNELS.verify, listen);
    events.length = 0;
    for (const app of running.splice(0)) await app.close();
  });

  it('matches where nothing has changed, and where the change dropped the entry', async () => {
    const app = await start();
    const books = app.get(Books);
    for (let i = 0; i < 3; i++) expect(await books.covered(1)).toBe('Rocannon by Ursula');
    await verified(app, 2);
    await app.get(DataSource).getRepository(Author).update(1, { name: 'Le Guin' });
    for (let i = 0; i < 3; i++) expect(await books.covered(1)).toBe('Rocannon by Le Guin');
    const { outcomes, right } = await verified(app, 4);
    expect(outcomes).toMatchObject({ match: 4, stale: 0 });
    expect(right).toBe(1);
  });

  it('is stale where a table has no rule, and the log names the table and the line to write', async () => {
    subscribe(CACHE_CHANNELS.verify, listen);
    const app = await start();
    const books = app.get(Books);
    await books.forgetful(1);
    await app.get(DataSource).getRepository(Author).update(1, { name: 'Le Guin' });
    expect(await books.forgetful(1)).toBe('Rocannon by Ursula');
    const { outcomes, causes, right, methods } = await verified(app, 1);
    expect(outcomes.stale).toBe(1);
    expect(causes).toEqual({ uncovered: 1 });
    expect(right).toBe(0);
    expect(methods).toMatchObject([{ name: 'Books.forgetful', staleAges: { count: 1 } }]);
    expect(events).toMatchObject([
      { method: 'Books.forgetful', outcome: 'stale', cause: 'uncovered', tables: ['author'] },
    ]);
    expect(JSON.stringify(events)).not.toContain('restflow:e:');
    expect(events[0]!.key).toContain('restflow:e:');
    expect(app.log.warnings.join('\n')).toContain(
      `Books.forgetful was served stale (uncovered). Its load reads the table 'author', which none of its rules covers: write invalidatesOn: [Author]`,
    );
    // The entry is dropped.
    expect(await books.forgetful(1)).toBe('Rocannon by Le Guin');
  });

  it('stays stored with drop: false', async () => {
    const app = await start({ verify: { sample: 1, budget: 1_000, drop: false } });
    const books = app.get(Books);
    await books.forgetful(1);
    await app.get(DataSource).getRepository(Author).update(1, { name: 'Le Guin' });
    await books.forgetful(1);
    expect((await verified(app, 1)).outcomes.stale).toBe(1);
    expect(await books.forgetful(1)).toBe('Rocannon by Ursula');
  });

  it('is compared with the truth, not with cached values that its load calls', async () => {
    const app = await start();
    const books = app.get(Books);
    await books.outer(1);
    await app.get(DataSource).getRepository(Author).update(1, { name: 'Le Guin' });
    expect(await books.outer(1)).toBe('outer Rocannon by Ursula');
    expect((await verified(app, 1)).causes).toEqual({ uncovered: 1 });
  });

  it('is stale where another program wrote a table that a rule covers', async () => {
    const app = await start();
    const books = app.get(Books);
    await books.covered(1);
    app.clock.advance(10);
    writePast(app.get(DataSource), `UPDATE "author" SET "name" = 'Le Guin' WHERE "id" = 1`);
    await books.covered(1);
    expect((await verified(app, 1)).causes).toEqual({ outside: 1 });
    expect(app.log.warnings.join('\n')).toContain('postgresChanges');
  });

  it('is stale where a rule is narrower than the query', async () => {
    const app = await start();
    const books = app.get(Books);
    await books.narrow(1);
    app.clock.advance(10);
    const book = await app.get(DataSource).getRepository(Book).findOneByOrFail({ id: 2 });
    await app
      .get(DataSource)
      .getRepository(Book)
      .save({ ...book, title: 'Kangaroo Notebook' });
    await books.narrow(1);
    expect((await verified(app, 1)).causes).toEqual({ rule: 1 });
    expect(app.log.warnings.join('\n')).toContain(`write scope: 'all'`);
  });

  it('is stale where a message of the bus was lost', async () => {
    const l2 = new LossyStore();
    const application = 'shop';
    const reader = await start({ application, store: tieredStore({ l1: memoryStore(), l2 }) });
    const writer = await start({ application, store: tieredStore({ l1: memoryStore(), l2 }) });
    const books = reader.get(Books);
    await books.covered(1);
    await books.covered(1);
    await verified(reader, 1);
    await writer.get(DataSource).getRepository(Author).update(1, { name: 'Le Guin' });
    await books.covered(1);
    const { outcomes, causes } = await verified(reader, 2);
    expect(outcomes).toMatchObject({ match: 1, stale: 1 });
    expect(causes).toEqual({ bus: 1 });
  });

  it('is late, and not stale, where the message of the bus comes after it', async () => {
    const l2 = new LossyStore();
    const hear: Parameters<Bus['listen']>[0][] = [];
    l2.openBus = () => ({
      isTrusted: () => true,
      listen: (onBump) => void hear.push(onBump),
      attach: () => undefined,
      close: async () => undefined,
    });
    const reader = await start({ store: tieredStore({ l1: memoryStore(), l2 }) });
    const books = reader.get(Books);
    await books.covered(1);
    await books.covered(1);
    await verified(reader, 1);
    // Another process has invalidated it.
    const [all] = l2.stampedTags();
    void l2.bump([all!], 'purge');
    await books.covered(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const tell of hear) tell([all!], 'purge');
    const { outcomes } = await verified(reader, 2);
    expect(outcomes).toMatchObject({ match: 1, stale: 0, late: 1 });
  });

  it('is stale where a load read a replica that lags', async () => {
    const options = { type: 'sqljs', entities: [Author, Book], synchronize: true } as object;
    const replica = await new DataSource(options as DataSourceOptions).initialize();
    await fill(replica);
    const app = await start({}, { replication: {} });
    const primary = app.get(DataSource);
    const { driver } = primary as unknown as { driver: { createQueryRunner(mode: string): unknown } };
    const onPrimary = driver.createQueryRunner.bind(driver);
    driver.createQueryRunner = (mode) =>
      mode === 'slave' ? replica.driver.createQueryRunner('master') : onPrimary(mode);
    const books = app.get(Books);
    await primary.getRepository(Author).save({ id: 1, name: 'Le Guin' });
    expect(await books.covered(1)).toBe('Rocannon by Ursula');
    expect(await books.covered(1)).toBe('Rocannon by Ursula');
    expect((await verified(app, 1)).causes).toEqual({ replica: 1 });
    expect(app.log.warnings.join('\n')).toContain('replicaLag');
    await replica.destroy();
  });

  it('is stale where its invalidation waits in a queue', async () => {
    @InvalidationDispatcher('stuck')
    class Stuck implements Dispatcher {
      #waiting = 0;
      async dispatch(): Promise<void> {
        this.#waiting++;
      }
      state(): { status: 'up'; waitingJobs: number } {
        return { status: 'up', waitingJobs: this.#waiting };
      }
    }
    const app = await start({ dispatchers: [Stuck] });
    const dispatcher = app.module.get(Stuck, { strict: false });
    const books = app.get(Books);
    await books.covered(1);
    writePast(app.get(DataSource), `UPDATE "author" SET "name" = 'Le Guin' WHERE "id" = 1`);
    await dispatcher.dispatch();
    await books.covered(1);
    expect((await verified(app, 1)).causes).toEqual({ queued: 1 });
  });

  it('is unstable where no two loads agree, and not stale', async () => {
    const app = await start();
    const books = app.get(Books);
    await books.unstable(1);
    await books.unstable(1);
    expect((await verified(app, 1)).outcomes).toMatchObject({ unstable: 1, stale: 0 });
  });

  it('is superseded where an invalidation came while it was verified', async () => {
    const app = await start();
    const books = app.get(Books);
    await books.covered(1);
    writePast(app.get(DataSource), `UPDATE "author" SET "name" = 'Le Guin' WHERE "id" = 1`);
    await books.covered(1);
    // Between the first load and the end of the wait.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await app.get(DataSource).getRepository(Author).update(2, { name: 'Abe' });
    expect((await verified(app, 1)).outcomes).toMatchObject({ superseded: 1, stale: 0 });
  });

  it('is not repeated where its load writes, or verify is false', async () => {
    const app = await start();
    const books = app.get(Books);
    for (let i = 0; i < 3; i++) await books.writing(1);
    for (let i = 0; i < 3; i++) await books.withEffects(1);
    expect((await verified(app, 2)).outcomes).toMatchObject({ unrepeatable: 2, match: 0 });
    expect(books.loads).toBe(2);
  });

  it('is compared by equals of its method', async () => {
    const app = await start();
    const books = app.get(Books);
    await books.moody(1);
    books.mood = 'cross';
    expect(await books.moody(1)).toBe('1 calm');
    expect((await verified(app, 1)).outcomes).toMatchObject({ match: 1 });
  });

  it('of getOrSet is verified, and one of get is not', async () => {
    const app = await start();
    let rate = 1;
    const read = (): Promise<number> => app.cache.getOrSet('rate', () => rate);
    await read();
    await read();
    expect(await app.cache.get('rate')).toBe(1);
    expect((await verified(app, 1)).outcomes).toMatchObject({ match: 1 });
    rate = 2;
    await read();
    expect((await verified(app, 2)).causes).toEqual({ unknown: 1 });
    expect(await read()).toBe(2);
  });

  it('of a shared store is verified although its caller changes the value', async () => {
    const app = await start({ store: new SharedMemory() });
    const read = (): Promise<{ list: number[] }> =>
      app.cache.getOrSet('list', () => Promise.resolve({ list: [1, 2] }));
    await read();
    (await read()).list.push(3);
    expect((await verified(app, 1)).outcomes).toMatchObject({ match: 1 });
  });

  it('costs no loads that are counted', async () => {
    const app = await start();
    const books = app.get(Books);
    for (let i = 0; i < 4; i++) await books.covered(1);
    await verified(app, 3);
    expect(app.cache.metrics().methods).toContainEqual(
      expect.objectContaining({ name: 'Books.covered', hits: 3, misses: 1, loads: 1, bypasses: 0 }),
    );
  });

  it('is skipped beyond the budget', async () => {
    const app = await start({ verify: { sample: 1, maxInFlight: 1 } });
    const books = app.get(Books);
    for (let i = 0; i < 5; i++) void books.covered(1);
    await books.covered(1);
    for (let i = 0; i < 3; i++) void books.covered(1);
    const { outcomes } = await verified(app, 3);
    expect(outcomes.match + outcomes.skipped).toBe(3);
    expect(outcomes.skipped).toBeGreaterThan(0);
  });
});
