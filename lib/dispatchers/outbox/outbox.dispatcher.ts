import { ATTEMPTS, Deadline, type ShutdownDeadline } from '../../common/async.js';
import { messageOf } from '../../common/messages.js';
import type {
  ChangeTransaction,
  DispatchContext,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
} from '../../invalidation/jobs/dispatcher.interface.js';
import { hasWork } from '../../invalidation/jobs/job.js';
import { InvalidationDispatcher } from '../invalidation-dispatcher.decorator.js';
import { flag, positive, text } from '../../common/options.js';
import { DispatcherOptions } from '../options.js';
import { OUTBOX_TABLE } from './outbox-migration.js';
import { OutboxRelay } from './outbox-relay.js';
import { hasDialect, type OutboxDataSource, OutboxTable } from './outbox-table.js';
import { type QueueMeasurement, QueueWatch } from '../queue-watch.js';
import { Sender, Senders } from '../sender.js';
import type { DispatcherState } from '../../observability/metrics.js';

/**
 * Options of {@link outboxDispatcher}.
 *
 * @publicApi
 */
export interface OutboxOptions {
  /** Name of the table. Default `'restflow_outbox'`. */
  table?: string | undefined;
  /** True if this process runs the jobs in the table. Default `true`; `false` leaves them to other processes. */
  work?: boolean | undefined;
  /** Interval between polls of the table when it is empty, in milliseconds. Default 1000. */
  pollInterval?: number | undefined;
  /** Number of jobs that are claimed at the same time. Default 100. */
  batch?: number | undefined;
  /** Attempts of a job whose store fails, before it is dead. Default 25, over an hour and a half. */
  attempts?: number | undefined;
  /** Creates the table at start, instead of `outboxMigration()`. Default `false`. */
  createTable?: boolean | undefined;
}

const DEFAULTS: Required<OutboxOptions> = {
  table: OUTBOX_TABLE,
  work: true,
  pollInterval: 1_000,
  batch: 100,
  attempts: ATTEMPTS,
  createTable: false,
};
const OPTIONS = new DispatcherOptions<OutboxOptions>('outbox', {
  table: text,
  work: flag,
  pollInterval: positive,
  batch: positive,
  attempts: positive,
  createTable: flag,
});

/**
 * The `outbox` dispatcher: writes jobs to a table in the transaction of the change. This process or a worker runs them at least
 * once, even if processes are killed.
 *
 * @throws CacheConfigurationError for invalid options
 * @example
 * RestflowCacheModule.forRoot({ store, dispatchers: [outboxDispatcher()], defaultDispatcher: 'outbox' })
 *
 * @publicApi
 */
export function outboxDispatcher(options: OutboxOptions = {}): Dispatcher {
  return new OutboxDispatcher(options);
}

@InvalidationDispatcher('outbox')
class OutboxDispatcher implements Dispatcher {
  #options: Required<OutboxOptions>;
  #relays: OutboxRelay[] = [];
  #host: DispatcherHost | undefined;
  #watch: QueueWatch | undefined;
  readonly #senders = new Senders();
  readonly #tables = new WeakMap<object, OutboxTable>();

  constructor(options: OutboxOptions) {
    this.#options = OPTIONS.read(DEFAULTS, options);
  }

  async start(host: DispatcherHost): Promise<void> {
    this.#host = host;
    this.#senders.start(host);
    this.#options = OPTIONS.read(this.#options, host.config);
    const tables = host.dataSources.filter(hasDialect).map((dataSource) => this.#tableOf(dataSource));
    for (const table of this.#options.createTable ? tables : [])
      for (const statement of table.creation) await table.dataSource.query(statement);
    this.#watch = new QueueWatch(() => this.#measure(tables, host.namespace));
    this.#watch.start();
    if (!this.#options.work) return;
    this.#relays = tables.map((table) => new OutboxRelay(table, host, this.#options));
    for (const relay of this.#relays) relay.start();
  }

  async enqueue(
    jobs: readonly InvalidationJob[],
    _: DispatchContext,
    { queryRunner, dataSource }: ChangeTransaction,
  ): Promise<void> {
    try {
      await this.#tableOf(dataSource).insert(queryRunner, jobs);
    } catch (cause) {
      throw new Error(
        `${messageOf(cause)} (if the table does not exist, run the migration of outboxMigration())`,
        { cause },
      );
    }
  }

  /**
   * For a change without a transaction: writes the jobs whose tags could not be bumped after the change. Not awaited: the hook that
   * reports the change may hold the last connection of the pool.
   */
  dispatch(jobs: readonly InvalidationJob[]): void {
    const undone = jobs.filter(hasWork);
    if (undone.length === 0) return;
    const insert = (some: readonly InvalidationJob[]): Promise<unknown> => this.#insertIntoAny(some);
    void this.#senders.of('', (host) => new Sender('the outbox', insert, host)).add(undone);
  }

  state(): DispatcherState {
    return { ...this.#senders.state(), queue: this.#watch?.queue };
  }

  /** All tables together: a job waits in that of its own database. */
  async #measure(tables: readonly OutboxTable[], namespace: string): Promise<QueueMeasurement | undefined> {
    const each = await Promise.all(tables.map((table) => table.measure(namespace)));
    const known = each.filter((one) => one !== undefined);
    if (known.length < each.length) return undefined;
    const oldest = known.flatMap(({ oldestAt }) => (oldestAt === undefined ? [] : [oldestAt]));
    return {
      depth: known.reduce((sum, { depth }) => sum + depth, 0),
      dead: known.reduce((sum, { dead }) => sum + dead, 0),
      oldestAt: oldest.length === 0 ? undefined : Math.min(...oldest),
      ...(this.#relays.length > 0 && { hasConsumer: true }),
    };
  }

  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    this.#watch?.close();
    await Promise.all([this.#senders.close(deadline), ...this.#relays.map((relay) => relay.close(deadline))]);
    this.#relays = [];
  }

  /** Inserts the jobs into the first table that accepts them: some of the databases may have none. */
  async #insertIntoAny(jobs: readonly InvalidationJob[]): Promise<void> {
    let reason: unknown = new Error('No DataSource has a database that the outbox supports.');
    for (const dataSource of this.#host?.dataSources.filter(hasDialect) ?? []) {
      const table = this.#tableOf(dataSource);
      try {
        return await table.insert(table.dataSource, jobs);
      } catch (error) {
        reason = error;
      }
    }
    throw reason;
  }

  #tableOf(dataSource: object): OutboxTable {
    let table = this.#tables.get(dataSource);
    if (table === undefined) {
      table = new OutboxTable(dataSource as OutboxDataSource, this.#options.table);
      this.#tables.set(dataSource, table);
    }
    return table;
  }
}

export { outboxMigration, type OutboxMigration, type OutboxMigrationRunner } from './outbox-migration.js';
