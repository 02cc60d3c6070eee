import { randomUUID } from 'node:crypto';
import type { KeySpace } from '../../cache/key-space.js';
import { RestflowCacheError } from '../../common/errors.js';
import { excerpt } from '../../common/messages.js';
import { isRewarm, type Rewarm } from '../rewarm/rewarm.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { InvalidationJob } from './dispatcher.interface.js';

/**
 * A job that can never run here: it is malformed, or of another namespace. A queue need not retry it.
 *
 * @publicApi
 */
export class InvalidationJobError extends RestflowCacheError {}

/** Checks what a queue delivered. @throws InvalidationJobError for anything but a job of this namespace */
export function readJob(delivered: unknown, space: KeySpace): InvalidationJob {
  const job = delivered as InvalidationJob;
  if (!isJob(job)) {
    throw new InvalidationJobError(
      'JOB_MALFORMED',
      `A queue delivered something other than an invalidation job: ${excerpt(delivered)}. Use a separate queue for invalidations.`,
    );
  }
  // coarser() knows only tags of this namespace.
  const isOurs = (tag: string): boolean => tag === space.allTag || space.coarser(tag) !== undefined;
  if (job.namespace === space.namespace && job.tags.every(isOurs)) return job;
  throw new InvalidationJobError(
    'JOB_NAMESPACE',
    `The invalidation job ${excerpt(job.id)} is of the namespace ${excerpt(job.namespace)}, this application has '${space.namespace}'. ` +
      `Use a separate queue for each namespace, or the same namespace in both applications.`,
  );
}

/** Tells whether a job still has work, for a dispatcher that does not repeat invalidations which are done. */
export function hasWork({ done, rewarm }: InvalidationJob): boolean {
  return !done || rewarm !== undefined;
}

/** The valid entries of `rewarm` of a delivered job: another build may have written it. */
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

/** Jobs that are passed to a dispatcher together. */
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
 * @param settings settings of the dispatcher, which the configuration of a rule overrides
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
    jobs: [...alone, ...[...batches.values()].map(merge)],
  }));
}

/** Merges jobs into one, which succeeds or fails as a whole. */
function merge(jobs: readonly InvalidationJob[]): InvalidationJob {
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

/** Equal configurations have the same key; a configuration that JSON cannot represent has none. */
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
