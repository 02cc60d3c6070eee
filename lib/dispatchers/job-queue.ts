import { randomUUID } from 'node:crypto';
import type { InvalidationJob } from '../invalidation/jobs/dispatcher.interface.js';

/** A merged job with more tags than this gets coarser ones. */
const MAX_TAGS = 1_000;

/**
 * A bounded queue of jobs. If there are too many they are merged, with coarser tags if there are too many tags: more is
 * invalidated than necessary, never less.
 */
export class JobQueue {
  #jobs: InvalidationJob[] = [];

  constructor(
    private readonly limit: number,
    private readonly coarser: (tag: string) => string | undefined,
  ) {}

  get size(): number {
    return this.#jobs.length;
  }

  add(job: InvalidationJob): void {
    this.#jobs.push(job);
    if (this.#jobs.length > this.limit) this.#merge();
  }

  next(): InvalidationJob | undefined {
    return this.#jobs.shift();
  }

  /** Removes and returns up to `count` jobs, oldest first. */
  take(count: number): InvalidationJob[] {
    return this.#jobs.splice(0, count);
  }

  /** Merges the jobs to one for each mode. It has no rewarms: the process is overloaded already. */
  #merge(): void {
    const modes = new Map<string, InvalidationJob[]>();
    for (const job of this.#jobs) modes.set(job.mode, [...(modes.get(job.mode) ?? []), job]);
    this.#jobs = [...modes.values()].map(([{ rewarm: _dropped, ...first }, ...others]) => ({
      ...first,
      // New id: otherwise the queue deduplicates it against the first job.
      id: randomUUID(),
      done: [first, ...others].every(({ done }) => done),
      tags: this.#reduce(new Set([first, ...others].flatMap(({ tags }) => tags))),
    }));
  }

  #reduce(tags: ReadonlySet<string>): readonly string[] {
    if (tags.size <= MAX_TAGS) return [...tags];
    const coarse = new Set([...tags].map((tag) => this.coarser(tag) ?? tag));
    return coarse.size < tags.size ? this.#reduce(coarse) : [...coarse];
  }
}
