import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import PgBoss from 'pg-boss';
import type { DataSource } from 'typeorm';
import { bullMqDispatcher } from '../../lib/bullmq.js';
import { type Dispatcher, outboxDispatcher } from '../../lib/index.js';
import { pgBossDispatcher } from '../../lib/pg-boss.js';
import { serverUrl } from '../servers/url.js';
import { openDatabase, startItems, until } from './support/world.js';

/** What is closed after a test, the last first. */
const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

const AGO = 120_000;

/** A queue with one job that came two minutes ago, and the dispatcher of a process that takes no jobs from it. */
type Scene = (namespace: string, dataSource: DataSource) => Promise<Dispatcher>;

const SCENES: Readonly<Record<string, Scene>> = {
  async bullmq(namespace) {
    const { hostname: host, port } = new URL(serverUrl('redis'));
    const connection = { host, port: Number(port) };
    const queue = new Queue(`${namespace}-invalidation`, { connection });
    open.push(() => queue.obliterate({ force: true }).then(() => queue.close()));
    await queue.add('rule', {}, { timestamp: Date.now() - AGO });
    return bullMqDispatcher({ connection, work: false });
  },
  async 'pg-boss'(namespace, dataSource) {
    const schema = `boss_queues_${process.env['JEST_WORKER_ID'] ?? '0'}`;
    const boss = new PgBoss({ connectionString: serverUrl('postgres'), schema });
    await boss.start();
    const queue = `${namespace}-invalidation`;
    await boss.createQueue(queue);
    await boss.send(queue, {});
    await dataSource.query(
      `UPDATE "${schema}".job SET created_on = now() - interval '${AGO} milliseconds' WHERE name = $1`,
      [queue],
    );
    await boss.stop({ graceful: false });
    const own = new PgBoss({ connectionString: serverUrl('postgres'), schema });
    return pgBossDispatcher({ boss: own, work: false, schema });
  },
  async outbox(namespace, dataSource) {
    const outbox = outboxDispatcher({ work: false, createTable: true });
    const nothing = (): undefined => undefined;
    const host = { namespace, config: {}, handle: nothing, coarser: nothing, failed: nothing };
    await outbox.start!({ ...host, dataSources: [dataSource] });
    await outbox.close!();
    const { schema } = dataSource.options as { schema: string };
    await dataSource.query(
      `INSERT INTO "${schema}".restflow_outbox (id, namespace, job, attempts, due_at) VALUES ($1, $2, '{}', 0, $3)`,
      [randomUUID(), namespace, Date.now() - AGO],
    );
    await dataSource.query(
      `INSERT INTO "${schema}".restflow_outbox (id, namespace, job, attempts, due_at, dead_at) VALUES ($1, $2, '{}', 9, 0, 1)`,
      [randomUUID(), namespace],
    );
    return outboxDispatcher({ work: false });
  },
};

describe.each(Object.entries(SCENES))(
  'the queue of %s, seen from a process that takes no jobs',
  (name, scene) => {
    it('has its depth, the age of its oldest job, its dead jobs and whether a consumer lives in health() and metrics()', async () => {
      const namespace = `queues-${randomUUID().slice(0, 8)}`;
      const dataSource = await openDatabase('PostgreSQL', 'queues');
      open.push(() => dataSource.destroy());
      const dispatchers = [await scene(namespace, dataSource)];
      const { app } = await startItems(name, { dataSource, dispatchers, options: { namespace } });
      open.push(() => app.close());
      const { cache } = app;
      expect(cache.health().status).toBe('up');
      await until(() => cache.health().dispatchers[name]?.queue !== undefined, 'the queue is measured');
      const { status, dispatchers: states } = cache.health();
      const { queue } = states[name]!;
      expect(queue).toMatchObject({ depth: 1, dead: name === 'outbox' ? 1 : 0, hasConsumer: false });
      expect(queue!.oldestSeconds).toBeGreaterThan(100);
      // A job that nobody takes for more than a minute leaves entries stale.
      expect(status).toBe('degraded');
      expect(cache.metrics().dispatchers[name]?.queue?.depth).toBe(1);
    });
  },
);
