import { within } from '../../common/async.js';
import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { RestflowCacheError } from '../../common/errors.js';
import { messageOf } from '../../common/messages.js';
import type { Clock } from '../../common/time.js';
import type { Change } from '../change.interface.js';
import { type InvalidationPlan, jobOf } from '../invalidation-plan.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import { RemoteRule } from '../rules/remote-rule.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';
import type { ChangeTransaction, JobWork } from './dispatcher.interface.js';

/** The rules that a change concerns. */
export type RulesOf = (change: Change) => readonly ActiveRule[];

/** Does work in a transaction, which goes on as if it had not been tried when it fails. */
export type Attempt = (work: () => Promise<void>) => Promise<void>;

/** A transaction waits this long for custom invalidators of durable rules; then they drop all of their methods. Milliseconds. */
const MAX_WAIT = 100;

/**
 * A durable job could not be written, so the transaction that it belongs to is not committed.
 *
 * @publicApi
 */
export class InvalidationEnqueueError extends RestflowCacheError {}

/** What was written with the changes of a transaction. */
export interface WrittenJobs {
  /** Its invalidators may still be speaking: they were counted as dropping everything of their methods. */
  readonly plan: InvalidationPlan;
  /** Whose jobs were written, or have nothing to do. */
  readonly rules: Set<ActiveRule>;
  /** What went wrong with rules, whose jobs drop everything of their methods therefore. */
  readonly failures: readonly (readonly [rule: ActiveRule, error: unknown])[];
}

const NONE: readonly WrittenJobs[] = [];

/** Jobs that are written inside the transaction of the change, before its COMMIT. */
export class DurableJobs {
  /** What was written with a change. Forgotten with it. */
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
   * Writes the jobs of durable rules. Rejects when one cannot be written, and only then.
   * @returns nothing where no durable rule is concerned
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

  /** Whether the job of this rule for this change is written already. */
  has(rule: ActiveRule, change: Change): boolean {
    return this.#writes && this.#written.get(change)?.rules.has(rule) === true;
  }

  /** What was written with these changes, and is still to be invalidated now. */
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

  /** Rules of other processes are met by the names of entities: a dispatcher that never wrote here may be at home in another database. */
  async #tryEnqueue(name: string, enqueue: () => Promise<void>): Promise<boolean> {
    try {
      await enqueue();
      return true;
    } catch (error) {
      this.runtime.log.warn(
        `durable elsewhere ${name}`,
        `Rules of other processes want jobs of the dispatcher '${name}' in transactions of a DataSource where it has never written any. ` +
          `They are dispatched after the commit instead: ${messageOf((error as Error).cause ?? error)}`,
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

/** A write waits this long for its invalidations; then they go on in the background. Milliseconds. */
const MAX_WRITE_WAIT = 100;

/** The shutdown waits this long for them. Milliseconds. */
const MAX_DRAIN = 5_000;

/** Invalidations that writes wait for, but not for ever. */
export class BackgroundWork {
  readonly #running = new Set<Promise<unknown>>();

  constructor(private readonly clock: Clock) {}

  /** The work goes on; the write no longer waits for it. */
  atMost(work: Promise<void>, onTimeout: () => void): Promise<void> {
    const waiting = within(this.clock, MAX_WRITE_WAIT, work, onTimeout);
    this.add(work.catch(() => undefined));
    return waiting;
  }

  /** Work that no write waits for. It must not reject. */
  add(work: Promise<unknown>): void {
    const running = work.finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Resolves when nothing goes on any more, or after {@link MAX_DRAIN}. */
  async drain(): Promise<void> {
    if (this.#running.size === 0) return;
    await within(this.clock, MAX_DRAIN, Promise.all(this.#running));
  }
}
