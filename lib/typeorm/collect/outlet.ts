import type { Change, ChangeSink } from '../../invalidation/change.interface.js';
import { InvalidationFailedError } from '../../invalidation/jobs/raised-error.js';
import type { OrmQueryRunner } from '../typeorm.interface.js';

export interface CollectorOptions {
  /** Called synchronously whenever a query other than BEGIN or COMMIT ran on a runner with an open transaction. */
  readonly onQueryInOpenTransaction?: () => void;
  /** The tables somebody has rules for (lower-case `tablePath`); `undefined`: all. Asked at every write. */
  readonly tables?: () => ReadonlySet<string> | undefined;
  /** Those of them whose changes the sink writes into transactions; `undefined`: all. */
  readonly durableTables?: () => ReadonlySet<string>;
  /** Paths that are read from the database where a change does not carry them, by table. */
  readonly lookups?: () => ReadonlyMap<string, readonly string[]>;
  /** Whether bulk statements report the rows they change: on PostgreSQL, elsewhere it says nothing. */
  readonly exactStatements?: boolean;
  /** Told of errors, which hooks never let out, and of the place they came from. */
  readonly onError?: (error: unknown, where: string) => void;
}

/** What a hook answers TypeORM, which waits for real promises only. */
export type Answer = Promise<void> | undefined;

/** Waits for both. */
export function both(one: Answer, other: Answer): Answer {
  return one === undefined || other === undefined
    ? (one ?? other)
    : Promise.all([one, other]).then(() => undefined);
}

const DOUBT_MS = 1_000;
const NO_LOOKUPS: ReadonlyMap<string, readonly string[]> = new Map();

/** The one way out: to the sink, and nothing else, neither errors nor tables that nobody asked for. */
export class Outlet {
  readonly #sink: ChangeSink;
  readonly #options: CollectorOptions;
  #closed = false;

  constructor(sink: ChangeSink, options: CollectorOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  get wanted(): ReadonlySet<string> | undefined {
    return this.#options.tables?.();
  }

  get lookups(): ReadonlyMap<string, readonly string[]> {
    return this.#options.lookups?.() ?? NO_LOOKUPS;
  }

  /** Whether the sink writes anything into transactions. */
  get takesOffers(): boolean {
    return this.#sink.committing !== undefined && this.#options.durableTables?.().size !== 0;
  }

  /** Told before the COMMIT: what the sink answers may keep the transaction from being committed. */
  offer(changes: readonly Change[], runner: OrmQueryRunner): Answer {
    const told = this.#wantedOf(changes);
    return told.length === 0 || this.#closed ? undefined : this.#sink.committing!(told, runner);
  }

  /** @param raise whether the write whose hook this is may be told of a failure that a rule wants raised */
  send(changes: readonly Change[], raise = false): Answer {
    const told = this.#wantedOf(changes);
    if (told.length === 0 || this.#closed) return undefined;
    const answer = this.#sink.committed(told);
    if (answer === undefined) return undefined;
    return Promise.resolve(answer).catch((error: unknown) => {
      if (raise && error instanceof InvalidationFailedError) throw error;
      this.report(error, 'sink');
    });
  }

  /** The server may still be working on a COMMIT whose answer was lost: said now, and again when it must be over. */
  sendInDoubt(changes: readonly Change[]): Answer {
    if (changes.length > 0)
      setTimeout(() => void this.guard('in doubt', () => this.send(changes)), DOUBT_MS).unref();
    return this.send(changes);
  }

  close(): void {
    this.#closed = true;
  }

  queryInOpenTransaction(): void {
    this.#options.onQueryInOpenTransaction?.();
  }

  report(error: unknown, where: string): void {
    try {
      this.#options.onError?.(error, where);
    } catch {
      // Nothing may leave a hook, not even what the reporter of errors throws.
    }
  }

  #wantedOf(changes: readonly Change[]): readonly Change[] {
    const wanted = this.wanted;
    return wanted === undefined ? changes : changes.filter((change) => wanted.has(change.table));
  }

  /** Runs a hook so that nothing leaves it but its answer: a throw in afterQuery makes TypeORM fail the statement. */
  guard(where: string, hook: () => Answer | void): Answer {
    try {
      return hook() ?? undefined;
    } catch (error) {
      this.report(error, where);
      return undefined;
    }
  }
}
