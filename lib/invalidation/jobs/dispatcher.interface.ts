import type { DispatcherState } from '../../observability/metrics.js';
import type { InvalidationMode, MaybePromise } from '../../stores/store.interface.js';
import type { Rewarm } from '../rewarm/rewarm.js';

/**
 * The work of invalidation that a change asked for: plain JSON. The tags were computed where the change was seen, so
 * any worker of the namespace can carry it out, whatever build it runs.
 *
 * @publicApi
 */
export interface InvalidationJob {
  /** Unique; carrying a job out twice does no harm. */
  readonly id: string;
  /** That of the application: workers of others refuse it. */
  readonly namespace: string;
  /** The id of the rule that asked for it. */
  readonly rule: string;
  /** What to drop, complete. */
  readonly tags: readonly string[];
  /** Whether what is dropped may be served as stale while it is loaded anew. */
  readonly mode: InvalidationMode;
  /** False when the tags were not yet invalidated when the job was made (`eager: false`, or before the commit). */
  readonly done: boolean;
  /** What to compute anew once the tags are invalidated, for rules with `rewarm: true`; left out where there is nothing. */
  readonly rewarm?: readonly Rewarm[] | undefined;
}

/**
 * Carries a job out: invalidates its tags in every store; what its rules want computed anew then is, in the background. It takes what a queue delivered, as it was delivered.
 *
 * @throws InvalidationJobError for what can never be carried out, so need not be tried again
 */
export type JobHandler = (job: unknown) => MaybePromise<void>;

/**
 * What a dispatcher is told about the rules that its jobs come from.
 *
 * @publicApi
 */
export interface DispatchContext {
  /** `dispatcherConfig` of the rules, laid over `dispatcherSettings` of the module. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Carries a job out, in this process. */
  readonly handle: JobHandler;
  /** Computes anew what the rules of jobs want so, and invalidates nothing: for jobs that are `done`, in this process. Never rejects. */
  readonly rewarm?: ((jobs: readonly InvalidationJob[]) => MaybePromise<void>) | undefined;
}

/** How a dispatcher carries out jobs in the process of the change. */
export type JobWork = Omit<DispatchContext, 'config'>;

/**
 * The open transaction of a change, about to be committed.
 *
 * @publicApi
 */
export interface ChangeTransaction {
  /** TypeORM's query runner of the transaction: what it runs is committed with the change, or not at all. */
  readonly queryRunner: {
    query(sql: string, parameters?: unknown[], structured?: boolean): Promise<unknown>;
  };
  /** TypeORM's DataSource. */
  readonly dataSource: object;
}

/**
 * The application, as a dispatcher that works jobs sees it.
 *
 * @publicApi
 */
export interface DispatcherHost {
  /** That of the application. */
  readonly namespace: string;
  /** `dispatcherSettings` of the module for this dispatcher. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Carries a job out, in this process. */
  readonly handle: JobHandler;
  /** The TypeORM DataSources that the module watches. */
  readonly dataSources: readonly object[];
  /** A tag that covers this one and more; `undefined` where it covers the whole cache already. */
  coarser(tag: string): string | undefined;
  /** Logs a failure, once for each topic. */
  failed(topic: string, message: string, error: unknown): void;
}

/**
 * Decides where and how durably the work of invalidation runs. Tags are invalidated at commit, unless a rule says
 * `eager: false`; a dispatcher repeats that where it must not be lost.
 *
 * A dispatcher with `enqueue` is durable: it is given its jobs before COMMIT, and a rejection fails the transaction.
 *
 * @example
 * @InvalidationDispatcher('my-runtime')
 * class MyDispatcher implements Dispatcher {
 *   dispatch(jobs: readonly InvalidationJob[], { handle }: DispatchContext) { … }
 * }
 *
 * Source: drf-restflow, Dispatchers.
 * @publicApi
 */
export interface Dispatcher {
  /** Takes jobs over after the commit. The write waits for it at most 100 ms; what it throws is logged. */
  dispatch(jobs: readonly InvalidationJob[], context: DispatchContext): MaybePromise<void>;
  /**
   * Writes jobs inside the transaction of the change, through its query runner. What could not be enqueued there (a
   * statement without a transaction) is given to `dispatch` after the fact.
   */
  enqueue?(
    jobs: readonly InvalidationJob[],
    context: DispatchContext,
    transaction: ChangeTransaction,
  ): Promise<void>;
  /** Called at boot with the `dispatcherConfig` of each rule. Throws for what cannot work: the boot then fails. */
  check?(config: Readonly<Record<string, unknown>>): void;
  /** How it is, as far as it knows, for `cache.health()`: answers at once, asks nobody. */
  state?(): DispatcherState;
  /** Called when the application has started: begins to work jobs, where the dispatcher does. */
  start?(host: DispatcherHost): MaybePromise<void>;
  /**
   * Called when the application shuts down, while its stores and data sources still answer. Requests that are under way may still
   * dispatch; then it is called once more, after the last of them.
   */
  close?(): MaybePromise<void>;
}
