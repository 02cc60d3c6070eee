import type { CacheRuntime } from '../cache/cache-runtime.js';
import { currentLoad } from '../cache/engine/load-context.js';
import { traced } from '../observability/tracing.js';
import type { InvalidationMode, MaybePromise } from '../stores/store.interface.js';
import type { ActiveRule } from './rules/bound-rule.js';
import type { Change } from './change.interface.js';
import type { DispatcherRegistry } from './jobs/dispatcher-registry.js';
import type { ChangeTransaction, JobWork } from './jobs/dispatcher.interface.js';
import { BackgroundWork } from './jobs/background-work.js';
import { type Attempt, DurableJobs, type RulesOf } from './jobs/durable-jobs.js';
import { InvalidationPlan, jobOf, NO_TAGS, union, type RuleTags } from './invalidation-plan.js';
import { JobRunner } from './jobs/job-runner.js';
import { ReplicaBumps } from './replica-bumps.js';
import { CommitOutcome, RuleFailures } from './jobs/rule-failures.js';
import type { Rewarmer } from './rewarm/rewarmer.js';
import { Rewarms } from './rewarm/rewarms.js';

/** Invalidates what changes of entities made stale: changes → rules and invalidators → tags → bump → dispatcher. */
export class InvalidationService {
  readonly #durable: DurableJobs;
  readonly #replicaBumps: ReplicaBumps | undefined;
  readonly #background: BackgroundWork;
  readonly #failures: RuleFailures;
  readonly #jobs: JobRunner;

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    raiseException: boolean,
    replicaLag = 0,
    private readonly rewarmer?: Rewarmer,
  ) {
    if (replicaLag > 0) this.#replicaBumps = new ReplicaBumps(runtime, replicaLag);
    this.#failures = new RuleFailures(runtime, dispatchers, raiseException);
    this.#jobs = new JobRunner(runtime, this.#failures, rewarmer);
    this.#background = new BackgroundWork(runtime.settings.clock);
    this.#durable = new DurableJobs(
      runtime,
      dispatchers,
      (dispatcher) => ({ handle: (job) => this.handle(job, dispatcher), rewarm: () => undefined }),
      (failed) =>
        this.#plan((rule, error) => {
          this.#failures.report(rule, error);
          failed(rule, error);
        }, this.#rewarms()),
    );
  }

  get #counters(): CacheRuntime['counters']['invalidation'] {
    return this.runtime.counters.invalidation;
  }

  /** True if the rule's dispatcher writes its jobs inside the transaction of the change. */
  isDurable(rule: ActiveRule): boolean {
    return this.dispatchers.isDurable(rule.dispatcher);
  }

  /**
   * Writes the jobs of durable dispatchers into the transaction before its COMMIT. Rejects only when that fails: the
   * transaction must then not be committed.
   * @param rulesOf returns the rules that a change concerns
   * @param attempt runs work that may fail, without aborting the transaction
   */
  committing(
    changes: readonly Change[],
    rulesOf: RulesOf,
    transaction: ChangeTransaction,
    attempt: Attempt,
  ): Promise<void> | undefined {
    return this.#durable.write(changes, rulesOf, transaction, attempt);
  }

  /**
   * Invalidates the entries that committed changes made stale. Never throws.
   * @param rulesOf returns the rules that a change concerns
   * @param replicated whether loads may read from a lagging replica: the tags are then bumped again after `replicaLag`
   * @returns nothing if all is done, else a promise that the write awaits for at most 100 ms. It rejects only for rules
   * with `raiseException`.
   */
  committed(changes: readonly Change[], rulesOf: RulesOf, replicated = false): MaybePromise<void> {
    this.#counters.changes += changes.length;
    const late = replicated ? this.#replicaBumps : undefined;
    const outcome = new CommitOutcome(this.#rewarms(late));
    const plan = this.#plan(
      (rule, error) => this.#failures.failed([rule], error, outcome),
      outcome.rewarms,
      late,
    );
    for (const change of changes)
      for (const rule of rulesOf(change)) if (!this.#durable.has(rule, change)) plan.add(rule, change);
    const written = this.#durable.of(changes);
    let known = NO_TAGS;
    for (const jobs of written) {
      known = union(known, jobs.plan.tags);
      for (const [rule, error] of jobs.failures) if (this.#failures.raises(rule)) outcome.errors.push(error);
    }
    const done = this.#carryOut(plan.complete().decided, outcome, late, known);
    for (const one of [plan, ...written.map((jobs) => jobs.plan)])
      this.#counters.widened += one.takeWidened();
    // The written jobs already drop the whole methods of invalidators that still run: the write need not wait for their tags.
    for (const jobs of written)
      this.#carryOutWhenDecided(jobs.plan, outcome, late).forEach((one) => this.#background.add(one));
    if (plan.undecided.size === 0 && !(done instanceof Promise)) return outcome.raise();
    return this.#background.atMost(
      Promise.all([done, ...this.#carryOutWhenDecided(plan, outcome, late)]).then(() => outcome.raise()),
      () => this.#widen(plan, late),
    );
  }

  /** Carries out each rule as soon as its invalidator has finished: known tags do not wait for slow invalidators. */
  #carryOutWhenDecided(
    plan: InvalidationPlan,
    outcome: CommitOutcome,
    late: ReplicaBumps | undefined,
  ): Promise<void>[] {
    return [...plan.undecided].map(([rule, finished]) =>
      finished.then(() => this.#carryOut(plan.of(rule), outcome, late)),
    );
  }

  /** Waits for invalidations that writes no longer wait for. Call it before dispatchers and stores are closed. */
  drain(): Promise<void> {
    return this.#background.drain();
  }

  /** Call it when there are no more writes. */
  async close(): Promise<void> {
    await this.#replicaBumps?.close();
  }

  #plan(
    failed: (rule: ActiveRule, error: unknown) => void,
    rewarms: Rewarms,
    late?: ReplicaBumps,
  ): InvalidationPlan {
    return new InvalidationPlan(this.runtime.space, failed, rewarms, (rule, tags) => {
      this.#failures.reportLate(rule);
      const outcome = new CommitOutcome(this.#rewarms(late));
      this.#background.add(Promise.resolve(this.#carryOut(tags, outcome, late)));
    });
  }

  /** Drops the whole method of each rule whose invalidator still runs: the write returns without waiting for it. */
  #widen(plan: InvalidationPlan, late: ReplicaBumps | undefined): void {
    void Promise.resolve(this.#bump(plan.widen(), new CommitOutcome(plan.rewarms), late));
    this.#counters.widened += plan.takeWidened();
  }

  #rewarms(late?: ReplicaBumps): Rewarms {
    let refusal: string | undefined;
    if (late !== undefined) refusal = 'its tags are bumped again after replicaLag';
    // Otherwise a method that writes rows it depends on would trigger itself forever.
    else if (currentLoad() !== undefined) refusal = 'the change was made inside a cached method';
    return new Rewarms(this.runtime.log, this.rewarmer?.signer, refusal);
  }

  /**
   * Bumps the tags, then dispatches them even if bumping failed: the dispatcher tries again.
   * @param written tags of jobs that were written before the COMMIT: they are bumped and not dispatched again
   */
  #carryOut(
    tags: RuleTags,
    outcome: CommitOutcome,
    late: ReplicaBumps | undefined,
    written: RuleTags = NO_TAGS,
  ): MaybePromise<void> {
    if (tags.size === 0 && written.size === 0) return;
    const bumped = this.#bump(union(tags, written), outcome, late);
    return bumped instanceof Promise
      ? bumped.then(() => this.#dispatch(tags, outcome))
      : this.#dispatch(tags, outcome);
  }

  /** Bumps the tags of eager rules, with one call for each mode. */
  #bump(tags: RuleTags, outcome: CommitOutcome, late?: ReplicaBumps): MaybePromise<void> {
    const purged = this.#bumpOf('purge', tags, outcome, late);
    const expired = this.#bumpOf('expire', tags, outcome, late);
    if (purged instanceof Promise || expired instanceof Promise)
      return Promise.all([purged, expired]).then(() => undefined);
  }

  #bumpOf(
    mode: InvalidationMode,
    tags: RuleTags,
    outcome: CommitOutcome,
    late?: ReplicaBumps,
  ): MaybePromise<void> {
    const rules: ActiveRule[] = [];
    const all = new Set<string>();
    for (const [rule, dropped] of tags) {
      if (rule.mode !== mode) continue;
      // Also for `eager: false`: a load from a lagging replica may cache the old row whoever bumps first.
      late?.add(dropped, mode);
      if (rule.options.eager === false) continue;
      rules.push(rule);
      for (const tag of dropped) all.add(tag);
    }
    if (rules.length === 0) return;
    if (this.runtime.invalidationHistory !== undefined)
      for (const rule of rules) this.runtime.invalidationHistory.note(tags.get(rule)!, `rule ${rule.id}`);
    return this.#guarded(
      () => this.runtime.bump([...all], mode, 'change'),
      (error) => {
        for (const rule of rules) outcome.unbumped.add(rule);
        this.#failures.failed(rules, error, outcome);
      },
    );
  }

  #dispatch(tags: RuleTags, outcome: CommitOutcome): MaybePromise<void> {
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
        handle: (job) => this.handle(job, dispatcher),
        rewarm: (done) =>
          isInline ? this.#jobs.recomputeFor(done, rules, outcome) : this.#jobs.recompute(done),
      };
      const counters = this.runtime.counters.dispatcher(dispatcher);
      counters.jobs += jobs.length;
      const dispatched = this.#guarded(
        () =>
          traced('cache.dispatch', { 'cache.dispatcher': dispatcher, 'cache.jobs': jobs.length }, () =>
            this.dispatchers.dispatch(dispatcher, rules, jobs, work),
          ),
        (error) => {
          counters.failures++;
          this.#failures.failed(rules, error, outcome);
        },
      );
      if (dispatched instanceof Promise) pending.push(dispatched);
    }
    if (pending.length > 0) return Promise.all(pending).then(() => undefined);
  }

  #isDone(rule: ActiveRule, { unbumped }: CommitOutcome): boolean {
    return rule.options.eager !== false && !unbumped.has(rule);
  }

  /**
   * Carries out a job, here or in a worker.
   * @param by name of the dispatcher that delivered it
   * @throws InvalidationJobError for a value that is not a job of this namespace
   */
  handle(delivered: unknown, by?: string): MaybePromise<void> {
    return this.#jobs.handle(delivered, by);
  }

  #guarded(work: () => MaybePromise<void>, failed: (error: unknown) => void): MaybePromise<void> {
    try {
      const result = work();
      return result instanceof Promise ? result.catch(failed) : result;
    } catch (error) {
      failed(error);
    }
  }
}
