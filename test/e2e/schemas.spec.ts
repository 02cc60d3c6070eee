import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { ArgsKeyField, CACHE_MISSING, CacheResult, invalidates } from '../../lib/index.js';
import { TestApplication } from '../support/application.js';
import { connectionOptions, DATABASES, isShared, makeSchema, ownSchema } from '../support/databases.js';
import { announce, randomNumbers, seed, soaked } from '../support/randomised.js';
import { SharedMemory } from '../support/shared-memory.js';
import { IDS, type Pick, RandomSchema, TAGS } from './oracle/schemas.js';

const PROGRAMS = 10;
const OPERATIONS = 6;

class Undo extends Error {}

const text = (rows: unknown): string =>
  JSON.stringify(rows, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one));

/** The cached methods over one schema, whose rules name the rows and the tags. */
function viewsOf(
  schema: RandomSchema,
): Type<Record<'row' | 'byKey' | 'rowsOfTag', (argument: unknown) => Promise<string>>> {
  const quoted = (name: string) => `${schema.table(name)}`;
  @Injectable()
  class Views {
    constructor(private readonly dataSource: DataSource) {}

    async #read(sql: string): Promise<string> {
      const { driver } = this.dataSource;
      return text(
        await this.dataSource.query(
          sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => driver.escape(quoted(name))),
        ),
      );
    }

    @CacheResult({
      name: `Views${schema.number}.row`,
      keyConstructor: { id: new ArgsKeyField('id', { partition: true }) },
      invalidatesOn: [invalidates(schema.Row as never, { fieldMapping: { id: 'id' } as never })],
    })
    async row(id: unknown): Promise<string> {
      const links = schema.hasTags ? `, (SELECT count(*) FROM {row_tag} l WHERE l.row_id = r.id) AS n` : '';
      return this.#read(`SELECT r.k_col, r.words${links} FROM {row} r WHERE r.id = ${id}`);
    }

    @CacheResult({
      name: `Views${schema.number}.byKey`,
      keyConstructor: { key: new ArgsKeyField('key', { partition: true }) },
      invalidatesOn: [invalidates(schema.Row as never, { fieldMapping: { key: schema.keyPath } as never })],
    })
    async byKey(key: unknown): Promise<string> {
      const value = typeof key === 'string' ? `'${key}'` : String(key);
      return this.#read(`SELECT id, words FROM {row} WHERE k_col = ${value} ORDER BY id`);
    }

    @CacheResult({
      name: `Views${schema.number}.rowsOfTag`,
      keyConstructor: { tag: new ArgsKeyField('tag', { partition: true }) },
      invalidatesOn: schema.hasTags
        ? [invalidates(schema.Tag as never, { fieldMapping: { tag: 'id' } as never })]
        : [],
    })
    async rowsOfTag(tag: unknown): Promise<string> {
      return schema.hasTags
        ? this.#read(`SELECT row_id FROM {row_tag} WHERE tag_id = ${tag} ORDER BY 1`)
        : '';
    }
  }
  return Views as never;
}

describe.each(DATABASES)('random programs over random schemas on %s', (database) => {
  const promise = `no cached read is stale on ${database}, whatever is mapped onto its table`;
  // All 300 schemas of ten programs each with SOAK=1, a third of them on each database.
  const schemas = soaked(100);

  it(
    promise,
    async () => {
      announce(promise, schemas);
      const figures = { reads: 0, hits: 0, changes: 0, needless: 0, failed: 0 };
      for (let number = 0; number < schemas; number++) await runSchema(seed + number, figures);
      process.stderr.write(`schemas on ${database}: ${JSON.stringify(figures)}\n`);
      expect(figures.hits / figures.reads).toBeGreaterThanOrEqual(0.4);
    },
    schemas * 60_000,
  );

  async function runSchema(
    from: number,
    figures: Record<'reads' | 'hits' | 'changes' | 'needless' | 'failed', number>,
  ) {
    const next = randomNumbers(from);
    const pick: Pick = (list) => list[Math.floor(next() * list.length)]!;
    const schema = new RandomSchema(from, database, pick);
    const name = ownSchema('schemas');
    await makeSchema(database, name, { empty: true });
    const options = {
      ...connectionOptions(database, name),
      entities: schema.entities,
      entityPrefix: schema.prefix,
      poolSize: 2,
      ...(database === 'PostgreSQL' && { extra: { options: `-c search_path=${name}` } }),
    };
    const Views = viewsOf(schema);
    const app = await TestApplication.start([Views], { store: new SharedMemory(), namespace: 'schemas' }, [
      TypeOrmModule.forRoot({ ...options, synchronize: true } as never),
    ]);
    const other = isShared(database) ? undefined : await new DataSource(options as never).initialize();
    try {
      for (let program = 0; program < PROGRAMS; program++) {
        const log: string[] = [];
        await seedRows(app.get(DataSource), schema);
        await runProgram(
          app,
          Views,
          schema,
          [app.get(DataSource), ...(other ? [other] : [])],
          pick,
          figures,
          log,
        ).catch((error: unknown) => {
          throw new Error(
            `seed ${from}, program ${program}, ${JSON.stringify({ ...schema, kind: schema.kind.type })}: ${String(error)}\n${log.join('\n')}`,
          );
        });
      }
      expect(app.log.errors).toEqual([]);
    } finally {
      await other?.destroy();
      await app.close();
    }
  }

  async function seedRows(dataSource: DataSource, schema: RandomSchema): Promise<void> {
    const table = (one: string): string => dataSource.driver.escape(schema.table(one));
    if (schema.hasTags) {
      await dataSource.query(`DELETE FROM ${table('row_tag')}`);
      await dataSource.query(`DELETE FROM ${table('tag')}`);
      for (const id of TAGS)
        await dataSource.query(`INSERT INTO ${table('tag')} (id, name) VALUES (${id}, 'tag')`);
    }
    await dataSource.query(`DELETE FROM ${table('row')}`);
    for (const id of IDS)
      await dataSource.query(`INSERT INTO ${table('row')} (id, words) VALUES (${id}, 'new')`);
  }

  async function runProgram(
    app: TestApplication,
    Views: ReturnType<typeof viewsOf>,
    schema: RandomSchema,
    sources: readonly DataSource[],
    pick: Pick,
    figures: Record<'reads' | 'hits' | 'changes' | 'needless' | 'failed', number>,
    log: string[],
  ): Promise<void> {
    const writes = schema.writes((table) => app.get(DataSource).driver.escape(table));
    const calls = [
      ...IDS.map((id) => ['row', id] as const),
      ...schema.kind.values.map((key) => ['byKey', key] as const),
      ...TAGS.map((tag) => ['rowsOfTag', tag] as const),
    ];
    const cached = calls.map(([method, argument]) => ({
      method,
      argument,
      of: app.cache.for(Views, method),
    }));
    const loaded = new Map<unknown, string>();
    for (let operation = 0; operation < OPERATIONS; operation++) {
      for (const one of cached) loaded.set(one, await one.of.get(one.argument));
      const name = pick(Object.keys(writes));
      const manner = pick(['alone', 'transaction', 'rollback']);
      const source = pick(sources);
      log.push(`${name}, ${manner}, DataSource ${sources.indexOf(source)}`);
      const work = (manager: EntityManager): Promise<unknown> => writes[name]!(manager, pick);
      try {
        if (manner === 'alone') await work(source.manager);
        else
          await source.transaction(async (manager) => {
            await work(manager);
            if (manner === 'rollback') throw new Undo();
          });
      } catch (error) {
        if (!(error instanceof Undo)) {
          if (!/constraint|duplicate|foreign key|FOREIGN KEY|UNIQUE/i.test(String(error))) throw error;
          figures.failed++;
        }
      }
      figures.changes++;
      for (const one of cached) {
        const kept = await one.of.getCacheOnly(one.argument);
        const now = await fresh(app, one.method, one.argument, schema);
        if (kept === CACHE_MISSING && now === loaded.get(one)) figures.needless++;
        figures.reads++;
        if (kept !== CACHE_MISSING) figures.hits++;
        const shown = kept === CACHE_MISSING ? await one.of.get(one.argument) : kept;
        if (shown !== now)
          throw new Error(
            `stale: ${one.method}(${one.argument}) shows ${String(shown)}, the database has ${now}`,
          );
      }
    }
  }

  /** The answer of a view by a statement of its own. */
  async function fresh(
    app: TestApplication,
    method: string,
    argument: unknown,
    schema: RandomSchema,
  ): Promise<string> {
    const dataSource = app.get(DataSource);
    const table = (one: string): string => dataSource.driver.escape(schema.table(one));
    const links = schema.hasTags
      ? `, (SELECT count(*) FROM ${table('row_tag')} l WHERE l.row_id = r.id) AS n`
      : '';
    const value = typeof argument === 'string' ? `'${argument}'` : String(argument);
    if (method === 'rowsOfTag' && !schema.hasTags) return '';
    const sql = {
      row: `SELECT r.k_col, r.words${links} FROM ${table('row')} r WHERE r.id = ${value}`,
      byKey: `SELECT id, words FROM ${table('row')} WHERE k_col = ${value} ORDER BY id`,
      rowsOfTag: `SELECT row_id FROM ${table('row_tag')} WHERE tag_id = ${value} ORDER BY 1`,
    }[method]!;
    return text(await dataSource.query(sql));
  }
});
