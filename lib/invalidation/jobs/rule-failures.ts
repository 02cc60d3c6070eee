import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { RestflowCacheError } from '../../common/errors.js';
import { messageOf } from '../../common/messages.js';
import { BumpQueuedError, type MaybePromise } from '../../stores/store.interface.js';
import type { Rewarms } from '../rewarm/rewarms.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';

/** What becomes of errors: they stay in the log, unless a rule wants them raised. */
export class RuleFailures {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    /** Of the module. */
    private readonly raiseException: boolean,
  ) {}

  failed(rules: readonly ActiveRule[], error: unknown, outcome: CommitOutcome): void {
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

/**
 * An invalidation failed after its change was committed, and its rule, its dispatcher or the module says
 * `raiseException: true`: the write rejects with this, though its data is there. `cause` is what went wrong.
 *
 * @publicApi
 */
export class InvalidationFailedError extends RestflowCacheError {
  constructor(cause: unknown) {
    super(
      'INVALIDATION_FAILED',
      `The change was committed, but its invalidation failed: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** What became of one commit: whose tags could not be invalidated, and errors to raise. */
export class CommitOutcome {
  readonly unbumped = new Set<ActiveRule>();
  readonly errors: unknown[] = [];

  constructor(readonly rewarms: Rewarms) {}

  /** @returns a rejection for the first error that a rule wants raised */
  raise(): MaybePromise<void> {
    if (this.errors.length > 0) return Promise.reject(new InvalidationFailedError(this.errors[0]));
  }
}
