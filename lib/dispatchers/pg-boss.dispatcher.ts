import { setTimeout as delay } from 'node:timers/promises';
import { Deadline, type ShutdownDeadline } from '../common/async.js';
import { topicOf } from '../common/messages.js';
import type {
  ChangeTransaction,
  DispatchContext,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';
import { InvalidationJobError, hasWork } from '../invalidation/jobs/job.js';
import type { DispatcherState } from '../observability/metrics.js';
import type { MaybePromise } from '../stores/store.interface.js';
import { InvalidationDispatcher } from './invalidation-dispatcher.decorator.js';
import { flag, positive, text } from '../common/options.js';
import { DispatcherOptions, queueOf } from './options.js';
import { type QueueMeasurement, QueueWatch } from './queue-watch.js';
import { Sender, Senders } from './sender.js';

/**
 * Options of {@link pgBossDispatcher}. `dispatcherConfig` of a rule may override `queue`, `retryLimit` and `retryDelay`.
 *
 * @publicApi
 */
export interface PgBossOptions {
  /** A PgBoss, 10 or later, on the database of the entities. It is started and stopped with the application. */
  boss: PgBossLike;
  /** Name of the queue. Default: the namespace and `-invalidation`. Dead jobs go to the queue of this name and `-dead`. */
  queue?: string | undefined;
  /** True if this process runs the jobs of the queue. Default `true`; `false` leaves them to other processes. */
  work?: boolean | undefined;
  /** Retries of a job whose store fails. Default 12, over an hour. */
  retryLimit?: number | undefined;
  /** Pause before the first retry, in seconds, doubled each time. Default 1. */
  retryDelay?: number | undefined;
  /** Interval between polls of the queue, in seconds. Default 1. */
  pollInterval?: number | undefined;
  /** Number of jobs that are fetched at the same time. Default 50. */
  batch?: number | undefined;
  /** Schema of pg-boss, whose jobs `cache.health()` counts. Default `'pgboss'`. */
  schema?: string | undefined;
}

const OPTIONS = new DispatcherOptions<PgBossOptions>(
  'pg-boss',
  {
    boss: [(value) => typeof (value as PgBossLike | null)?.send === 'function', 'new PgBoss(…)'],
    queue: text,
    work: flag,
    retryLimit: positive,
    retryDelay: positive,
    pollInterval: positive,
    batch: positive,
    schema: text,
  },
  { required: ['boss'], ofRules: ['queue', 'retryLimit', 'retryDelay'] },
);

const DEFAULTS = { work: true, retryLimit: 12, retryDelay: 1, pollInterval: 1, batch: 50, schema: 'pgboss' };

/** Attempts to create a queue. */
const CREATION_ATTEMPTS = 5;

type Options = Required<Omit<PgBossOptions, 'queue'>> & Pick<PgBossOptions, 'queue'>;

/**
 * The `pg-boss` dispatcher: inserts jobs into a pg-boss queue in the transaction of the change. They run at least once, with
 * retries and a dead letter queue.
 *
 * @throws CacheConfigurationError for invalid options
 * @example
 * const boss = new PgBoss('postgres://localhost/shop');
 * RestflowCacheModule.forRoot({ store, dispatchers: [pgBossDispatcher({ boss })], defaultDispatcher: 'pg-boss' })
 *
 * Source: drf-restflow, `django_q` with the ORM broker.
 * @publicApi
 */
export function pgBossDispatcher(options: PgBossOptions): Dispatcher {
  return new PgBossDispatcher(options);
}

@InvalidationDispatcher('pg-boss')
class PgBossDispatcher implements Dispatcher {
  #options: Options;
  readonly #senders = new Senders();
  readonly #known = new Map<string, Promise<void>>();
  readonly #started = new Map<PgBossLike, Promise<unknown>>();
  #watch: QueueWatch | undefined;

  constructor(options: PgBossOptions) {
    this.#options = OPTIONS.read(DEFAULTS, options);
  }

  check(config: object): void {
    OPTIONS.checkRule(config);
  }

  async start(host: DispatcherHost): Promise<void> {
    this.#senders.start(host);
    this.#options = OPTIONS.read(this.#options, host.config);
    const { boss, work, batch, pollInterval, queue = queueOf(host.namespace) } = this.#options;
    await this.#ensure(queue);
    this.#watch = new QueueWatch(() => this.#measure(queue));
    this.#watch.start();
    if (!work) return;
    const options = { batchSize: batch, pollingIntervalSeconds: pollInterval };
    await boss.work(queue, options, (jobs) => this.#carryOut(queue, jobs, host));
  }

  async enqueue(
    jobs: readonly InvalidationJob[],
    { config }: DispatchContext,
    { queryRunner }: ChangeTransaction,
  ): Promise<void> {
    const db = {
      async executeSql(sql: string, values: unknown[] = []) {
        const { records, affected } = (await queryRunner.query(sql, values, true)) as {
          records?: unknown[];
          affected?: number;
        };
        return { rows: records ?? [], rowCount: affected ?? 0 };
      },
    };
    await this.#send(jobs, config, db);
  }

  /** For a change without a transaction: sends the jobs whose tags could not be bumped after the change. */
  dispatch(jobs: readonly InvalidationJob[], { config }: DispatchContext): MaybePromise<void> {
    const undone = jobs.filter(hasWork);
    if (undone.length === 0) return;
    const send = (some: readonly InvalidationJob[]): Promise<void> => this.#send(some, config);
    const sender = this.#senders.of(
      JSON.stringify(config),
      (senderHost) => new Sender('pg-boss', send, senderHost),
    );
    // Awaiting is safe: pg-boss has its own pool and takes no connection of the application.
    return sender.add(undone);
  }

  state(): DispatcherState {
    return { ...this.#senders.state(), queue: this.#watch?.queue };
  }

  async #measure(queue: string): Promise<QueueMeasurement | undefined> {
    const { boss, schema, work } = this.#options;
    const database = boss.getDb?.() as PgBossDatabase | undefined;
    if (database === undefined) return undefined;
    const jobs = `"${schema.replaceAll('"', '""')}".job WHERE name`;
    const { rows } = await database.executeSql(
      `SELECT (SELECT count(*) FROM ${jobs} = $1 AND state IN ('created', 'retry', 'active')) AS depth, ` +
        `(SELECT count(*) FROM ${jobs} = $2 AND state <> 'completed') AS dead, ` +
        `(SELECT extract(epoch FROM min(created_on)) FROM ${jobs} = $1 AND state IN ('created', 'retry', 'active')) AS oldest`,
      [queue, deadOf(queue)],
    );
    const { depth, dead, oldest } = rows[0] as unknown as Record<'depth' | 'dead' | 'oldest', string | null>;
    return {
      depth: Number(depth),
      dead: Number(dead),
      oldestAt: oldest === null ? undefined : 1_000 * Number(oldest),
      ...(work && { hasConsumer: true }),
    };
  }

  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    this.#watch?.close();
    await this.#senders.close(deadline);
    const timeout = Math.max(1, Math.floor(0.8 * deadline.left()));
    await deadline.wait(this.#options.boss.stop({ graceful: true, wait: true, timeout }));
  }

  async #send(
    jobs: readonly InvalidationJob[],
    config: Readonly<Record<string, unknown>>,
    db?: PgBossDatabase,
  ): Promise<void> {
    const options = OPTIONS.read(this.#options, config);
    const { boss, retryLimit, retryDelay } = options;
    const queue = options.queue ?? queueOf(jobs[0]!.namespace);
    await this.#ensure(queue);
    const sending = {
      retryLimit,
      retryDelay,
      retryBackoff: true,
      deadLetter: deadOf(queue),
      // After this, jobs of a killed worker go to another one.
      expireInSeconds: 60,
      ...(db && { db: db as never }),
    };
    for (const job of jobs) {
      const isInserted = async (): Promise<boolean> => {
        if ((await boss.send(queue, job, { id: job.id, ...sending })) !== null) return true;
        // It has a job that was sent before, and whose answer was lost.
        const given = { includeArchive: false, ...(db && { db: db as never }) };
        return Boolean(await boss.getJobById?.(queue, job.id, given));
      };
      await this.#insist(queue, isInserted);
    }
  }

  /**
   * Inserts a job, with the queue created again if it is gone: pg-boss inserts nothing then, and says so by its answer alone.
   * @throws Error if it inserts nothing even so: a change must not be committed without its job
   */
  async #insist(queue: string, isInserted: () => Promise<boolean>): Promise<void> {
    if (await isInserted()) return;
    this.#known.delete(queue);
    await this.#ensure(queue);
    if (await isInserted()) return;
    throw new Error(
      `pg-boss did not insert the job: it has no queue ${queue}, or none that this transaction sees.`,
    );
  }

  async #carryOut(
    queue: string,
    jobs: readonly PgBossJob[],
    { handle, failed }: DispatcherHost,
  ): Promise<void> {
    const { boss } = this.#options;
    const results = await Promise.allSettled(jobs.map(async ({ data }) => handle(data)));
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      const error = result.reason as Error;
      const { id, data } = jobs[i]!;
      if (error instanceof InvalidationJobError) {
        // An invalid job is dead at once.
        failed(
          `pg-boss dead ${topicOf(error)}`,
          `The invalidation job ${id} is dead and moved to the queue ${deadOf(queue)}, so its entries may stay stale until their ttl ends`,
          error,
        );
        await this.#insist(queue, async () => (await boss.send(deadOf(queue), data as object)) !== null);
      } else {
        failed(`pg-boss ${topicOf(error)}`, `The invalidation job ${id} failed and will be retried`, error);
        await boss.fail(queue, id, { message: error.message });
      }
    }
  }

  /** Creates a queue and its dead letter queue, once. */
  #ensure(queue: string): Promise<void> {
    let known = this.#known.get(queue);
    if (known === undefined) {
      known = this.#begin()
        .then(() => this.#create(deadOf(queue)))
        .then(() => this.#create(queue, deadOf(queue)));
      this.#known.set(queue, known);
      known.catch(() => this.#known.delete(queue));
    }
    return known;
  }

  /**
   * Starts pg-boss, once: before that it runs no statement, and may say nothing of it. Changes of the boot have jobs before
   * {@link start} is called. If it fails, the boot does.
   */
  async #begin(): Promise<void> {
    const { boss } = this.#options;
    let started = this.#started.get(boss);
    if (started === undefined) {
      boss.on('error', (error) => this.#senders.failed('pg-boss', 'pg-boss reported an error', error));
      this.#started.set(boss, (started = boss.start()));
    }
    await started;
  }

  /** Retries: processes that create queues at the same time may deadlock in PostgreSQL. */
  async #create(name: string, deadLetter?: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#options.boss.createQueue(name, { name, ...(deadLetter && { deadLetter }) });
        return;
      } catch (error) {
        if (attempt === CREATION_ATTEMPTS) throw error;
        await delay(attempt * 100 * (1 + Math.random()));
      }
    }
  }
}

interface PgBossJob {
  readonly id: string;
  readonly data: unknown;
}

function deadOf(queue: string): string {
  return `${queue}-dead`;
}

/** Runs the SQL of pg-boss instead of its own pool. */
export interface PgBossDatabase {
  executeSql(sql: string, values?: unknown[]): Promise<{ rows: unknown[]; rowCount?: number }>;
}

/**
 * The parts of pg-boss that the dispatcher uses, which are equal in versions 10 to 12. pg-boss itself is not imported.
 *
 * @publicApi
 */
export interface PgBossLike {
  on(event: 'error', listener: (error: Error) => void): unknown;
  start(): Promise<unknown>;
  stop(options?: { graceful?: boolean; wait?: boolean; timeout?: number }): Promise<unknown>;
  createQueue(name: string, options?: { name: string; deadLetter?: string }): Promise<unknown>;
  send(
    name: string,
    data: object,
    options?: {
      id?: string;
      retryLimit?: number;
      retryDelay?: number;
      retryBackoff?: boolean;
      deadLetter?: string;
      expireInSeconds?: number;
      // pg-boss types rows and values with `any`; the value is a PgBossDatabase.
      db?: { executeSql(sql: string, values?: never[]): Promise<{ rows: never[] }> };
    },
  ): Promise<string | null>;
  /** Without it, a job that is sent twice counts as lost. */
  getJobById?(
    name: string,
    id: string,
    // The value is a PgBossDatabase.
    options?: { includeArchive: boolean; db?: never },
  ): Promise<unknown>;
  fail(name: string, id: string, data?: object): Promise<unknown>;
  /** Without it, `cache.health()` does not know the queue. */
  getDb?(): unknown;
  work(
    name: string,
    options: { batchSize?: number; pollingIntervalSeconds?: number },
    handler: (jobs: { id: string; data: unknown }[]) => Promise<unknown>,
  ): Promise<string>;
}
