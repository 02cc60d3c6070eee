import type { ShutdownDeadline } from '../../common/async.js';
import type { DispatcherState } from '../../observability/metrics.js';
import type { InvalidationMode, MaybePromise } from '../../stores/store.interface.js';
import type { Rewarm } from '../rewarm/rewarm.js';

/**
 * The invalidation that a rule derived from a change, as plain JSON. The tags were computed in the process of the change, so
 * any worker of the namespace can run the job, whichever build it runs.
 *
 * @publicApi
 */
export interface InvalidationJob {
  /** Unique. Running a job twice does no harm. */
  readonly id: string;
  /** Namespace of the application: workers of other namespaces reject the job. */
  readonly namespace: string;
  /** Id of the rule that made the job. */
  readonly rule: string;
  /** All tags to drop. */
  readonly tags: readonly string[];
  /** `'expire'` if dropped entries may be served stale while they are loaded again; else `'purge'`. */
  readonly mode: InvalidationMode;
  /** False if the tags were not yet invalidated when the job was made (`eager: false`, or before the commit). */
  readonly done: boolean;
  /** Entries to compute again after the invalidation, for rules with `rewarm: true`; omitted if there are none. */
  readonly rewarm?: readonly Rewarm[] | undefined;
  /** The trace that dispatched it, as headers of W3C Trace Context; only where something traces. */
  readonly trace?: Readonly<Record<string, string>> | undefined;
}

/**
 * Runs a job, given as the queue delivered it: invalidates its tags in every store, then computes the entries of `rewarm` in the
 * background.
 *
 * @throws InvalidationJobError for a job that can never run, so the queue need not retry it
 */
export type JobHandler = (job: unknown) => MaybePromise<void>;

/**
 * What a dispatcher gets with its jobs: the configuration of their rules, and the functions that run them in this process.
 *
 * @publicApi
 */
export interface DispatchContext {
  /** `dispatcherSettings` of the module, overridden by `dispatcherConfig` of the rules. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Runs a job in this process. */
  readonly handle: JobHandler;
  /** Computes the entries of `rewarm` in this process, without invalidating: for jobs that are `done`. Never rejects. */
  readonly rewarm?: ((jobs: readonly InvalidationJob[]) => MaybePromise<void>) | undefined;
}

/** The functions with which a dispatcher runs jobs in the process of the change. */
export type JobWork = Omit<DispatchContext, 'config'>;

/**
 * The open transaction of a change, about to be committed.
 *
 * @publicApi
 */
export interface ChangeTransaction {
  /** TypeORM's query runner of the transaction: its statements are committed with the change, or rolled back with it. */
  readonly queryRunner: {
    query(sql: string, parameters?: unknown[], structured?: boolean): Promise<unknown>;
  };
  /** TypeORM's DataSource. */
  readonly dataSource: object;
}

/**
 * The application, for a dispatcher that runs jobs of a queue.
 *
 * @publicApi
 */
export interface DispatcherHost {
  /** Namespace of the application. */
  readonly namespace: string;
  /** `dispatcherSettings` of the module for this dispatcher. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Runs a job in this process. */
  readonly handle: JobHandler;
  /** The TypeORM DataSources that the module watches. */
  readonly dataSources: readonly object[];
  /** The next wider tag, which covers this one; `undefined` for the tag of the whole cache. */
  coarser(tag: string): string | undefined;
  /** Logs a failure, once for each topic. */
  failed(topic: string, message: string, error: unknown): void;
}

/**
 * Decides where invalidation jobs run and how durable they are. The process of a change invalidates the tags itself at commit,
 * unless a rule says `eager: false`; a durable dispatcher repeats it, in case that process crashes.
 *
 * A dispatcher with `enqueue` is durable: it gets its jobs before COMMIT, and a rejection fails the transaction.
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
  /** Takes jobs after the commit. The write waits for it at most 100 ms; an error is logged. */
  dispatch(jobs: readonly InvalidationJob[], context: DispatchContext): MaybePromise<void>;
  /**
   * Writes jobs inside the transaction of the change, through its query runner. Jobs of a statement without a transaction
   * go to `dispatch` after it.
   */
  enqueue?(
    jobs: readonly InvalidationJob[],
    context: DispatchContext,
    transaction: ChangeTransaction,
  ): Promise<void>;
  /** Called at boot with the `dispatcherConfig` of each rule. If it throws CacheConfigurationError, the boot fails. */
  check?(config: Readonly<Record<string, unknown>>): void;
  /** The last known state, for `cache.health()`. Synchronous; makes no request. */
  state?(): DispatcherState;
  /** Called when the application has started. A dispatcher that runs jobs of a queue starts doing so here. */
  start?(host: DispatcherHost): MaybePromise<void>;
  /**
   * Called when the application shuts down, while its stores and DataSources are still open. Requests that still run may dispatch
   * further jobs; then it is called once more, after the last request.
   * @param deadline what is left of `shutdownTimeout`: beyond it, nobody waits for the dispatcher any more
   */
  close?(deadline?: ShutdownDeadline): MaybePromise<void>;
}
