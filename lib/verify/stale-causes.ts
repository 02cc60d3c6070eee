import { LRUCache } from 'lru-cache';
import type { CacheRuntime } from '../cache/cache-runtime.js';
import { ManualTarget } from '../cache/manual-entry.js';
import type { StaleCause } from '../observability/verify-metrics.js';
import type { Stamp } from '../stores/stamp.js';
import type { ComparedValue } from './compared-value.js';
import type { Reloaded } from './reload.js';
import type { SampledHit } from './sampled-hit.js';

/** Facts about the rules and changes of the application that tell the cause of a stale value. */
export interface TableFacts {
  /** Those of the tables that no rule of these methods covers. */
  uncovered(methods: ReadonlySet<string>, tables: ReadonlySet<string>): readonly string[];
  /** The name of the entity of a table. */
  entityOf(table: string): string | undefined;
  /** True if this process has seen a change of one of the tables since then. Milliseconds since the epoch. */
  hasChanged(tables: ReadonlySet<string>, since: number): boolean;
  /** True if loads may read from replicas. */
  readonly isReplicated: boolean;
}

/** Why a value was stale, and what to do about it. */
export interface FoundCause {
  readonly cause: StaleCause;
  /** Only for tables without a rule. */
  readonly tables?: readonly string[] | undefined;
  /** The second sentence of the log line. */
  readonly advice: string;
}

/** Keys of which the last stale value is remembered. */
const MAX_REMEMBERED = 1_000;

interface Remembered {
  readonly served: ComparedValue;
  readonly stamp: Stamp;
  /** Another reader was due the value that was stale for this one. */
  isContradicted: boolean;
}

/** Finds out why a verified value was stale. */
export class StaleCauses {
  readonly #stale = new LRUCache<string, Remembered>({ max: MAX_REMEMBERED });

  constructor(
    private readonly runtime: CacheRuntime,
    private readonly facts: TableFacts,
  ) {}

  /** A value was right for its reader. */
  matched({ call, served }: SampledHit): void {
    const remembered = this.#stale.get(call.key);
    if (remembered?.served.equals(served, call.target.verify) === true) remembered.isContradicted = true;
  }

  /** @param repeat loads once more, from a replica */
  async of(
    hit: SampledHit,
    loaded: Reloaded,
    repeat: () => Promise<Reloaded | undefined>,
  ): Promise<FoundCause> {
    const isOfReader = this.#remember(hit);
    if (isOfReader) return INPUT;
    const { store } = hit.call.target;
    if (this.#hasWaitingBumps(store)) return QUEUED;
    if (
      this.facts.isReplicated &&
      (await repeat())?.value.equals(hit.served, hit.call.target.verify) === true
    )
      return REPLICA;
    return this.#ofTables(hit, loaded.context.tables);
  }

  /** True if a later load brought the same value back, or another reader was due it: then the value depends on who asks. */
  #remember({ call, entry, served }: SampledHit): boolean {
    const before = this.#stale.get(call.key);
    const isSame = before?.served.equals(served, call.target.verify) === true;
    // Another stamp: it was dropped and loaded again.
    const isContradicted = isSame && (before.isContradicted || !entry.stamp.equals(before.stamp));
    this.#stale.set(call.key, { served, stamp: entry.stamp, isContradicted });
    return isContradicted;
  }

  #hasWaitingBumps(store: SampledHit['call']['target']['store']): boolean {
    if ((store.state?.().waitingBumps ?? 0) > 0) return true;
    return Object.values(this.runtime.dispatcherStates()).some(
      ({ waitingJobs, queue }) => waitingJobs > 0 || (queue?.depth ?? 0) > 0,
    );
  }

  #ofTables({ call, entry }: SampledHit, tables: ReadonlySet<string>): FoundCause {
    if (tables.size === 0) return UNKNOWN;
    const { space } = this.runtime;
    const methods = new Set(
      entry.stamp.tags.map((tag) => space.methodOf(tag)).filter((one) => one !== undefined),
    );
    // With invalidatesOn: 'auto', what the load reads is what drops it.
    const isAuto = entry.stamp.tags.includes(space.autoTag);
    const uncovered = isAuto ? [] : this.facts.uncovered(methods, tables);
    if (uncovered.length > 0)
      return {
        cause: 'uncovered',
        tables: uncovered,
        advice:
          call.target instanceof ManualTarget
            ? `Its loader reads ${listOf(uncovered)}: drop the key when they change, with cache.delete(key) or a tag`
            : `Its load reads ${listOf(uncovered)}, which none of its rules covers: ${ruleFor(uncovered, this.facts)}`,
      };
    if (this.facts.hasChanged(tables, entry.cachedAt)) return rule(tables);
    return outside(tables);
  }
}

/** The line that covers tables. */
export function ruleFor(tables: readonly string[], facts: Pick<TableFacts, 'entityOf'>): string {
  const rules = tables.map((table) => facts.entityOf(table) ?? `/* the entity of ${table} */`);
  return `write invalidatesOn: [${rules.join(', ')}]`;
}

/** Tables as a log line names them: at most five. */
export function listOf(tables: readonly string[]): string {
  const shown = tables.slice(0, 5).map((table) => `'${table}'`);
  const rest = tables.length > 5 ? ` and ${tables.length - 5} more` : '';
  return `the table${tables.length === 1 ? '' : 's'} ${shown.join(', ')}${rest}`;
}

export const BUS: FoundCause = {
  cause: 'bus',
  advice:
    'The shared store had its invalidation for more than a heartbeat, and no message reached this process: see docs/failures.md on the ' +
    `bus, or write consistency: 'validate'`,
};

const INPUT: FoundCause = {
  cause: 'input',
  advice:
    'Two readers of its key are due different values: add to its key what the load reads of the request or the context, or do not share it',
};

const QUEUED: FoundCause = {
  cause: 'queued',
  advice: 'Invalidations wait for their store or their queue: see cache.health()',
};

const REPLICA: FoundCause = {
  cause: 'replica',
  advice: `A replica returned the old rows: write replicaLag, e.g. forRoot({ replicaLag: '2s' }), or make it longer`,
};

const UNKNOWN: FoundCause = {
  cause: 'unknown',
  advice:
    'Its load read no table, so no rule can drop it: give it a shorter ttl, or invalidate it where its source changes',
};

function rule(tables: ReadonlySet<string>): FoundCause {
  return {
    cause: 'rule',
    advice:
      `A change of ${listOf([...tables])} was seen and dropped nothing, because a rule is narrower than what the load reads: ` +
      `write scope: 'all', or map what the load selects by`,
  };
}

function outside(tables: ReadonlySet<string>): FoundCause {
  return {
    cause: 'outside',
    advice:
      `Its rules cover ${listOf([...tables])}, and this process saw no change of them: they were written past TypeORM, or by a process ` +
      'without this module. On PostgreSQL write changeSources: [postgresChanges({ … })]; elsewhere call cache.invalidateTags() after the write',
  };
}
