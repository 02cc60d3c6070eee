import { DataSource } from 'typeorm';
import type { CacheStore, Dispatcher } from '../../../lib/index.js';
import { outboxDispatcher } from '../../../lib/index.js';
import { pgBossDispatcher } from '../../../lib/pg-boss.js';
import { redisStore } from '../../../lib/redis.js';
import { Item, Label } from '../support/world.js';

/** Where the process is killed: SIGKILL, so that nothing of it runs any more. */
export const FAILPOINTS = [
  'enqueued, before COMMIT',
  'COMMIT on its way',
  'committed, before the bumps',
  'in the middle of the bumps',
  'after the bumps',
] as const;

export type DispatcherName = 'inline' | 'outbox' | 'pg-boss';

/** One run: what the process to be killed is told, as JSON. */
export interface Scene {
  readonly dispatcher: DispatcherName;
  readonly failpoint: (typeof FAILPOINTS)[number];
  readonly namespace: string;
  /** The items it caches, then changes in one transaction. */
  readonly ids: readonly number[];
  readonly changed: readonly number[];
  /** Whether it changes them in one statement, whose rows nobody knows. */
  readonly bulk: boolean;
  readonly postgres: string;
  readonly schema: string;
  readonly redis: string;
}

export function dataSourceOf({ postgres, schema }: Pick<Scene, 'postgres' | 'schema'>): Promise<DataSource> {
  return new DataSource({ type: 'postgres', url: postgres, schema, entities: [Item, Label] }).initialize();
}

export function storeOf({ redis }: Pick<Scene, 'redis'>): CacheStore {
  return redisStore({ url: redis, timeout: 2_000 });
}

/** The dispatchers of the run; pg-boss is imported where it is used, it takes a while. */
export async function dispatchersOf(
  { dispatcher, postgres, schema }: Scene,
  work: boolean,
): Promise<Dispatcher[]> {
  if (dispatcher === 'inline') return [];
  if (dispatcher === 'outbox') return [outboxDispatcher({ work, pollInterval: 20 })];
  const { default: PgBoss } = await import('pg-boss');
  const boss = new PgBoss({ connectionString: postgres, schema: `${schema}_boss` });
  return [pgBossDispatcher({ boss, work })];
}
