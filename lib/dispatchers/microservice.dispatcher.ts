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
import { text } from '../common/options.js';
import { DispatcherOptions } from './options.js';
import { closing, Sender, stateOfAll } from './sender.js';

/** The event that jobs of a namespace are emitted as. */
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
 * Options of {@link microserviceDispatcher}. `dispatcherConfig` of a rule may say `pattern` for that rule alone.
 *
 * @publicApi
 */
export interface MicroserviceOptions {
  /** A ClientProxy of @nestjs/microservices, of any transport. It is closed with the application. */
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
 * The `microservice` dispatcher: jobs are emitted as events after the commit, through any transport of
 * @nestjs/microservices. `invalidationController()` carries them out on the other side.
 *
 * @throws CacheConfigurationError for options that cannot work
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
  #host: DispatcherHost | undefined;
  #connecting: Promise<unknown> | undefined;
  readonly #senders = new Map<string, Sender>();

  constructor(options: MicroserviceOptions) {
    this.#options = OPTIONS.read(options);
  }

  check(config: object): void {
    OPTIONS.checkRule(config);
  }

  start(host: DispatcherHost): void {
    this.#host = host;
    this.#options = OPTIONS.read(this.#options, host.config);
    // The broker may be down: the first jobs then wait for it, not the boot.
    this.#connecting = this.#options.client
      .connect()
      .catch((error: unknown) => this.#failed('connect', 'The broker is away', error));
  }

  dispatch(jobs: readonly InvalidationJob[], { config }: DispatchContext): MaybePromise<void> {
    const { pattern = patternOf(jobs[0]!.namespace) } = OPTIONS.read(this.#options, config);
    let sender = this.#senders.get(pattern);
    if (sender === undefined) {
      const host = { coarser: (tag: string) => this.#host?.coarser(tag), failed: this.#failed };
      sender = new Sender(`the event ${pattern}`, (some) => this.#emit(pattern, some), host);
      this.#senders.set(pattern, sender);
    }
    return sender.add(jobs);
  }

  state(): DispatcherState {
    return stateOfAll(this.#senders.values());
  }

  async close(): Promise<void> {
    const senders = [...this.#senders.values()];
    this.#senders.clear();
    await Promise.all(senders.map((sender) => sender.close()));
    // The client of RabbitMQ throws an error that nobody can catch when it is closed while it connects.
    await closing(this.#connecting);
    await closing(Promise.resolve(this.#options.client.close()));
  }

  async #emit(pattern: string, jobs: readonly InvalidationJob[]): Promise<void> {
    const { client } = this.#options;
    await Promise.all(
      jobs.map((job) => lastValueFrom(client.emit(pattern, job), { defaultValue: undefined })),
    );
  }

  readonly #failed = (topic: string, message: string, error: unknown): void =>
    this.#host?.failed(`microservice ${topic}`, message, reasonOf(error));
}

/** The client of RabbitMQ rejects with `{ err, url }`. */
function reasonOf(error: unknown): unknown {
  return (error as { err?: unknown } | null)?.err ?? error;
}
