import type { DispatchContext, Dispatcher, InvalidationJob } from '../invalidation/dispatcher.interface.js';

/**
 * The default: the work runs after the commit, in the process that made the change, and the write waits for it (at most
 * 100 ms). What was invalidated at commit is not done twice.
 *
 * Source: drf-restflow, `inline`.
 */
export class InlineDispatcher implements Dispatcher {
  async dispatch(jobs: readonly InvalidationJob[], { handle, rewarm }: DispatchContext): Promise<void> {
    for (const job of jobs) if (!job.done) await handle(job);
    await rewarm?.(jobs.filter(({ done }) => done));
  }
}
