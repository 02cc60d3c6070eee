import 'reflect-metadata';
import { TypeOrmModule } from '@nestjs/typeorm';
import { describe, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { of } from 'rxjs';
import {
  outboxDispatcher,
  outboxMigration,
  type DispatcherProvider,
  type OutboxMigrationRunner,
  type RestflowCacheOptions,
} from '../../lib/index.js';
import { microserviceDispatcher } from '../../lib/microservices.js';
import { TestApplication } from '../support/application.js';
import { until } from '../support/until.js';
import { expectPinned } from './support/pin.js';
import { RecordingStore, SharedRecordingStore, written } from './support/recording-store.js';
import { Article, Author, KeptJobs, Ruled } from './support/rules.js';

const AUTHOR = { id: 1, name: 'Ada', bio: '' };
const ARTICLE = { id: 1, slug: 'Hello World', author: AUTHOR };

async function withRules<T>(
  options: RestflowCacheOptions,
  work: (app: TestApplication, dataSource: DataSource) => Promise<T>,
): Promise<T> {
  const database = TypeOrmModule.forRoot({
    type: 'sqljs',
    autoSave: false,
    entities: [Author, Article],
    synchronize: true,
  });
  const app = await TestApplication.start([Ruled], options, [database]);
  try {
    return await work(app, app.get(DataSource));
  } finally {
    await app.close();
  }
}

/** Random ids, and times of the system's clock, as texts that stay. */
function json(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .replace(/[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g, '(id)')
    .replace(/("due_at": )"?\d+"?/g, '$1(time)');
}

/** The jobs of an insert, an update and a removal, given to one dispatcher. */
async function jobsOf(
  dispatcher: DispatcherProvider,
  name: string,
  collect: (dataSource: DataSource) => Promise<readonly unknown[]>,
  booted: () => void = () => undefined,
): Promise<string> {
  const options = { store: new RecordingStore(), dispatchers: [dispatcher], defaultDispatcher: name };
  return withRules(options, async (_, dataSource) => {
    // The boot made the tables, which is a change of them.
    booted();
    const { manager } = dataSource;
    await manager.save(Author, AUTHOR);
    await manager.save(Author, { id: 1, name: 'Grace' });
    await manager.save(Article, ARTICLE);
    return json(await collect(dataSource));
  });
}

describe('the work of rules stays as pinned:', () => {
  it('tags that changes drop', async () => {
    const store = new RecordingStore();
    const text = await withRules({ store }, async (_, { manager }) => {
      const steps: readonly [string, () => Promise<unknown>][] = [
        ['insert an author', () => manager.save(Author, AUTHOR)],
        ['update the bio', () => manager.save(Author, { id: 1, bio: 'x' })],
        ['update the name', () => manager.save(Author, { id: 1, name: 'Grace' })],
        ['insert an article', () => manager.save(Article, ARTICLE)],
        ['update the slug', () => manager.save(Article, { id: 1, slug: 'Über uns' })],
        ['update in bulk', () => manager.update(Article, { slug: 'Über uns' }, { slug: 'x' })],
        ['SQL', () => manager.query(`UPDATE pinned_article SET slug = 'y'`)],
        ['remove the article', () => manager.delete(Article, 1)],
      ];
      const lines: string[] = [];
      for (const [title, step] of steps) lines.push(await written(title, store, step));
      // Rewarmed entries come when they come.
      return lines.join('\n\n').replace(/\n {2}(?:entry|tag) .*/g, '');
    });
    expectPinned('formats/rule-tags.txt', text);
  });

  it('the manifest of a namespace', async () => {
    const store = new SharedRecordingStore();
    await withRules({ store, namespace: 'shop', ttl: '10m' }, () => until(() => store.plain.length > 0));
    const entries = store.plain.map(
      ({ key, value, life }) => `entry  ${key}\nlife   ${life} ms\n${json(sorted(value))}`,
    );
    expectPinned('formats/manifest.txt', entries.join('\n\n').replace(/(:rules:2:)\S+/g, '$1(generation)'));
  });

  it('jobs', async () => {
    const kept = new KeptJobs();
    expectPinned(
      'formats/jobs.txt',
      await jobsOf(
        kept,
        'kept',
        async () => kept.jobs,
        () => kept.jobs.splice(0),
      ),
    );
  });

  it('events of microservices', async () => {
    const events: unknown[] = [];
    const client = {
      connect: async () => undefined,
      close: () => undefined,
      emit: (pattern: string, data: unknown) => {
        events.push({ pattern, data });
        return of(undefined);
      },
    };
    const collect = async (): Promise<readonly unknown[]> => {
      await until(() => events.length > 0);
      return events.slice(0, 1);
    };
    expectPinned(
      'formats/microservice-event.txt',
      await jobsOf(microserviceDispatcher({ client }), 'microservice', collect, () => events.splice(0)),
    );
  });

  it('rows of the outbox', async () => {
    const outbox = outboxDispatcher({ createTable: true, work: false });
    const rows = await jobsOf(outbox, 'outbox', async ({ manager }) => {
      const [row] = (await manager.query(
        `SELECT * FROM restflow_outbox WHERE job LIKE '%a named rule%'`,
      )) as object[];
      return [row];
    });
    const tables = await Promise.all(['postgres', 'mysql', 'sqlite'].map(migrationOf));
    expectPinned('formats/outbox.txt', [rows, ...tables].join('\n\n'));
  });
});

/** The statements that make the outbox on one database. */
async function migrationOf(type: string): Promise<string> {
  const lines = [`# ${type}`];
  const runner: OutboxMigrationRunner = {
    connection: { options: { type }, driver: {} },
    query: async (sql: string) => lines.push(sql),
  };
  const Migration = outboxMigration();
  const migration = new Migration();
  lines.push(migration.name);
  await migration.up(runner);
  await migration.down(runner);
  return lines.join('\n');
}

/** Rules are told in the order in which providers were found. */
function sorted(value: unknown): unknown {
  const { rules, ...rest } = value as { rules?: { rule: { name: string; method: string } }[] };
  return rules === undefined
    ? value
    : { ...rest, rules: [...rules].sort((a, b) => (a.rule.method < b.rule.method ? -1 : 1)) };
}
