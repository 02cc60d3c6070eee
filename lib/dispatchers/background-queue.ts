import { randomUUID } from 'node:crypto';
import type { InvalidationJob } from '../invalidation/jobs/dispatcher.interface.js';

/** A job of more tags than this takes coarser ones, when jobs are put together. */
const MAX_TAGS = 1_000;

/**
 * Jobs that wait. When there are too many they are put together, with coarser tags where those are too many too: what is
 * invalidated only grows, and nothing is dropped.
 */
export class BackgroundQueue {
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
    if (this.#jobs.length > this.limit) this.#coalesce();
  }

  next(): InvalidationJob | undefined {
    return this.#jobs.shift();
  }

  /** Up to so many, the oldest first. */
  take(count: number): InvalidationJob[] {
    return this.#jobs.splice(0, count);
  }

  /** At most one job of each mode is left, and nothing to be computed anew: there is too much to do already. */
  #coalesce(): void {
    const modes = new Map<string, InvalidationJob[]>();
    for (const job of this.#jobs) modes.set(job.mode, [...(modes.get(job.mode) ?? []), job]);
    this.#jobs = [...modes.values()].map(([{ rewarm: _tooMany, ...first }, ...others]) => ({
      ...first,
      // A queue that has the first of them already must not take this for the same.
      id: randomUUID(),
      done: [first, ...others].every(({ done }) => done),
      tags: this.#few(new Set([first, ...others].flatMap(({ tags }) => tags))),
    }));
  }

  #few(tags: ReadonlySet<string>): readonly string[] {
    if (tags.size <= MAX_TAGS) return [...tags];
    const coarse = new Set([...tags].map((tag) => this.coarser(tag) ?? tag));
    return coarse.size < tags.size ? this.#few(coarse) : [...coarse];
  }
}
