import { RestflowCacheError } from '../../common/errors.js';
import type { KeySpace } from '../../cache/key-space.js';
import type { InvalidationJob } from './dispatcher.interface.js';
import { excerpt } from '../../common/messages.js';
import type { Rewarm } from '../rewarm/rewarm.interface.js';

/**
 * A job that can never be carried out here: it is malformed, or of another namespace. A queue need not try it again.
 *
 * @publicApi
 */
export class InvalidationJobError extends RestflowCacheError {}

/** Reads what a queue delivered. @throws InvalidationJobError for what is no job of this namespace */
export function readJob(delivered: unknown, space: KeySpace): InvalidationJob {
  const job = delivered as InvalidationJob;
  if (!isJob(job)) {
    throw new InvalidationJobError(
      'JOB_MALFORMED',
      `This is no invalidation job: ${excerpt(delivered)}. A queue of invalidations must hold nothing else.`,
    );
  }
  // A tag of another namespace has nothing coarser here.
  const isOurs = (tag: string): boolean => tag === space.allTag || space.coarser(tag) !== undefined;
  if (job.namespace === space.namespace && job.tags.every(isOurs)) return job;
  throw new InvalidationJobError(
    'JOB_NAMESPACE',
    `The invalidation job ${job.id} is of the namespace '${job.namespace}', this application has '${space.namespace}'. ` +
      `Give each namespace a queue of its own, or both applications the same namespace.`,
  );
}

/** Whether there is anything left to do for a job: in a dispatcher that does not repeat what was done. */
export function isLeft({ done, rewarm }: InvalidationJob): boolean {
  return !done || rewarm !== undefined;
}

/** What a delivered job wants computed anew; another build may have written it. */
export function rewarmsOf({ rewarm }: InvalidationJob): readonly Rewarm[] {
  return Array.isArray(rewarm) ? (rewarm as Rewarm[]).filter((one) => typeof one?.method === 'string') : [];
}

function isJob(job: Partial<Record<keyof InvalidationJob, unknown>> | null): boolean {
  return (
    typeof job === 'object' &&
    job !== null &&
    typeof job.id === 'string' &&
    typeof job.namespace === 'string' &&
    (job.mode === 'purge' || job.mode === 'expire') &&
    Array.isArray(job.tags) &&
    job.tags.every((tag) => typeof tag === 'string')
  );
}
