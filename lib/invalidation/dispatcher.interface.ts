import type { InvalidationMode, MaybePromise } from '../stores/store.interface.js';

/**
 * The work of invalidation that a change asked for: plain JSON. The tags were computed where the change was seen, so
 * any worker of the namespace can carry it out, whatever build it runs.
 *
 * @publicApi
 */
export interface InvalidationJob {
  /** Unique; carrying a job out twice does no harm. */
  readonly id: string;
  readonly namespace: string;
  readonly rule: string;
  readonly tags: readonly string[];
  readonly mode: InvalidationMode;
  /** False when the tags were not yet invalidated at commit (`eager: false`). */
  readonly done: boolean;
}

/** Carries a job out: invalidates its tags in every store. */
export type JobHandler = (job: InvalidationJob) => MaybePromise<void>;

/** What a dispatcher is told about the rules that its jobs come from. */
export interface DispatchContext {
  /** `dispatcherConfig` of the rules, laid over `dispatcherSettings` of the module. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly handle: JobHandler;
}

/**
 * Decides where and how durably the work of invalidation runs. Tags were already invalidated at commit, unless a rule
 * says `eager: false`; a dispatcher repeats that where it must not be lost.
 *
 * @example
 * @InvalidationDispatcher('my-runtime')
 * class MyDispatcher implements Dispatcher {
 *   dispatch(jobs: readonly InvalidationJob[], { handle }: DispatchContext) { … }
 * }
 *
 * @publicApi
 */
export interface Dispatcher {
  dispatch(jobs: readonly InvalidationJob[], context: DispatchContext): MaybePromise<void>;
}
