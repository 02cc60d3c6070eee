import type { InvalidationMode } from '../../stores/store.interface.js';
import type { BoundInvalidator } from '../invalidator.js';
import type { RuleOptions } from './rule-options.js';

/** A rule that changes are matched with: one of a method that is cached here, or in another process. */
export interface ActiveRule {
  readonly id: string;
  readonly options: RuleOptions;
  readonly mode: InvalidationMode;
  readonly entityName: string;
  /** The name of a dispatcher that is there. */
  readonly dispatcher: string;
  /** The custom invalidator, ready to be called. */
  readonly invalidator?: BoundInvalidator | undefined;
  /** The cached method. */
  readonly target: { readonly name: string; readonly methodTag: string };
  /** The paths to be read from the database where a change does not carry them. */
  readonly lookups: readonly string[];
  /** The tag of the partition that a mapping gave. @throws PartitionError for a subset that was not declared */
  partitionTag(values: Readonly<Record<string, unknown>>): string;
}
