import { within } from '../../common/async.js';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { RestflowCacheError } from '../../common/errors.js';
import { messageOf } from '../../common/messages.js';
import type { Change } from '../change.interface.js';
import { type InvalidationPlan, jobOf } from '../invalidation-plan.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import { RemoteRule } from '../rules/remote-rule.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';
import type { ChangeTransaction, JobWork } from './dispatcher.interface.js';

/** The rules that a change concerns. */
export type RulesOf = (change: Change) => readonly ActiveRule[];

/** Runs work inside a savepoint: if it fails, the transaction goes on without it. */
export type Attempt = (work: () => Promise<void>) => Promise<void>;

/** Time that a transaction waits for custom invalidators of durable rules; then the rules drop all entries of their methods. Milliseconds. */
const MAX_WAIT = 100;

/**
 * A durable job could not be written, so its transaction is rolled back.
 *
 * @publicApi
 */
export class InvalidationEnqueueError extends RestflowCacheError {}

/** The jobs that were written in one transaction. */
export interface WrittenJobs {
  /** Invalidators in it may still run: the jobs of their rules drop all entries of their methods. */
  readonly plan: InvalidationPlan;
  /** Rules whose jobs were written, or have nothing to do. */
  readonly rules: Set<ActiveRule>;
  /** Rules whose invalidator failed: their jobs drop all entries of their methods. */
  readonly failures: readonly (readonly [rule: ActiveRule, error: unknown])[];
}

const NONE: readonly WrittenJobs[] = [];

/** Writes jobs inside the transaction of a change, before its COMMIT. */
export class DurableJobs {
  /** The jobs that were written with a change. */
  readonly #written = new WeakMap<Change, WrittenJobs>();
  #writes = false;
  /** The dispatchers that have written into transactions of a data source. */
  readonly #proven = new WeakMap<object, Set<string>>();

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    private readonly workFor: (dispatcher: string) => JobWork,
    private readonly planWith: (failed: (rule: ActiveRule, error: unknown) => void) => InvalidationPlan,
  ) {}

  /**
   * Writes the jobs of durable rules. Rejects only if a job cannot be written.
   * @returns `undefined` if no durable rule applies to the changes
   */
  write(
    changes: readonly Change[],
    rulesOf: RulesOf,
    transaction: ChangeTransaction,
    attempt: Attempt,
  ): Promise<void> | undefined {
    const failures: [ActiveRule, unknown][] = [];
    const plan = this.planWith((rule, error) => failures.push([rule, error]));
    const rules = new Set<ActiveRule>();
    for (const change of changes) {
      for (const rule of rulesOf(change)) {
        if (!this.#isDurable(rule)) continue;
        rules.add(rule);
        plan.add(rule, change);
      }
    }
    if (plan.complete().isEmpty) return undefined;
    return this.#write({ plan, rules, failures }, changes, transaction, attempt);
  }

  /** Tells whether the job of this rule for this change was written. */
  has(rule: ActiveRule, change: Change): boolean {
    return this.#writes && this.#written.get(change)?.rules.has(rule) === true;
  }

  /** The jobs that were written with these changes; their tags must still be invalidated in this process. */
  of(changes: readonly Change[]): readonly WrittenJobs[] {
    if (!this.#writes) return NONE;
    const all = new Set(changes.flatMap((change) => this.#written.get(change) ?? []));
    return [...all];
  }

  async #write(
    written: WrittenJobs,
    changes: readonly Change[],
    transaction: ChangeTransaction,
    attempt: Attempt,
  ): Promise<void> {
    const { plan } = written;
    if (plan.undecided.size > 0) await this.#invalidatorsDone(plan);
    plan.widen();
    for (const [name, rules] of this.dispatchers.group([...plan.tags.keys()])) {
      const enqueue = (): Promise<void> => this.#enqueue(name, rules, plan, transaction);
      const isProven = this.#proven.get(transaction.dataSource)?.has(name) === true;
      if (isProven || !rules.every((rule) => rule instanceof RemoteRule)) await enqueue();
      else if (!(await this.#tryEnqueue(name, () => attempt(enqueue))))
        for (const rule of rules) written.rules.delete(rule);
    }
    this.#writes = true;
    for (const change of changes) this.#written.set(change, written);
  }

  async #enqueue(
    name: string,
    rules: readonly ActiveRule[],
    { tags, rewarms }: InvalidationPlan,
    transaction: ChangeTransaction,
  ): Promise<void> {
    const jobs = rules.map((rule) =>
      jobOf(rule, tags.get(rule)!, this.runtime.space, false, rewarms.of(rule)),
    );
    const counters = this.runtime.counters.dispatcher(name);
    try {
      await this.dispatchers.enqueue(name, rules, jobs, this.workFor(name), transaction);
      counters.jobs += jobs.length;
    } catch (error) {
      counters.failures++;
      throw new InvalidationEnqueueError(
        'DISPATCHER_ENQUEUE',
        `The dispatcher '${name}' could not write its jobs into the transaction, which is rolled back: ${messageOf(error)}`,
        { cause: error },
      );
    }
    const proven = this.#proven.get(transaction.dataSource) ?? new Set();
    this.#proven.set(transaction.dataSource, proven.add(name));
  }

  /**
   * Enqueues jobs of rules of other processes. Those rules match changes by the name of the entity only, so the change may be in a
   * database that their dispatcher does not use: a failure is logged and does not fail the transaction.
   */
  async #tryEnqueue(name: string, enqueue: () => Promise<void>): Promise<boolean> {
    try {
      await enqueue();
      return true;
    } catch (error) {
      this.runtime.log.warn(
        `durable elsewhere ${name}`,
        `The dispatcher '${name}' could not write jobs of rules of other processes into a transaction, and never has with this DataSource. ` +
          `The jobs are dispatched after the commit instead: ${messageOf((error as Error).cause ?? error)}`,
      );
      return false;
    }
  }

  #invalidatorsDone(plan: InvalidationPlan): Promise<unknown> {
    return within(this.runtime.settings.clock, MAX_WAIT, Promise.all(plan.undecided.values()));
  }

  #isDurable(rule: ActiveRule): boolean {
    return this.dispatchers.isDurable(rule.dispatcher);
  }
}
