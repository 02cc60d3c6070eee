import { Queue, UnrecoverableError, Worker, type ConnectionOptions, type WorkerOptions } from 'bullmq';
import type {
  DispatchContext,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';
import { InvalidationJobError } from '../invalidation/jobs/job.js';
import type { DispatcherState } from '../observability/metrics.js';
import type { MaybePromise } from '../stores/store.interface.js';
import { InvalidationDispatcher } from './invalidation-dispatcher.decorator.js';
import { topicOf } from '../common/messages.js';
import { positive, record, text } from '../common/options.js';
import { DispatcherOptions, queueOf } from './options.js';
import { ATTEMPTS, Deadline, type ShutdownDeadline, pauseBefore } from '../common/async.js';
import { type QueueMeasurement, QueueWatch } from './queue-watch.js';
import { Sender, type SenderHost, Senders } from './sender.js';

/**
 * Options of {@link bullMqDispatcher}. `dispatcherConfig` of a rule may override `queue` and `attempts`.
 *
 * @publicApi
 */
export interface BullMqOptions {
  /** BullMQ's connection: ioredis options, or an ioredis client with `maxRetriesPerRequest: null`, which is not closed at shutdown. */
  connection: ConnectionOptions;
  /** Name of the queue. Default: the namespace and `-invalidation`. */
  queue?: string | undefined;
  /** True if this process runs the jobs of the queue. Default `true`; `false` leaves them to other processes; a list names the queues. */
  work?: boolean | readonly string[] | undefined;
  /** Attempts of a job whose store fails, before it is dead. Default 25, over an hour and a half. */
  attempts?: number | undefined;
  /** Number of jobs that a worker runs at the same time. Default 8. */
  concurrency?: number | undefined;
  /** Prefix of BullMQ's keys in Redis. Default `'bull'`. */
  prefix?: string | undefined;
  /** Further options of BullMQ's Worker. */
  workerOptions?: Partial<WorkerOptions> | undefined;
}

const OPTIONS = new DispatcherOptions<BullMqOptions>(
  'bullmq',
  {
    connection: [record[0], "BullMQ's connection, such as { host, port } or { url }"],
    queue: text,
    work: [
      (value) => typeof value === 'boolean' || (Array.isArray(value) && value.every(text[0])),
      'true, false or a list of queues',
    ],
    attempts: positive,
    concurrency: positive,
    prefix: text,
    workerOptions: record,
  },
  { required: ['connection'], ofRules: ['queue', 'attempts'] },
);

const DEFAULTS = {
  work: true,
  attempts: ATTEMPTS,
  concurrency: 8,
  prefix: 'bull',
  workerOptions: {},
} satisfies Omit<Required<BullMqOptions>, 'connection' | 'queue'>;

/** Number of dead jobs that a queue keeps. */
const DEAD_LETTERS = 10_000;

interface WorkerInUse {
  readonly worker: Worker;
  isConnected(): boolean;
}

type Options = Required<Omit<BullMqOptions, 'queue'>> & Pick<BullMqOptions, 'queue'>;

/**
 * The `bullmq` dispatcher: adds jobs to a BullMQ queue on Redis after the commit. A worker in this or another process runs
 * them, with retries. Dead jobs stay in the queue as failed.
 *
 * @throws CacheConfigurationError for invalid options
 * @example
 * RestflowCacheModule.forRoot({ store, dispatchers: [bullMqDispatcher({ connection: { host: 'localhost' } })] })
 *
 * Source: drf-restflow, `celery` and `django_rq`.
 * @publicApi
 */
export function bullMqDispatcher(options: BullMqOptions): Dispatcher {
  return new BullMqDispatcher(options);
}

@InvalidationDispatcher('bullmq')
class BullMqDispatcher implements Dispatcher {
  #options: Options;
  readonly #senders = new Senders();
  #workers: WorkerInUse[] = [];
  #watched: Queue | undefined;
  #watch: QueueWatch | undefined;

  constructor(options: BullMqOptions) {
    this.#options = OPTIONS.read(DEFAULTS, options);
  }

  check(config: object): void {
    OPTIONS.checkRule(config);
  }

  async start(host: DispatcherHost): Promise<void> {
    this.#senders.start(host);
    this.#options = OPTIONS.read(this.#options, host.config);
    const { work, queue = queueOf(host.namespace) } = this.#options;
    const names = typeof work === 'boolean' ? (work ? [queue] : []) : work;
    this.#workers = names.map((name) => this.#work(name, host));
    const { connection, prefix } = this.#options;
    const watched = new Queue(queue, { connection, prefix });
    // The sender and the worker report that Redis is away.
    watched.on('error', () => undefined);
    this.#watched = watched;
    this.#watch = new QueueWatch(() => measure(watched));
    this.#watch.start();
  }

  dispatch(jobs: readonly InvalidationJob[], { config }: DispatchContext): MaybePromise<void> {
    // `config` includes dispatcherSettings, which start() may not have read yet.
    const options = OPTIONS.read(this.#options, config);
    const queue = options.queue ?? queueOf(jobs[0]!.namespace);
    const destination = JSON.stringify([queue, options.attempts]);
    return this.#senders.of(destination, (host) => new QueueSender(queue, options, host)).add(jobs);
  }

  state(): DispatcherState {
    return { ...this.#senders.state(), queue: this.#watch?.queue };
  }

  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    const [workers, watched] = [this.#workers, this.#watched];
    this.#workers = [];
    this.#watched = undefined;
    this.#watch?.close();
    await Promise.all([
      watched && deadline.wait(watched.close(), () => disconnect(watched, this.#options)),
      ...workers.map(({ worker, isConnected }) =>
        // Forced if Redis is unavailable: otherwise the worker waits forever for its jobs and keeps the process alive.
        deadline.wait(worker.close(!isConnected()), () => disconnect(worker, this.#options)),
      ),
      this.#senders.close(deadline),
    ]);
  }

  #work(name: string, host: DispatcherHost): WorkerInUse {
    const { connection, concurrency, prefix, workerOptions } = this.#options;
    const worker = new Worker(name, ({ data }) => carryOut(data, host), {
      concurrency,
      // Jobs of a killed worker are retried, not dead.
      maxStalledCount: ATTEMPTS,
      // BullMQ's default of 15 s delays jobs after a short outage of Redis.
      runRetryDelay: 1_000,
      ...workerOptions,
      connection,
      prefix,
      settings: { backoffStrategy: pauseBefore },
    });
    worker.on('error', (error) =>
      host.failed(`bullmq worker ${name}`, `The BullMQ worker of the queue ${name} reported an error`, error),
    );
    worker.on('failed', (job, error) => {
      const isDead = job === undefined || job.finishedOn !== undefined;
      if (isDead)
        host.failed(
          `bullmq dead ${name} ${topicOf(error)}`,
          `An invalidation job of the queue ${name} is dead and stays there as failed, so its entries may stay stale until their ttl ends`,
          error,
        );
    });
    let isConnected = false;
    worker.on('ready', () => (isConnected = true));
    worker.on('ioredis:close', () => (isConnected = false));
    return { worker, isConnected: () => isConnected };
  }
}

/** Sends jobs to a queue of BullMQ, and closes it at the end. */
class QueueSender extends Sender {
  readonly #queue: Queue;

  constructor(
    name: string,
    private readonly options: Options,
    host: SenderHost,
  ) {
    const queue = new Queue(name, {
      connection: options.connection,
      prefix: options.prefix,
      defaultJobOptions: {
        attempts: options.attempts,
        backoff: { type: 'custom' },
        removeOnComplete: true,
        removeOnFail: { count: DEAD_LETTERS },
      },
    });
    const send = (jobs: readonly InvalidationJob[]): Promise<unknown> =>
      queue.addBulk(jobs.map((job) => ({ name: job.rule, data: job, opts: { jobId: job.id } })));
    super(`the queue ${name}`, send, host);
    queue.on('error', (error) =>
      host.failed(`bullmq ${name}`, `The BullMQ queue ${name} reported an error`, error),
    );
    this.#queue = queue;
  }

  override async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    await super.close(deadline);
    await deadline.wait(this.#queue.close(), () => disconnect(this.#queue, this.options));
  }
}

const UNDONE = ['waiting', 'prioritized', 'delayed', 'active'] as const;

async function measure(queue: Queue): Promise<QueueMeasurement> {
  const [counts, dead, oldest, consumers] = await Promise.all([
    queue.getJobCountByTypes(...UNDONE),
    queue.getFailedCount(),
    Promise.all(UNDONE.map((state) => queue.getJobs([state], 0, 0, true))),
    // A user of Redis may not list its clients.
    queue.getWorkersCount().catch(() => undefined),
  ]);
  const times = oldest.flat().flatMap((job) => (job === undefined ? [] : [job.timestamp]));
  return {
    depth: counts,
    dead,
    oldestAt: times.length === 0 ? undefined : Math.min(...times),
    ...(consumers !== undefined && { hasConsumer: consumers > 0 }),
  };
}

/** Not awaited: there may be no connection. An ioredis client of the application stays connected. */
function disconnect(connected: Queue | Worker, { connection }: Options): void {
  if ('disconnect' in connection) return;
  connected.disconnect().catch(() => undefined);
}

async function carryOut(data: unknown, { handle }: DispatcherHost): Promise<void> {
  try {
    await handle(data);
  } catch (error) {
    if (error instanceof InvalidationJobError)
      throw Object.assign(new UnrecoverableError(error.message), { code: error.code });
    throw error;
  }
}
