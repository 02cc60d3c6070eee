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
import { DispatcherOptions } from './options.js';
import { ATTEMPTS, pauseBefore } from '../common/async.js';
import { closing, Sender, stateOfAll, whenStarted } from './sender.js';

/**
 * Options of {@link bullMqDispatcher}. `dispatcherConfig` of a rule may say `queue` and `attempts` for that rule alone.
 *
 * @publicApi
 */
export interface BullMqOptions {
  /** BullMQ's connection: ioredis options, or a connection of yours with `maxRetriesPerRequest: null`, which stays open. */
  connection: ConnectionOptions;
  /** The queue. Default: the namespace and `-invalidation`, so that applications never share one. */
  queue?: string | undefined;
  /** Whether this process works the queue. Default `true`; `false` leaves it to others; a list names the queues to work. */
  work?: boolean | readonly string[] | undefined;
  /** How often a job is tried while its store fails, before it is dead. Default 25: over an hour and a half. */
  attempts?: number | undefined;
  /** How many jobs a worker carries out at one time. Default 8. */
  concurrency?: number | undefined;
  /** What BullMQ's keys in Redis begin with. Default `'bull'`. */
  prefix?: string | undefined;
  /** More options of BullMQ's Worker. */
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

/** How many dead jobs a queue keeps. */
const DEAD_LETTERS = 10_000;

interface WorkerInUse {
  readonly worker: Worker;
  isConnected(): boolean;
}

type Options = Required<Omit<BullMqOptions, 'queue'>> & Pick<BullMqOptions, 'queue'>;

/**
 * The `bullmq` dispatcher: jobs go to a BullMQ queue on Redis after the commit, and a worker, here or in another process,
 * carries them out, with retries. Dead ones stay in the queue as failed.
 *
 * @throws CacheConfigurationError for options that cannot work
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
  #host: DispatcherHost | undefined;
  readonly #queues = new Map<string, { readonly queue: Queue; readonly sender: Sender }>();
  #workers: WorkerInUse[] = [];

  constructor(options: BullMqOptions) {
    this.#options = OPTIONS.read(DEFAULTS, options);
  }

  check(config: object): void {
    OPTIONS.checkRule(config);
  }

  async start(host: DispatcherHost): Promise<void> {
    this.#host = host;
    this.#options = OPTIONS.read(this.#options, host.config);
    const { work, queue = queueOf(host.namespace) } = this.#options;
    const names = typeof work === 'boolean' ? (work ? [queue] : []) : work;
    this.#workers = names.map((name) => this.#work(name, host));
  }

  dispatch(jobs: readonly InvalidationJob[], { config }: DispatchContext): MaybePromise<void> {
    // Settings of the module are among them: the dispatcher may not have been started yet.
    const options = OPTIONS.read(this.#options, config);
    return this.#queue(options.queue ?? queueOf(jobs[0]!.namespace), options).add(jobs);
  }

  state(): DispatcherState {
    return stateOfAll([...this.#queues.values()].map(({ sender }) => sender));
  }

  async close(): Promise<void> {
    const [workers, queues] = [this.#workers, [...this.#queues.values()]];
    // Requests that are under way may still dispatch: they get queues of their own.
    this.#workers = [];
    this.#queues.clear();
    await Promise.all([
      ...workers.map(({ worker, isConnected }) =>
        // Without its Redis, one would wait for jobs that it can never finish, and keep the process alive.
        closing(worker.close(!isConnected()), () => this.#disconnect(worker)),
      ),
      ...queues.map(async ({ queue, sender }) => {
        await sender.close();
        await closing(queue.close(), () => this.#disconnect(queue));
      }),
    ]);
  }

  #work(name: string, host: DispatcherHost): WorkerInUse {
    const { connection, concurrency, prefix, workerOptions } = this.#options;
    const worker = new Worker(name, ({ data }) => carryOut(data, host), {
      concurrency,
      // A worker that is killed does not make its jobs dead.
      maxStalledCount: ATTEMPTS,
      // BullMQ's default keeps jobs waiting for 15 s after a Redis that was gone for one.
      runRetryDelay: 1_000,
      ...workerOptions,
      connection,
      prefix,
      settings: { backoffStrategy: pauseBefore },
    });
    worker.on('error', (error) =>
      host.failed(`bullmq worker ${name}`, `The worker of ${name} has an error`, error),
    );
    worker.on('failed', (job, error) => {
      const isDead = job === undefined || job.finishedOn !== undefined;
      if (isDead)
        host.failed(
          `bullmq dead ${name} ${topicOf(error)}`,
          `An invalidation job of ${name} is dead, it stays as failed`,
          error,
        );
    });
    let isConnected = false;
    worker.on('ready', () => (isConnected = true));
    worker.on('ioredis:close', () => (isConnected = false));
    return { worker, isConnected: () => isConnected };
  }

  #queue(name: string, { attempts, connection, prefix }: Options): Sender {
    const key = JSON.stringify([name, attempts]);
    const known = this.#queues.get(key);
    if (known !== undefined) return known.sender;
    const queue = new Queue(name, {
      connection,
      prefix,
      defaultJobOptions: {
        attempts,
        backoff: { type: 'custom' },
        removeOnComplete: true,
        removeOnFail: { count: DEAD_LETTERS },
      },
    });
    const host = whenStarted(() => this.#host);
    queue.on('error', (error) => host.failed(`bullmq ${name}`, `The queue ${name} has an error`, error));
    const send = (jobs: readonly InvalidationJob[]): Promise<unknown> =>
      queue.addBulk(jobs.map((job) => ({ name: job.rule, data: job, opts: { jobId: job.id } })));
    const sender = new Sender(`the queue ${name}`, send, host);
    this.#queues.set(key, { queue, sender });
    return sender;
  }

  /** Not awaited: there may never have been a connection. One of the application's own is not ours to end. */
  #disconnect(connected: Queue | Worker): void {
    if ('disconnect' in this.#options.connection) return;
    connected.disconnect().catch(() => undefined);
  }
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

/** BullMQ allows no colon in the name of a queue. */
function queueOf(namespace: string): string {
  return `${namespace.replaceAll(':', '.')}-invalidation`;
}
