import { randomUUID } from 'node:crypto';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import type { MaybePromise } from '../stores/store.interface.js';
import type { BoundRule } from './bound-rule.js';
import type { Change } from './change.interface.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';
import type { InvalidationJob } from './dispatcher.interface.js';
import { InvalidationPlan } from './invalidation-plan.js';

/** A write waits this long for its invalidations; then they go on in the background. Milliseconds. */
const MAX_WAIT = 100;

/**
 * The flow of a change: committed changes → rules and custom invalidators → tags → bump now → dispatcher.
 */
export class InvalidationService {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    private readonly raiseException: boolean,
  ) {}

  /**
   * Carries out what committed changes ask for.
   * @param rulesOf the rules that a change concerns
   * @returns nothing when all is done; else a promise that the write awaits, for at most 100 ms. Rejects only for rules
   * whose errors are to be raised.
   */
  committed(
    changes: readonly Change[],
    rulesOf: (change: Change) => readonly BoundRule[],
  ): MaybePromise<void> {
    const plan = new InvalidationPlan(this.runtime.space, (rule, error) => this.#report(rule, error));
    for (const change of changes) for (const rule of rulesOf(change)) plan.add(rule, change);
    if (plan.tags.size === 0 && plan.settled === undefined) return;
    const work =
      plan.settled === undefined ? this.#carryOut(plan) : plan.settled.then(() => this.#carryOut(plan));
    if (work instanceof Promise) return this.#atMost(work);
  }

  #carryOut(plan: InvalidationPlan): MaybePromise<void> {
    const bumped = this.#bump(plan);
    if (bumped instanceof Promise) return bumped.then(() => this.#dispatch(plan));
    return this.#dispatch(plan);
  }

  /** Bumps what is eager, all rules of a mode in one step. */
  #bump(plan: InvalidationPlan): MaybePromise<void> {
    const pending: Promise<void>[] = [];
    for (const mode of ['purge', 'expire'] as const) {
      const rules = [...plan.tags].filter(([rule]) => rule.mode === mode && rule.options.eager !== false);
      const tags = new Set(rules.flatMap(([, ruleTags]) => [...ruleTags]));
      if (tags.size === 0) continue;
      const bumped = this.#guarded(
        rules.map(([rule]) => rule),
        () => this.runtime.bump([...tags], mode),
      );
      if (bumped instanceof Promise) pending.push(bumped);
    }
    if (pending.length > 0) return Promise.all(pending).then(() => undefined);
  }

  #dispatch(plan: InvalidationPlan): MaybePromise<void> {
    const pending: Promise<void>[] = [];
    for (const [dispatcher, rules] of this.dispatchers.group([...plan.tags.keys()])) {
      const jobs = rules.map((rule) => this.#job(rule, plan.tags.get(rule)!));
      if (this.dispatchers.isInline(dispatcher) && jobs.every((job) => job.done)) continue;
      const dispatched = this.#guarded(rules, () =>
        this.dispatchers.dispatch(dispatcher, rules, jobs, (job) => this.handle(job)),
      );
      if (dispatched instanceof Promise) pending.push(dispatched);
    }
    if (pending.length > 0) return Promise.all(pending).then(() => undefined);
  }

  #job(rule: BoundRule, tags: ReadonlySet<string>): InvalidationJob {
    const done = rule.options.eager !== false;
    return {
      id: randomUUID(),
      namespace: this.runtime.space.namespace,
      rule: rule.id,
      tags: [...tags],
      mode: rule.mode,
      done,
    };
  }

  /** Carries out a job, here or in a worker. Doing it twice does no harm. */
  handle(job: InvalidationJob): MaybePromise<void> {
    return this.runtime.bump(job.tags, job.mode);
  }

  /** Errors of the cache stay in the log, unless a rule wants them raised. */
  #guarded(rules: readonly BoundRule[], work: () => MaybePromise<void>): MaybePromise<void> {
    const failed = (error: unknown): void => {
      for (const rule of rules) this.#report(rule, error);
      if (rules.some((rule) => this.#raises(rule))) throw error;
    };
    try {
      const result = work();
      return result instanceof Promise ? result.catch(failed) : result;
    } catch (error) {
      failed(error);
    }
  }

  #raises(rule: BoundRule): boolean {
    return (
      rule.options.raiseException ?? this.dispatchers.raiseException(rule.dispatcher) ?? this.raiseException
    );
  }

  #report(rule: BoundRule, error: unknown): void {
    this.runtime.log.error(`rule ${rule.id}`, `The rule ${rule.id} failed`, error);
  }

  /** The work goes on; the write no longer waits for it. */
  #atMost(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.runtime.settings.clock.after(MAX_WAIT, resolve);
      work.then(resolve, reject).finally(cancel);
    });
  }
}
