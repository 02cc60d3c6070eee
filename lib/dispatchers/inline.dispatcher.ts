import type {
  DispatchContext,
  Dispatcher,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';

/**
 * The default dispatcher: runs jobs after the commit, in the process of the change. The write waits at most 100 ms for them.
 * Jobs whose tags were bumped at commit are skipped.
 *
 * Source: drf-restflow, `inline`.
 */
export class InlineDispatcher implements Dispatcher {
  async dispatch(jobs: readonly InvalidationJob[], { handle, rewarm }: DispatchContext): Promise<void> {
    // Runs all jobs even if one fails.
    const handled = jobs.filter(({ done }) => !done).map(async (job) => handle(job));
    const failed = (await Promise.allSettled(handled)).find((one) => one.status === 'rejected');
    await rewarm?.(jobs.filter(({ done }) => done));
    if (failed !== undefined) throw failed.reason;
  }
}
