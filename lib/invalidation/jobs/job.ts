import { randomUUID } from 'node:crypto';
import type { KeySpace } from '../../cache/key-space.js';
import { RestflowCacheError } from '../../common/errors.js';
import { excerpt } from '../../common/messages.js';
import { isRewarm, type Rewarm } from '../rewarm/rewarm.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { InvalidationJob } from './dispatcher.interface.js';

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
    `The invalidation job ${excerpt(job.id)} is of the namespace ${excerpt(job.namespace)}, this application has '${space.namespace}'. ` +
      `Give each namespace a queue of its own, or both applications the same namespace.`,
  );
}

/** Whether there is anything left to do for a job: in a dispatcher that does not repeat what was done. */
export function isLeft({ done, rewarm }: InvalidationJob): boolean {
  return !done || rewarm !== undefined;
}

/** What a delivered job wants computed anew; another build may have written it. */
export function rewarmsOf({ rewarm }: InvalidationJob): readonly Rewarm[] {
  return Array.isArray(rewarm) ? (rewarm as unknown[]).filter(isRewarm) : [];
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

/** Jobs that are handed to a dispatcher together. */
export interface JobGroup {
  readonly config: Readonly<Record<string, unknown>>;
  readonly jobs: readonly InvalidationJob[];
}

interface OpenGroup {
  readonly config: JobGroup['config'];
  readonly alone: InvalidationJob[];
  /** The jobs of rules with `batch: true`, by mode. */
  readonly batches: Map<string, InvalidationJob[]>;
}

/**
 * Groups the jobs of one dispatcher by configuration; those of rules with `batch: true` become one job for each mode.
 *
 * @param jobs one for each of `rules`
 * @param settings of the dispatcher, under the configuration of each rule
 */
export function groupJobs(
  rules: readonly ActiveRule[],
  jobs: readonly InvalidationJob[],
  settings: JobGroup['config'],
): readonly JobGroup[] {
  const groups = new Map<string, OpenGroup>();
  rules.forEach((rule, i) => {
    const config = { ...settings, ...rule.options.dispatcherConfig };
    const key = groupKey(config) ?? rule.id;
    let group = groups.get(key);
    if (group === undefined) groups.set(key, (group = { config, alone: [], batches: new Map() }));
    const job = jobs[i]!;
    if (rule.options.batch !== true) group.alone.push(job);
    else group.batches.set(job.mode, [...(group.batches.get(job.mode) ?? []), job]);
  });
  return [...groups.values()].map(({ config, alone, batches }) => ({
    config,
    jobs: [...alone, ...[...batches.values()].map(asOne)],
  }));
}

/** One job of several, which is done, and fails, as a whole. */
function asOne(jobs: readonly InvalidationJob[]): InvalidationJob {
  if (jobs.length === 1) return jobs[0]!;
  const rewarm = jobs.flatMap((job) => job.rewarm ?? []);
  return {
    ...jobs[0]!,
    id: randomUUID(),
    rule: jobs.map(({ rule }) => rule).join(', '),
    tags: [...new Set(jobs.flatMap(({ tags }) => tags))],
    done: jobs.every(({ done }) => done),
    ...(rewarm.length > 0 && { rewarm }),
  };
}

/** Equal configurations have one key; those that JSON cannot tell apart have none. */
function groupKey(config: JobGroup['config']): string | undefined {
  try {
    return JSON.stringify(config, (_, value: unknown) => {
      if (typeof value === 'function') throw new TypeError('Functions have no JSON.');
      return value;
    });
  } catch {
    return undefined;
  }
}
