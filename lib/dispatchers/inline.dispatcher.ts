import type {
  DispatchContext,
  Dispatcher,
  InvalidationJob,
} from '../invalidation/jobs/dispatcher.interface.js';

/**
 * The default: the work runs after the commit, in the process that made the change, and the write waits for it (at most
 * 100 ms). What was invalidated at commit is not done twice.
 *
 * Source: drf-restflow, `inline`.
 */
export class InlineDispatcher implements Dispatcher {
  async dispatch(jobs: readonly InvalidationJob[], { handle, rewarm }: DispatchContext): Promise<void> {
    // One that fails keeps no other from being carried out.
    const handled = jobs.filter(({ done }) => !done).map(async (job) => handle(job));
    const failed = (await Promise.allSettled(handled)).find((one) => one.status === 'rejected');
    await rewarm?.(jobs.filter(({ done }) => done));
    if (failed !== undefined) throw failed.reason;
  }
}
