import { lastValueFrom, type Observable } from 'rxjs';
import type {
  DispatchContext,
  Dispatcher,
  DispatcherHost,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';
import type { DispatcherState } from '../observability/metrics.js';
import type { MaybePromise } from '../stores/store.interface.js';
import { InvalidationDispatcher } from './invalidation-dispatcher.decorator.js';
import { Deadline, type ShutdownDeadline } from '../common/async.js';
import { text } from '../common/options.js';
import { DispatcherOptions } from './options.js';
import { Sender, Senders } from './sender.js';

/** The default event pattern of a namespace. */
export function patternOf(namespace: string): string {
  return `${namespace}.invalidation`;
}

/**
 * The parts of a ClientProxy of @nestjs/microservices that the dispatcher uses.
 *
 * @publicApi
 */
export interface EventClient {
  connect(): Promise<unknown>;
  emit(pattern: string, data: unknown): Observable<unknown>;
  close(): unknown;
}

/**
 * Options of {@link microserviceDispatcher}. `dispatcherConfig` of a rule may override `pattern`.
 *
 * @publicApi
 */
export interface MicroserviceOptions {
  /** A ClientProxy of @nestjs/microservices with any transport. It is closed with the application. */
  client: EventClient;
  /** The event pattern. Default: the namespace and `.invalidation`. */
  pattern?: string | undefined;
}

const OPTIONS = new DispatcherOptions<MicroserviceOptions>(
  'microservice',
  {
    client: [(value) => typeof (value as EventClient | null)?.emit === 'function', 'a ClientProxy'],
    pattern: text,
  },
  { required: ['client'], ofRules: ['pattern'] },
);

type Options = Pick<MicroserviceOptions, 'client' | 'pattern'>;

/**
 * The `microservice` dispatcher: emits jobs as events after the commit, through any transport of @nestjs/microservices.
 * `invalidationController()` runs them in the receiving process.
 *
 * @throws CacheConfigurationError for invalid options
 * @example
 * const client = ClientProxyFactory.create({ transport: Transport.RMQ, options: { urls, queue: 'invalidation' } });
 * RestflowCacheModule.forRoot({ store, dispatchers: [microserviceDispatcher({ client })] })
 *
 * Source: drf-restflow, `dramatiq`.
 * @publicApi
 */
export function microserviceDispatcher(options: MicroserviceOptions): Dispatcher {
  return new MicroserviceDispatcher(options);
}

@InvalidationDispatcher('microservice')
class MicroserviceDispatcher implements Dispatcher {
  #options: Options;
  #connecting: Promise<unknown> | undefined;
  readonly #senders = new Senders();

  constructor(options: MicroserviceOptions) {
    this.#options = OPTIONS.read(options);
  }

  check(config: object): void {
    OPTIONS.checkRule(config);
  }

  start(host: DispatcherHost): void {
    this.#senders.start(host);
    this.#options = OPTIONS.read(this.#options, host.config);
    // Not awaited: if the broker is unavailable, the first jobs wait for it and not the boot.
    this.#connecting = this.#options.client
      .connect()
      .catch((error: unknown) =>
        this.#failed(
          'connect',
          'The client could not connect to its broker, so invalidation jobs wait in memory',
          error,
        ),
      );
  }

  dispatch(jobs: readonly InvalidationJob[], { config }: DispatchContext): MaybePromise<void> {
    const { pattern = patternOf(jobs[0]!.namespace) } = OPTIONS.read(this.#options, config);
    const host = { coarser: (tag: string) => this.#senders.coarser(tag), failed: this.#failed };
    const sender = this.#senders.of(
      pattern,
      () => new Sender(`the event ${pattern}`, (some) => this.#emit(pattern, some), host),
    );
    return sender.add(jobs);
  }

  state(): DispatcherState {
    return this.#senders.state();
  }

  async close(deadline: ShutdownDeadline = new Deadline()): Promise<void> {
    await this.#senders.close(deadline);
    // The RabbitMQ client throws an uncaught error if it is closed while it connects.
    await deadline.wait(Promise.resolve(this.#connecting));
    await deadline.wait(Promise.resolve(this.#options.client.close()));
  }

  async #emit(pattern: string, jobs: readonly InvalidationJob[]): Promise<void> {
    const { client } = this.#options;
    await Promise.all(
      jobs.map((job) => lastValueFrom(client.emit(pattern, job), { defaultValue: undefined })),
    );
  }

  readonly #failed = (topic: string, message: string, error: unknown): void =>
    this.#senders.failed(`microservice ${topic}`, message, reasonOf(error));
}

/** The RabbitMQ client rejects with `{ err, url }`. */
function reasonOf(error: unknown): unknown {
  return (error as { err?: unknown } | null)?.err ?? error;
}
