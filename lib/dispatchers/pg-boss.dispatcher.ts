import { setTimeout as delay } from 'node:timers/promises';
import { topicOf } from '../common/messages.js';
import type {
  ChangeTransaction,
  DispatchContext,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';
import { InvalidationJobError, isLeft } from '../invalidation/jobs/job.js';
import type { DispatcherState } from '../observability/metrics.js';
import type { MaybePromise } from '../stores/store.interface.js';
import { InvalidationDispatcher } from './invalidation-dispatcher.decorator.js';
import { flag, positive, text } from '../common/options.js';
import { DispatcherOptions } from './options.js';
import { closing, Sender, stateOfAll, whenStarted } from './sender.js';

/**
 * Options of {@link pgBossDispatcher}. `dispatcherConfig` of a rule may say `queue` for that rule alone.
 *
 * @publicApi
 */
export interface PgBossOptions {
  /** A PgBoss, 10 or later, on the database of the entities. It is started and stopped with the application. */
  boss: PgBossLike;
  /** The queue. Default: the namespace and `-invalidation`. Dead jobs go to the queue of this name and `-dead`. */
  queue?: string | undefined;
  /** Whether this process works the queue. Default `true`; `false` leaves it to other processes. */
  work?: boolean | undefined;
  /** How often a job is tried again while its store fails. Default 12: over an hour. */
  retryLimit?: number | undefined;
  /** Seconds before the first of these attempts, doubled each time. Default 1. */
  retryDelay?: number | undefined;
  /** How often the queue is looked at, in seconds. Default 1. */
  pollInterval?: number | undefined;
  /** How many jobs are taken at one time. Default 50. */
  batch?: number | undefined;
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
  },
  { required: ['boss'], ofRules: ['queue', 'retryLimit', 'retryDelay'] },
);

const DEFAULTS = { work: true, retryLimit: 12, retryDelay: 1, pollInterval: 1, batch: 50 };

/** How often a queue is tried to be made. */
const CREATION_ATTEMPTS = 5;

type Options = Required<Omit<PgBossOptions, 'queue'>> & Pick<PgBossOptions, 'queue'>;

/**
 * The `pg-boss` dispatcher: jobs are inserted into a pg-boss queue in the transaction of the change, and worked at least
 * once, with retries and a dead letter queue.
 *
 * @throws CacheConfigurationError for options that cannot work
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
  #host: DispatcherHost | undefined;
  readonly #late = new Map<string, Sender>();
  readonly #known = new Map<string, Promise<void>>();

  constructor(options: PgBossOptions) {
    this.#options = OPTIONS.read(DEFAULTS, options);
  }

  check(config: object): void {
    OPTIONS.checkRule(config);
  }

  async start(host: DispatcherHost): Promise<void> {
    this.#host = host;
    this.#options = OPTIONS.read(this.#options, host.config);
    const { boss, work, batch, pollInterval, queue = queueOf(host.namespace) } = this.#options;
    boss.on('error', (error) => host.failed('pg-boss', 'pg-boss has an error', error));
    await boss.start();
    await this.#ensure(queue);
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

  /** A change without a transaction: what it could not invalidate at once is sent after the fact, beside it. */
  dispatch(jobs: readonly InvalidationJob[], { config }: DispatchContext): MaybePromise<void> {
    const undone = jobs.filter(isLeft);
    if (undone.length === 0) return;
    const key = JSON.stringify(config);
    let sender = this.#late.get(key);
    if (sender === undefined) {
      const send = (late: readonly InvalidationJob[]): Promise<void> => this.#send(late, config);
      sender = new Sender(
        'pg-boss',
        send,
        whenStarted(() => this.#host),
      );
      this.#late.set(key, sender);
    }
    // pg-boss has a pool of its own, so that waiting for it takes no connection of the application's.
    return sender.add(undone);
  }

  /** Jobs that are written in transactions wait for nothing. */
  state(): DispatcherState {
    return stateOfAll(this.#late.values());
  }

  async close(): Promise<void> {
    const late = [...this.#late.values()];
    this.#late.clear();
    await Promise.all(late.map((sender) => sender.close()));
    await closing(this.#options.boss.stop({ graceful: true, wait: true, timeout: 4_000 }));
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
      // What a killed worker had taken is given to another one after this.
      expireInSeconds: 60,
      ...(db && { db: db as never }),
    };
    for (const job of jobs) await boss.send(queue, job, { id: job.id, ...sending });
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
        // No attempt will do: it is dead at once.
        failed(
          `pg-boss dead ${topicOf(error)}`,
          `The invalidation job ${id} is dead, it is in ${deadOf(queue)}`,
          error,
        );
        await boss.send(deadOf(queue), data as object);
      } else {
        failed(`pg-boss ${topicOf(error)}`, `The invalidation job ${id} failed and is tried again`, error);
        await boss.fail(queue, id, { message: error.message });
      }
    }
  }

  /** Makes a queue, and that of its dead jobs, once. */
  #ensure(queue: string): Promise<void> {
    let known = this.#known.get(queue);
    if (known === undefined) {
      known = this.#make(deadOf(queue)).then(() => this.#make(queue, deadOf(queue)));
      this.#known.set(queue, known);
      known.catch(() => this.#known.delete(queue));
    }
    return known;
  }

  /** Two processes that make queues at one time may end in a deadlock of PostgreSQL, which one of them survives. */
  async #make(name: string, deadLetter?: string): Promise<void> {
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

function queueOf(namespace: string): string {
  return `${namespace.replaceAll(':', '.')}-invalidation`;
}

function deadOf(queue: string): string {
  return `${queue}-dead`;
}

/** Where pg-boss runs its SQL instead of its own pool. */
export interface PgBossDatabase {
  executeSql(sql: string, values?: unknown[]): Promise<{ rows: unknown[]; rowCount?: number }>;
}

/**
 * The parts of pg-boss that the dispatcher uses, alike in its versions 10 to 12; pg-boss itself is not imported.
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
      // pg-boss types rows and values with `any`; what it is given is a PgBossDatabase.
      db?: { executeSql(sql: string, values?: never[]): Promise<{ rows: never[] }> };
    },
  ): Promise<string | null>;
  fail(name: string, id: string, data?: object): Promise<unknown>;
  work(
    name: string,
    options: { batchSize?: number; pollingIntervalSeconds?: number },
    handler: (jobs: { id: string; data: unknown }[]) => Promise<unknown>,
  ): Promise<string>;
}
