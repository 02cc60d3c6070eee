import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, CacheService, invalidates } from '../../lib/index.js';
import { SharedMemory } from '../support/shared-memory.js';
import { TestApplication } from '../support/application.js';
import { DATABASES, isMariaDb, isShared, openDataSource } from './database.js';
import { Note } from './entities.js';
import { tableNamer } from './operations.js';

@Injectable()
class Notes {
  /** What its loads read through. */
  manager!: EntityManager;
  loads = 0;

  @CacheResult({
    keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
    invalidatesOn: [invalidates(Note, { fieldMapping: { id: 'id' } })],
  })
  async text(id: number): Promise<string | undefined> {
    this.loads++;
    return (await this.manager.findOneBy(Note, { id }))?.text;
  }

  /** Nothing tells of its changes. */
  @CacheResult({ keyConstructor: {}, tags: ['copy'] })
  async copy(): Promise<string | undefined> {
    return (await this.manager.findOneBy(Note, { id: 1 }))?.text;
  }
}

class Undo extends Error {}

/** The rows of a statement, by `stream()` of the runner. */
async function streamOf(runner: QueryRunner, sql: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const row of (await runner.stream(sql)) as AsyncIterable<unknown>) rows.push(row);
  return rows;
}

describe.each(DATABASES)('in an open transaction on %s', (database) => {
  let dataSource: DataSource;
  let app: TestApplication;
  let notes: Notes;
  let cache: CacheService;
  const table = tableNamer(database)('note');

  beforeEach(async () => {
    dataSource = await openDataSource(database);
    await dataSource.manager.insert(Note, { id: 1, text: 'old' });
    app = await TestApplication.start([Notes], { dataSources: [dataSource] });
    notes = app.get(Notes);
    cache = app.get(CacheService);
    notes.manager = dataSource.manager;
    expect(await notes.text(1)).toBe('old');
  });
  afterEach(async () => {
    await app.close();
    await dataSource.destroy();
  });

  const begun = {
    'transaction()': (work: (manager: EntityManager) => Promise<void>) => dataSource.transaction(work),
    'a query runner': async (work: (manager: EntityManager) => Promise<void>) => {
      const runner = dataSource.createQueryRunner();
      await runner.startTransaction();
      try {
        await work(runner.manager);
        await runner.commitTransaction();
      } catch (error) {
        await runner.rollbackTransaction();
        throw error;
      } finally {
        await runner.release();
      }
    },
    'a BEGIN by hand': async (work: (manager: EntityManager) => Promise<void>) => {
      const runner = dataSource.createQueryRunner();
      await runner.query('BEGIN');
      try {
        await work(runner.manager);
        await runner.query('COMMIT');
      } catch (error) {
        await runner.query('ROLLBACK');
        throw error;
      } finally {
        await runner.release();
      }
    },
  };

  describe.each(Object.entries(begun))('that was begun by %s', (_name, begin) => {
    test('a read sees what the transaction wrote, not what is cached', async () => {
      await begin(async (manager) => {
        await manager.update(Note, { id: 1 }, { text: 'new' });
        notes.manager = manager;
        expect(await notes.text(1)).toBe('new');
      });
      notes.manager = dataSource.manager;
      expect(await notes.text(1)).toBe('new');
    });

    test('a read is not stored, and the cached value is served again after a rollback', async () => {
      const work = begin(async (manager) => {
        await manager.update(Note, { id: 1 }, { text: 'new' });
        notes.manager = manager;
        expect(await notes.text(1)).toBe('new');
        expect(await cache.getOrSet('key', () => notes.text(1))).toBe('new');
        expect(await cache.getOrSetMany(['many'], async () => [await notes.text(1)])).toEqual(['new']);
        await cache.set('set', await notes.text(1));
        await cache.for(Notes, 'text').refresh(1);
        throw new Undo();
      });
      await expect(work).rejects.toThrow(Undo);
      notes.manager = dataSource.manager;
      expect(await notes.text(1)).toBe('old');
      for (const key of ['key', 'many', 'set']) expect(await cache.get(key)).toBe(CACHE_MISSING);
      const { loads } = notes;
      await notes.text(1);
      expect(notes.loads).toBe(loads);
    });

    test('other callers are served the committed state', async () => {
      // Its context began before the transaction.
      let proceed = () => {};
      const other = new Promise<void>((resolve) => (proceed = resolve)).then(() => notes.text(1));
      const { loads } = notes;
      await begin(async (manager) => {
        await manager.update(Note, { id: 1 }, { text: 'new' });
        proceed();
        expect(await other).toBe('old');
        expect(notes.loads).toBe(loads);
      });
    });

    test('tags that are invalidated inside of it are invalidated again when it ends', async () => {
      let proceed = () => {};
      const other = new Promise<void>((resolve) => (proceed = resolve)).then(() => notes.copy());
      await begin(async (manager) => {
        await manager.query(`UPDATE ${table} SET text = 'new'`);
        await cache.invalidateTags(['copy']);
        // Another connection sees, and stores, what was before the transaction.
        if (isShared(database)) return; // has no other connection
        proceed();
        expect(await other).toBe('old');
      });
      expect(await notes.copy()).toBe('new');
    });
  });

  describe('that a helper began and returned', () => {
    const helper = async () => {
      const runner = dataSource.createQueryRunner();
      await runner.connect();
      await new Promise((resolve) => setImmediate(resolve));
      await runner.startTransaction();
      await runner.query(`UPDATE ${table} SET text = 'new'`);
      return runner;
    };

    test('tags that are invalidated by hand are invalidated again at its end, for other processes too', async () => {
      if (isShared(database)) return; // has no other connection
      const store = new SharedMemory();
      const other = await openDataSource(database, { dropSchema: false, synchronize: false });
      const apps = [
        await TestApplication.start([Notes], { dataSources: [dataSource], store, application: 'notes' }),
        await TestApplication.start([Notes], { dataSources: [other], store, application: 'notes' }),
      ] as const;
      const [ours, theirs] = apps;
      ours.get(Notes).manager = dataSource.manager;
      theirs.get(Notes).manager = other.manager;
      try {
        const runner = await helper();
        await ours.cache.invalidateTags(['copy']);
        expect(await theirs.get(Notes).copy()).toBe('old');
        await runner.commitTransaction();
        await runner.release();
        expect(await theirs.get(Notes).copy()).toBe('new');
        expect(await ours.get(Notes).copy()).toBe('new');
      } finally {
        for (const each of apps) await each.close();
        await other.destroy();
      }
    });

    test('within() puts the caller in it: reads bypass, and tags are invalidated again at its end', async () => {
      const runner = await helper();
      notes.manager = runner.manager;
      cache.within(runner);
      expect(await notes.text(1)).toBe('new');
      expect(await notes.copy()).toBe('new');
      await cache.within(runner.manager).invalidateTags(['copy']);
      await runner.rollbackTransaction();
      await runner.release();
      notes.manager = dataSource.manager;
      expect(await notes.text(1)).toBe('old');
      expect(await notes.copy()).toBe('old');
      cache.within(runner);
    });

    test('a runner of a DataSource that is not watched is refused', async () => {
      const foreign = await openDataSource(database, { dropSchema: false, synchronize: false });
      const runner = foreign.createQueryRunner();
      await runner.startTransaction();
      expect(() => cache.within(runner)).toThrow('Its DataSource must be watched');
      expect(() => cache.within({} as never)).toThrow('Write the query runner');
      await runner.rollbackTransaction();
      await runner.release();
      await foreign.destroy();
    });

    test('more than 1,000 tags of one transaction drop the namespace at its end', async () => {
      const runner = await helper();
      notes.manager = dataSource.manager;
      await cache.set('kept', 1);
      const names = Array.from({ length: 1_001 }, (_, i) => `tag ${i}`);
      await cache.invalidateTags(names.slice(0, 900));
      await cache.invalidateTags(names.slice(900));
      expect(await cache.get('kept')).toBe(1);
      await runner.rollbackTransaction();
      await runner.release();
      expect(await cache.get('kept')).toBe(CACHE_MISSING);
    });
  });

  test('a stream in a transaction that a helper began is not stored', async () => {
    if (isShared(database)) return; // cannot stream
    const helper = async () => {
      const runner = dataSource.createQueryRunner();
      await runner.connect();
      await runner.startTransaction('REPEATABLE READ');
      await runner.query(`SELECT text FROM ${table}`);
      return runner;
    };
    const runner = await helper();
    await dataSource.manager.update(Note, { id: 1 }, { text: 'new' });
    const streamed = await cache.getOrSet('streamed', async () => {
      const rows = await streamOf(runner, `SELECT text FROM ${table}`);
      return (rows[0] as { text: string }).text;
    });
    expect(streamed).toBe('old');
    await runner.commitTransaction();
    await runner.release();
    expect(await cache.get('streamed')).toBe(CACHE_MISSING);
  });

  test('a write of a stream drops what it changed', async () => {
    if (isShared(database)) return; // cannot stream
    const runner = dataSource.createQueryRunner();
    await streamOf(runner, `UPDATE ${table} SET text = 'new'`);
    await runner.release();
    expect(await notes.text(1)).toBe('new');
  });

  describe('that a SAVEPOINT began', () => {
    const helper = async (sql: string) => {
      await dataSource.query('SELECT 1');
      await dataSource.query(sql);
    };
    const isPlain = !isShared(database);

    test('a read is not stored, and what was cached is served after ROLLBACK TO', async () => {
      if (isPlain) return; // needs a transaction around it
      await helper('SAVEPOINT "One"');
      await dataSource.query(`UPDATE ${table} SET text = 'undone'`);
      const read = () => cache.for(Notes, 'text').bypassCache(1);
      expect(await cache.getOrSet('dirty', read)).toBe('undone');
      await helper('savepoint two');
      await dataSource.query('RELEASE two');
      await dataSource.query('ROLLBACK TRANSACTION TO SAVEPOINT one');
      expect(await cache.get('dirty')).toBe(CACHE_MISSING);
      expect(await cache.getOrSet('dirty', read)).toBe('old');
      expect(await cache.get('dirty')).toBe(CACHE_MISSING);
      await dataSource.query('RELEASE [one]');
      expect(await notes.text(1)).toBe('old');
      expect(await cache.getOrSet('dirty', read)).toBe('old');
      expect(await cache.get('dirty')).toBe('old');
    });

    test('a write drops when the outermost one is released', async () => {
      if (isPlain) return; // needs a transaction around it
      await helper('SAVEPOINT one');
      await dataSource.query(`UPDATE ${table} SET text = 'new'`);
      await helper('SAVEPOINT one');
      await dataSource.query('RELEASE SAVEPOINT one');
      expect(await cache.for(Notes, 'text').getCacheOnly(1)).toBe('old');
      await dataSource.query('RELEASE one');
      expect(await cache.for(Notes, 'text').getCacheOnly(1)).toBe(CACHE_MISSING);
      expect(await notes.text(1)).toBe('new');
    });
  });

  test('a load that began before it, and reads in it, is not stored', async () => {
    const runner = dataSource.createQueryRunner();
    const stored = cache.getOrSet('outer', async () => {
      await runner.startTransaction();
      await runner.query(`UPDATE ${table} SET text = 'undone'`);
      const { text } = await runner.manager.findOneByOrFail(Note, { id: 1 });
      await runner.rollbackTransaction();
      return text;
    });
    expect(await stored).toBe('undone');
    expect(await cache.get('outer')).toBe(CACHE_MISSING);
    await runner.release();
  });

  test('a BEGIN that fails leaves no transaction open', async () => {
    const runner = dataSource.createQueryRunner();
    const said = await runner.query('BEGIN NONSENSE').catch(() => 'failed');
    expect(said).toBe('failed');
    await runner.release();
    const { loads } = notes;
    await notes.text(1);
    expect(notes.loads).toBe(loads);
  });

  test('a subscriber that reads inside of a save() sees its writes', async () => {
    const seen: (string | undefined)[] = [];
    dataSource.subscribers.push({
      listenTo: () => Note,
      afterUpdate: async ({ manager }: { manager: EntityManager }) => {
        notes.manager = manager;
        seen.push(await notes.text(1));
      },
    } as never);
    await dataSource.manager.save(Note, { id: 1, text: 'new' });
    expect(seen).toEqual(['new']);
    notes.manager = dataSource.manager;
    expect(await notes.text(1)).toBe('new');
  });

  test('a transaction that begins during a save() is known to be open', async () => {
    if (isShared(database)) return; // has one runner, whose transactions are nested
    const runner = dataSource.createQueryRunner();
    const saved = dataSource.manager.save(Note, { id: 2, text: 'beside' });
    await runner.startTransaction();
    await runner.manager.update(Note, { id: 1 }, { text: 'new' });
    notes.manager = runner.manager;
    expect(await notes.text(1)).toBe('new');
    await Promise.all([saved, runner.commitTransaction()]);
    await runner.release();
  });

  test('a released runner leaves no transaction open', async () => {
    if (isShared(database)) return; // has one runner, which nobody can give back
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    const [ask, end] = isMariaDb(database)
      ? ['SELECT CONNECTION_ID() AS id', 'KILL ']
      : ['SELECT pg_backend_pid() AS id', 'SELECT pg_terminate_backend'];
    const [{ id }] = (await runner.query(ask)) as [{ id: number }];
    await dataSource.query(`${end}(${id})`);
    await runner.release();
    const { loads } = notes;
    await notes.text(1);
    expect(notes.loads).toBe(loads);
  });

  test('a transaction inside another one ends for its caller alone', async () => {
    await dataSource.transaction(async (manager) => {
      await manager.transaction((inner) => inner.update(Note, { id: 1 }, { text: 'new' }));
      notes.manager = manager;
      expect(await notes.text(1)).toBe('new');
    });
    notes.manager = dataSource.manager;
    const { loads } = notes;
    await notes.text(1);
    await notes.text(1);
    expect(notes.loads).toBe(loads + 1);
  });
});
