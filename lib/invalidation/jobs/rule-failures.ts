import type { CacheRuntime } from '../../cache/cache-runtime.js';
import { RestflowCacheError } from '../../common/errors.js';
import { messageOf } from '../../common/messages.js';
import { BumpQueuedError, type MaybePromise } from '../../stores/store.interface.js';
import type { Rewarms } from '../rewarm/rewarms.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import type { DispatcherRegistry } from './dispatcher-registry.js';

/** Logs errors of rules, and collects those that must reject the write. */
export class RuleFailures {
  constructor(
    private readonly runtime: CacheRuntime,
    private readonly dispatchers: DispatcherRegistry,
    /** `raiseException` of the module. */
    private readonly raiseException: boolean,
  ) {}

  failed(rules: readonly ActiveRule[], error: unknown, outcome: CommitOutcome): void {
    // The failure of a store whose bumps are queued was logged when the store went down.
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

  /** Logs that an invalidator called its methods after it had returned. */
  reportLate(rule: ActiveRule): void {
    this.runtime.log.error(
      `late ${rule.id}`,
      `The invalidator of the rule ${rule.id} dropped entries after it had ended, so reads after the write may have been served old values`,
      'return the promise of its work: async (cached, change) => { … }',
    );
  }
}

/**
 * An invalidation failed after its change was committed, and its rule, its dispatcher or the module has
 * `raiseException: true`: the write rejects with this error, although its data is committed. `cause` is the original error.
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

/** Result of the invalidation of one commit: rules whose tags could not be invalidated, and errors to raise. */
export class CommitOutcome {
  readonly unbumped = new Set<ActiveRule>();
  readonly errors: unknown[] = [];

  constructor(readonly rewarms: Rewarms) {}

  /** @returns a rejection with the first error of a rule with `raiseException` */
  raise(): MaybePromise<void> {
    if (this.errors.length > 0) return Promise.reject(new InvalidationFailedError(this.errors[0]));
  }
}
