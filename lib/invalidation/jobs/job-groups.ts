import { randomUUID } from 'node:crypto';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { InvalidationJob } from './dispatcher.interface.js';

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
