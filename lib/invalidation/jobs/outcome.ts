import type { MaybePromise } from '../../stores/store.interface.js';
import type { ActiveRule } from '../rules/bound-rule.js';
import { InvalidationFailedError } from './raised-error.js';
import type { Rewarms } from '../rewarm/rewarms.js';

/** What became of one commit: whose tags could not be invalidated, and errors to raise. */
export class Outcome {
  readonly unbumped = new Set<ActiveRule>();
  readonly errors: unknown[] = [];

  constructor(readonly rewarms: Rewarms) {}

  /** @returns a rejection for the first error that a rule wants raised */
  raise(): MaybePromise<void> {
    if (this.errors.length > 0) return Promise.reject(new InvalidationFailedError(this.errors[0]));
  }
}
