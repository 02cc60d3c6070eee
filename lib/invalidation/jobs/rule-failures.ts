import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { BumpQueuedError } from '../../stores/store.interface.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';
import type { Outcome } from './outcome.js';

/** What becomes of errors: they stay in the log, unless a rule wants them raised. */
export class RuleFailures {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    /** Of the module. */
    private readonly raiseException: boolean,
  ) {}

  failed(rules: readonly ActiveRule[], error: unknown, outcome: Outcome): void {
    // What is queued was reported when the store went.
    if (!(error instanceof BumpQueuedError)) for (const rule of rules) this.report(rule, error);
    if (rules.some((rule) => this.raises(rule))) outcome.errors.push(error);
  }

  raises({ options, dispatcher }: ActiveRule): boolean {
    return options.raiseException ?? this.dispatchers.raiseException(dispatcher) ?? this.raiseException;
  }

  report(rule: ActiveRule, error: unknown): void {
    this.runtime.counters.invalidation.ruleErrors++;
    this.runtime.log.error(`rule ${rule.id}`, `The rule ${rule.id} failed`, error);
  }

  /** An invalidator whose promise was not returned. */
  reportLate(rule: ActiveRule): void {
    this.runtime.log.error(
      `late ${rule.id}`,
      `The invalidator of the rule ${rule.id} named what to drop when it had ended, so that reads after the write were served it`,
      'return the promise of its work: async (cached, change) => { … }',
    );
  }
}
