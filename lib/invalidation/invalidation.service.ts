import type { CacheRuntime } from '../cache/cache-runtime.js';
import { currentLoad } from '../cache/load-context.js';
import { BumpQueuedError } from '../stores/store-host.js';
import type { InvalidationMode, MaybePromise } from '../stores/store.interface.js';
import type { ActiveRule } from './active-rule.interface.js';
import type { Change } from './change.interface.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';
import type { ChangeTransaction, InvalidationJob, JobWork } from './dispatcher.interface.js';
import { DurableJobs, type RulesOf } from './durable-jobs.js';
import { InvalidationPlan, jobOf, NOTHING, union, type RuleTags } from './invalidation-plan.js';
import { readJob, rewarmsOf } from './job.js';
import { LateBumps } from './late-bumps.js';
import { InvalidationFailedError } from './raised-error.js';
import type { Rewarmer } from './rewarmer.js';
import { Rewarms } from './rewarms.js';

/** A write waits this long for its invalidations; then they go on in the background. Milliseconds. */
const MAX_WAIT = 100;

/**
 * The flow of a change: committed changes → rules and custom invalidators → tags → bump now → dispatcher.
 */
export class InvalidationService {
  readonly #durable: DurableJobs;
  readonly #late: LateBumps | undefined;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    private readonly raiseException: boolean,
    replicaLag = 0,
    private readonly rewarmer?: Rewarmer,
  ) {
    if (replicaLag > 0) this.#late = new LateBumps(runtime, replicaLag);
    this.#durable = new DurableJobs(
      runtime,
      dispatchers,
      { handle: (job) => this.handle(job), rewarm: () => undefined },
      (rule, error) => this.#report(rule, error),
      () => this.#rewarms(),
    );
  }

  /** Whether the jobs of a rule are written inside the transaction of the change. */
  isDurable(rule: ActiveRule): boolean {
    return this.dispatchers.isDurable(rule.dispatcher);
  }

  /**
   * Writes what durable dispatchers are to do into the transaction that is about to be committed. Rejects when that fails,
   * and only then: the transaction must not be committed without it.
   */
  committing(
    changes: readonly Change[],
    rulesOf: RulesOf,
    transaction: ChangeTransaction,
  ): Promise<void> | undefined {
    return this.#durable.write(changes, rulesOf, transaction);
  }

  /**
   * Carries out what committed changes ask for. Never throws.
   * @param rulesOf the rules that a change concerns
   * @param replicated whether loads may read what changed from a replica: then it is bumped again after `replicaLag`
   * @returns nothing when all is done; else a promise that the write awaits, for at most 100 ms. Rejects only for rules
   * whose errors are to be raised.
   */
  committed(changes: readonly Change[], rulesOf: RulesOf, replicated = false): MaybePromise<void> {
    const late = replicated ? this.#late : undefined;
    const outcome = new Outcome(this.#rewarms(late));
    const failed = (rule: ActiveRule, error: unknown): void => this.#failed([rule], error, outcome);
    const plan = new InvalidationPlan(this.runtime.space, failed, outcome.rewarms);
    for (const change of changes)
      for (const rule of rulesOf(change)) if (!this.#durable.has(rule, change)) plan.add(rule, change);
    const written = this.#durable.of(changes);
    for (const [rule, error] of written.failures) if (this.#raises(rule)) outcome.errors.push(error);
    const done = this.#carryOut(plan.complete().decided, outcome, late, written.tags);
    if (plan.undecided.size === 0)
      return done instanceof Promise ? this.#atMost(done.then(() => outcome.raise())) : outcome.raise();
    // What is known does not wait for invalidators that take their time.
    const later = [...plan.undecided].map(([rule, spoken]) =>
      spoken.then(() => this.#carryOut(plan.of(rule), outcome, late)),
    );
    return this.#atMost(
      Promise.all([done, ...later]).then(() => outcome.raise()),
      () => this.#widen(plan),
    );
  }

  /** The write returns before a custom invalidator has spoken: until it has, all it might drop counts as changed. */
  #widen(plan: InvalidationPlan): void {
    void Promise.resolve(this.#bump(plan.widen(), new Outcome(plan.rewarms)));
  }

  #rewarms(late?: LateBumps): Rewarms {
    let refusal: string | undefined;
    if (late !== undefined) refusal = 'what replicas have is invalidated once more after replicaLag';
    // Else a method that writes what it depends on would be computed for ever.
    else if (currentLoad() !== undefined) refusal = 'the change was made inside a cached method';
    return new Rewarms(this.runtime.log, refusal);
  }

  /**
   * Bumps, then dispatches, whatever became of the bumps: a durable dispatcher is there to repeat them.
   * @param written what a dispatcher has already: it is bumped only
   */
  #carryOut(
    tags: RuleTags,
    outcome: Outcome,
    late: LateBumps | undefined,
    written: RuleTags = NOTHING,
  ): MaybePromise<void> {
    if (tags.size === 0 && written.size === 0) return;
    const bumped = this.#bump(union(tags, written), outcome, late);
    return bumped instanceof Promise
      ? bumped.then(() => this.#dispatch(tags, outcome))
      : this.#dispatch(tags, outcome);
  }

  /** Bumps what is eager, all rules of a mode in one step. */
  #bump(tags: RuleTags, outcome: Outcome, late?: LateBumps): MaybePromise<void> {
    const purged = this.#bumpOf('purge', tags, outcome, late);
    const expired = this.#bumpOf('expire', tags, outcome, late);
    if (purged instanceof Promise || expired instanceof Promise)
      return Promise.all([purged, expired]).then(() => undefined);
  }

  #bumpOf(mode: InvalidationMode, tags: RuleTags, outcome: Outcome, late?: LateBumps): MaybePromise<void> {
    const rules: ActiveRule[] = [];
    for (const rule of tags.keys()) if (rule.mode === mode && rule.options.eager !== false) rules.push(rule);
    if (rules.length === 0) return;
    const all = new Set<string>();
    for (const rule of rules) for (const tag of tags.get(rule)!) all.add(tag);
    late?.add(all, mode);
    if (this.runtime.drops !== undefined)
      for (const rule of rules) this.runtime.drops.note(tags.get(rule)!, `rule ${rule.id}`);
    return this.#guarded(
      () => this.runtime.bump([...all], mode),
      (error) => {
        for (const rule of rules) outcome.unbumped.add(rule);
        this.#failed(rules, error, outcome);
      },
    );
  }

  #dispatch(tags: RuleTags, outcome: Outcome): MaybePromise<void> {
    const pending: Promise<void>[] = [];
    for (const [dispatcher, rules] of this.dispatchers.group([...tags.keys()])) {
      const isInline = this.dispatchers.isInline(dispatcher);
      if (isInline && rules.every((rule) => this.#isDone(rule, outcome) && !outcome.rewarms.has(rule)))
        continue;
      const jobs = rules.map((rule) => {
        const done = this.#isDone(rule, outcome);
        return jobOf(rule, tags.get(rule)!, this.runtime.space, done, outcome.rewarms.of(rule));
      });
      const work: JobWork = {
        handle: (job) => this.handle(job),
        rewarm: (done) => (isInline ? this.#rewarm(done, rules, outcome) : this.#startRewarms(done)),
      };
      const dispatched = this.#guarded(
        () => this.dispatchers.dispatch(dispatcher, rules, jobs, work),
        (error) => this.#failed(rules, error, outcome),
      );
      if (dispatched instanceof Promise) pending.push(dispatched);
    }
    if (pending.length > 0) return Promise.all(pending).then(() => undefined);
  }

  #isDone(rule: ActiveRule, { unbumped }: Outcome): boolean {
    return rule.options.eager !== false && !unbumped.has(rule);
  }

  /**
   * Carries out a job, here or in a worker. Doing it twice does no harm.
   * @throws InvalidationJobError for what is no job of this namespace
   */
  handle(delivered: unknown): MaybePromise<void> {
    const job = readJob(delivered, this.runtime.space);
    this.runtime.drops?.note(job.tags, 'a job of a dispatcher');
    const bumped = this.runtime.bump(job.tags, job.mode);
    // The next job must not wait for loads: what it invalidates is stale until it does.
    return bumped instanceof Promise
      ? bumped.then(() => this.#startRewarms([job]))
      : this.#startRewarms([job]);
  }

  #startRewarms(jobs: readonly InvalidationJob[]): void {
    void this.rewarmer?.add(jobs.flatMap(rewarmsOf));
  }

  /** The write waits. What failed is logged by then. */
  async #rewarm(
    jobs: readonly InvalidationJob[],
    rules: readonly ActiveRule[],
    outcome: Outcome,
  ): Promise<void> {
    const rewarms = jobs.flatMap((job) =>
      rewarmsOf(job).map((rewarm) => ({ rewarm, from: job.rule.split(', ') })),
    );
    const errors = (await this.rewarmer?.addFor(rewarms.map(({ rewarm }) => rewarm))) ?? [];
    for (const [i, error] of errors.entries()) {
      const raise = rules.some((rule) => rewarms[i]!.from.includes(rule.id) && this.#raises(rule));
      if (raise && error !== undefined) outcome.errors.push(error);
    }
  }

  #guarded(work: () => MaybePromise<void>, failed: (error: unknown) => void): MaybePromise<void> {
    try {
      const result = work();
      return result instanceof Promise ? result.catch(failed) : result;
    } catch (error) {
      failed(error);
    }
  }

  /** Errors of the cache stay in the log, unless a rule wants them raised. */
  #failed(rules: readonly ActiveRule[], error: unknown, outcome: Outcome): void {
    // What is queued was reported when the store went.
    if (!(error instanceof BumpQueuedError)) for (const rule of rules) this.#report(rule, error);
    if (rules.some((rule) => this.#raises(rule))) outcome.errors.push(error);
  }

  #raises(rule: ActiveRule): boolean {
    return (
      rule.options.raiseException ?? this.dispatchers.raiseException(rule.dispatcher) ?? this.raiseException
    );
  }

  #report(rule: ActiveRule, error: unknown): void {
    this.runtime.log.error(`rule ${rule.id}`, `The rule ${rule.id} failed`, error);
  }

  /** The work goes on; the write no longer waits for it. */
  #atMost(work: Promise<void>, onTimeout?: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.runtime.settings.clock.after(MAX_WAIT, () => {
        onTimeout?.();
        resolve();
      });
      void work.then(resolve, reject).finally(cancel);
    });
  }
}

/** What became of one commit: whose tags could not be invalidated, and errors to raise. */
class Outcome {
  readonly unbumped = new Set<ActiveRule>();
  readonly errors: unknown[] = [];

  constructor(readonly rewarms: Rewarms) {}

  /** @returns a rejection for the first error that a rule wants raised */
  raise(): MaybePromise<void> {
    if (this.errors.length > 0) return Promise.reject(new InvalidationFailedError(this.errors[0]));
  }
}
