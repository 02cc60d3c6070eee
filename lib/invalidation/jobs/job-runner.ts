import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { excerpt } from '../../common/messages.js';
import { activeTracer } from '../../observability/tracing.js';
import type { MaybePromise } from '../../stores/store.interface.js';
import type { Rewarmer } from '../rewarm/rewarmer.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { InvalidationJob, JobHandler } from './dispatcher.interface.js';
import { readJob, rewarmsOf } from './job.js';
import type { CommitOutcome, RuleFailures } from './rule-failures.js';

/** Runs jobs in this process. */
export class JobRunner {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly failures: RuleFailures,
    private readonly rewarmer: Rewarmer | undefined,
  ) {}

  /**
   * Runs a job that a dispatcher or a queue delivered. Running it twice does no harm.
   * @param by the dispatcher that delivered it
   * @throws InvalidationJobError for anything but a job of this namespace
   */
  handle(delivered: unknown, by = 'InvalidationWorker'): MaybePromise<void> {
    const job = readJob(delivered, this.runtime.space);
    this.runtime.invalidationHistory?.note(job.tags, 'a job of a dispatcher');
    if (rewarmsOf(job).length !== (job.rewarm?.length ?? 0)) this.#reportMalformed(job, by);
    const done = (): void => {
      this.runtime.counters.dispatcher(by).carriedOut++;
      // In the background: entries that the next job invalidates are stale until it runs.
      this.recompute([job]);
    };
    const run = (): MaybePromise<void> => {
      const bumped = this.runtime.bump(job.tags, job.mode, 'job');
      return bumped instanceof Promise ? bumped.then(done) : done();
    };
    const attributes = { 'cache.namespace': job.namespace, 'cache.dispatcher': by, 'cache.rule': job.rule };
    const tracer = activeTracer();
    return tracer === undefined ? run() : tracer.job(job.trace, attributes, run);
  }

  #reportMalformed({ rewarm }: InvalidationJob, by: string): void {
    this.runtime.log.warn(
      `malformed rewarm ${by}`,
      `A job that ${by} delivered asks to recompute malformed entries, which stay dropped: ${excerpt(rewarm)}`,
    );
  }

  /** Computes the entries of `rewarm` of jobs, in the background. */
  recompute(jobs: readonly InvalidationJob[]): void {
    void this.rewarmer?.add(jobs.flatMap(rewarmsOf));
  }

  /** Computes the entries of `rewarm` for a write that waits. Failures are logged, and added to the outcome if the rule raises. */
  async recomputeFor(
    jobs: readonly InvalidationJob[],
    rules: readonly ActiveRule[],
    outcome: CommitOutcome,
  ): Promise<void> {
    const rewarms = jobs.flatMap(rewarmsOf);
    const errors = (await this.rewarmer?.addFor(rewarms)) ?? [];
    for (const [i, error] of errors.entries()) {
      if (error === undefined) continue;
      const asked = rules.filter((rule) => outcome.rewarms.of(rule).includes(rewarms[i]!));
      if (asked.some((rule) => this.failures.raises(rule))) outcome.errors.push(error);
    }
  }
}

/**
 * Runs jobs that your own code delivers: a consumer of Kafka or SQS, a cron job, a serverless function. The process needs only
 * the application's store and namespace, not its cached classes.
 *
 * @example
 * constructor(private readonly worker: InvalidationWorker) {}
 * await this.worker.handle(JSON.parse(message.body));
 *
 * @publicApi
 */
export class InvalidationWorker {
  readonly #handle: JobHandler;

  constructor(handle: JobHandler) {
    this.#handle = handle;
  }

  /**
   * Invalidates the tags of a job. Running jobs twice or out of order does no harm.
   *
   * @param job an `InvalidationJob`, as it was delivered
   * @throws InvalidationJobError for anything but a job of this namespace: do not retry
   * @throws the error of the store: retry later
   */
  async handle(job: unknown): Promise<void> {
    await this.#handle(job);
  }
}
